"""How fast reviewers work: shown to each about themselves, and to leads as ranges of several.

Seconds are those in which the page was in view, with pauses cut, as the page counts them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import NamedTuple

from sqlmodel import Session, col, select

from app.tables import Annotation, Interaction

FAST_SECONDS_PER_WORD = 0.025
"""Faster than 250 ms per ten words is faster than anybody reads."""
FEWEST_PEOPLE = 3
"""Ranges of fewer people would tell what one of them does."""
ITEMS_LOOKED_AT = 500


class Item(NamedTuple):
    """One answer that somebody labelled, and how long it took."""

    reviewer: str
    seconds: float
    words: int

    @property
    def is_fast(self) -> bool:
        return self.seconds < FAST_SECONDS_PER_WORD * self.words


@dataclass(frozen=True, slots=True)
class Pace:
    """How long one person takes."""

    items: int
    median_seconds: float
    quarter_seconds: float
    """A quarter of the items took less."""
    three_quarters_seconds: float
    items_per_hour: float
    fast: int
    """Items that were labelled faster than anybody reads."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """The lowest and the highest median of several people."""

    people: int
    least_seconds: float
    most_seconds: float


def timed_items(
    session: Session, project: str, *, queue_id: int | None = None, reviewer: str | None = None
) -> list[Item]:
    """The newest items that were timed, of one reviewer or of all, newest first."""
    query = select(
        Annotation.reviewer,
        Annotation.interaction_id,
        Annotation.queue_id,
        Annotation.seconds,
    ).where(Annotation.project == project, col(Annotation.seconds).is_not(None))
    query = query.where(col(Annotation.replaces_id).is_(None))
    if queue_id is not None:
        query = query.where(Annotation.queue_id == queue_id)
    if reviewer is not None:
        query = query.where(Annotation.reviewer == reviewer)
    longest: dict[tuple[str, str, int | None], float] = {}
    for name, interaction, queue, seconds in session.exec(
        query.order_by(col(Annotation.id).desc())
    ):
        key = (name, interaction, queue)
        longest[key] = max(longest.get(key, 0.0), seconds or 0.0)
    newest = list(longest.items())[:ITEMS_LOOKED_AT] if reviewer is not None else longest.items()
    words = _words(session, [key[1] for key, _ in newest]) if reviewer is not None else {}
    return [Item(name, seconds, words.get(one, 0)) for (name, one, _), seconds in newest]


def pace_of(items: Sequence[Item]) -> Pace | None:
    """The pace of one person, or None before anything was timed."""
    if not items:
        return None
    seconds = [one.seconds for one in items]
    low, _, high = quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else seconds * 3
    total = sum(seconds)
    return Pace(
        items=len(items),
        median_seconds=median(seconds),
        quarter_seconds=low,
        three_quarters_seconds=high,
        items_per_hour=3600 * len(items) / total if total else 0.0,
        fast=sum(one.is_fast for one in items),
    )


def paces_of(items: Sequence[Item]) -> list[tuple[str, Pace]]:
    """The pace of each person, by name; what is faster than reading is for their own eyes."""
    mine: dict[str, list[Item]] = defaultdict(list)
    for one in items:
        mine[one.reviewer].append(one)
    paces = ((name, pace_of(some)) for name, some in sorted(mine.items()))
    return [(name, pace) for name, pace in paces if pace is not None]


def ranges_of(items: Sequence[Item]) -> Ranges | None:
    """The range of several people's medians, or None for so few that it would tell on one."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for one in items:
        seconds[one.reviewer].append(one.seconds)
    if len(seconds) < FEWEST_PEOPLE:
        return None
    medians = [median(some) for some in seconds.values()]
    return Ranges(len(medians), min(medians), max(medians))


def _words(session: Session, ids: Sequence[str]) -> Mapping[str, int]:
    query = select(Interaction).where(col(Interaction.id).in_(ids))
    return {
        row.id: sum(len(text.split()) for text in (row.prompt, row.response, *row.contexts))
        for row in session.exec(query)
    }
