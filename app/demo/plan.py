"""How many interactions each week has, when and in which language, and what is wrong with them.

Faults are placed by systematic sampling, not by coin flips: sorted by language, application and
day, every so-many-th interaction gets one. Ordinary weeks therefore have the same rates in every
slice, and only a planted event stands out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from app.demo.events import (
    BAD_RELEASE,
    GERMAN_SERVED_WORSE,
    RETRIEVAL_OUTAGE,
    TOXIC_BURST,
    WEEKS,
    Event,
    event_of,
)
from app.demo.library import APPLICATIONS, LANGUAGES

Kind = Literal[
    "faithful",
    "ungrounded",
    "misplaced",
    "evasive",
    "deflected",
    "lost",
    "missed",
    "blind",
    "empty",
    "toxic",
    "biased",
]
Value = TypeVar("Value")

_FINE = {
    "groundedness": "grounded",
    "answer_relevance": "relevant",
    "context_relevance": "relevant",
    "toxicity": "none",
    "bias": "none",
}
TRUTH: Mapping[Kind, Mapping[str, str]] = {
    "faithful": _FINE,
    "ungrounded": _FINE | {"groundedness": "ungrounded"},
    "misplaced": _FINE | {"groundedness": "ungrounded", "answer_relevance": "irrelevant"},
    "evasive": _FINE | {"groundedness": "unsure", "answer_relevance": "irrelevant"},
    "deflected": _FINE | {"groundedness": "unsure", "answer_relevance": "irrelevant"},
    "lost": _FINE | {"groundedness": "ungrounded", "context_relevance": "irrelevant"},
    "missed": _FINE
    | {
        "groundedness": "unsure",
        "answer_relevance": "irrelevant",
        "context_relevance": "irrelevant",
    },
    "blind": _FINE | {"groundedness": "unsure", "context_relevance": "unsure"},
    "empty": _FINE
    | {"groundedness": "unsure", "answer_relevance": "irrelevant", "context_relevance": "unsure"},
    "toxic": _FINE | {"toxicity": "severe"},
    "biased": _FINE | {"bias": "clear", "groundedness": "partly"},
}
"""The label of each criterion that is right for a kind of interaction."""

_WEEKLY: Mapping[str, Sequence[int]] = {
    "shop-assistant": (40, 41, 39, 50, 40, 41, 39, 40),
    "health-plan-helper": (32, 31, 33, 29, 38, 32, 31, 33),
    "city-services": (30, 30, 31, 28, 28, 31, 36, 30),
}
_LANGUAGE_SHARES = (0.63, 0.23, 0.14)
_DAY_SHARES = (0.17, 0.16, 0.16, 0.16, 0.15, 0.11, 0.09)
_BASE_FAULTS: Sequence[Kind] = (
    "ungrounded",
    "missed",
    "ungrounded",
    "toxic",
    "lost",
    "ungrounded",
    "evasive",
    "missed",
    "ungrounded",
    "biased",
    "misplaced",
    "lost",
    "ungrounded",
    "missed",
)
"""The faults of an ordinary week, in an order that spreads each kind."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One interaction that will happen, before it has words."""

    week: str
    application: str
    language: str
    day: int
    kind: Kind = "faithful"


def slots_of(week: str) -> tuple[Slot, ...]:
    """All interactions of a week, each with its fault or none."""
    slots = [slot for name in APPLICATIONS for slot in _slots(week, name)]
    slots.sort(key=lambda slot: (slot.language, slot.application, slot.day))
    planted = dict(_planted(event_of(week), slots))
    rest = [index for index in range(len(slots)) if index not in planted]
    return tuple(
        replace(slot, kind=kind)
        for slot, kind in zip(
            slots, _merged(len(slots), planted, _base_faults(week, rest)), strict=True
        )
    )


def spread(n: int, shares: Sequence[float], values: Sequence[Value]) -> list[Value]:
    """`n` values in the proportion of their shares, each spread as evenly as it can be."""
    counts = [0] * len(shares)
    chosen: list[Value] = []
    for step in range(1, n + 1):
        best = max(range(len(shares)), key=lambda i: shares[i] * step - counts[i])
        counts[best] += 1
        chosen.append(values[best])
    return chosen


def evenly(indices: Sequence[int], n: int, start: float = 0.5) -> list[int]:
    """`n` of the indices at equal distances; `start` in [0, 1) is where in the first gap."""
    step = len(indices) / n if n else 0.0
    return [indices[int((number + start) * step)] for number in range(n)]


def _slots(week: str, application: str) -> Iterator[Slot]:
    n = _WEEKLY[application][WEEKS.index(week)]
    languages = sorted(spread(n, _LANGUAGE_SHARES, LANGUAGES))
    days = spread(n, _day_shares(week, application), range(7))
    for language, day in zip(languages, days, strict=True):
        yield Slot(week, application, language, day)


def _day_shares(week: str, application: str) -> Sequence[float]:
    """When people write; during a short event they write more often."""
    event = event_of(week)
    if event is None or event.application != application or len(event.days) == 7:
        return _DAY_SHARES
    inside, outside = 0.66 / len(event.days), 0.34 / (7 - len(event.days))
    return [inside if day in event.days else outside for day in range(7)]


def _planted(event: Event | None, slots: Sequence[Slot]) -> Iterator[tuple[int, Kind]]:
    if event is None:
        return
    hit = [index for index, slot in enumerate(slots) if _concerns(event, slot)]
    kinds, shares = zip(*_MIXTURES[event.what], strict=True)
    for index, kind in zip(hit, spread(len(hit), shares, kinds), strict=True):
        if kind != "faithful":
            yield index, kind


def _concerns(event: Event, slot: Slot) -> bool:
    return (
        event.application in (None, slot.application)
        and event.language in (None, slot.language)
        and slot.day in event.days
    )


_MIXTURES: Mapping[str, Sequence[tuple[Kind, float]]] = {
    BAD_RELEASE.what: (("faithful", 0.40), ("ungrounded", 0.60)),
    RETRIEVAL_OUTAGE.what: (
        ("lost", 0.50),
        ("missed", 0.28),
        ("blind", 0.12),
        ("empty", 0.10),
    ),
    GERMAN_SERVED_WORSE.what: (
        ("faithful", 0.36),
        ("deflected", 0.52),
        ("ungrounded", 0.12),
    ),
    TOXIC_BURST.what: (("toxic", 0.84), ("faithful", 0.16)),
}


def _base_faults(week: str, rest: Sequence[int]) -> Iterator[tuple[int, Kind]]:
    total = sum(counts[WEEKS.index(week)] for counts in _WEEKLY.values())
    number = WEEKS.index(week)
    n = round(len(_BASE_FAULTS) * len(rest) / total)
    places = evenly(rest, n, start=(0.5 + 0.37 * number) % 1.0)
    for position, index in enumerate(places):
        yield index, _BASE_FAULTS[(position + 5 * number) % len(_BASE_FAULTS)]


def _merged(n: int, planted: Mapping[int, Kind], base: Iterator[tuple[int, Kind]]) -> list[Kind]:
    faults: dict[int, Kind] = {**planted, **dict(base)}
    return [faults.get(index, "faithful") for index in range(n)]
