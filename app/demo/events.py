"""What happens in the eight weeks of the demo: the planted events and the releases.

Weeks are ISO weeks, Monday to Sunday, in UTC. The first three are ordinary and the last is quiet:
nothing is planted in them, and their base rates are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

WEEKS = tuple(f"2026-W{number}" for number in range(40, 48))
QUIET_WEEK = "2026-W47"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that goes wrong in one week, and the criterion that should show it."""

    week: str
    what: str
    criterion: str
    application: str | None = None
    language: str | None = None
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """0 is Monday."""


BAD_RELEASE = Event(
    week="2026-W43",
    what="release 2.4.0 of shop-assistant invents answers; it is rolled back after the week",
    criterion="groundedness",
    application="shop-assistant",
)
RETRIEVAL_OUTAGE = Event(
    week="2026-W44",
    what="the retrieval of health-plan-helper fails from Tuesday to Thursday",
    criterion="context_relevance",
    application="health-plan-helper",
    days=(1, 2, 3),
)
GERMAN_SERVED_WORSE = Event(
    week="2026-W45",
    what="prompt p13 has lost its German part: half of the German questions get an English evasion",
    criterion="answer_relevance",
    language="de",
)
TOXIC_BURST = Event(
    week="2026-W46",
    what="city-services insults citizens on Wednesday and Thursday",
    criterion="toxicity",
    application="city-services",
    days=(2, 3),
)
EVENTS = (BAD_RELEASE, RETRIEVAL_OUTAGE, GERMAN_SERVED_WORSE, TOXIC_BURST)

_RELEASES: Mapping[str, Mapping[str, str]] = {
    "shop-assistant": {"2026-W40": "2.3.0", "2026-W43": "2.4.0", "2026-W44": "2.3.0"},
    "health-plan-helper": {"2026-W40": "1.8.2"},
    "city-services": {"2026-W40": "3.1.0", "2026-W47": "3.1.1"},
}
_PROMPTS: Mapping[str, str] = {"2026-W40": "p12", "2026-W45": "p13", "2026-W46": "p14"}


def event_of(week: str) -> Event | None:
    """What is planted in a week, or None."""
    return next((event for event in EVENTS if event.week == week), None)


def release_in(application: str, week: str) -> str:
    """The release of an application that was live in a week."""
    return _latest(_RELEASES[application], week)


def prompt_in(week: str) -> str:
    """The version of the prompts that was live in a week."""
    return _latest(_PROMPTS, week)


def monday_of(week: str) -> datetime:
    """Midnight at the start of an ISO week, in UTC."""
    return datetime.strptime(f"{week}-1", "%G-W%V-%u").replace(tzinfo=UTC)


def _latest(by_week: Mapping[str, str], week: str) -> str:
    return by_week[max(start for start in by_week if start <= week)]
