"""Where the way of measuring changed, and where the application did: marks on a trend.

A mark says that two things happened in the same period, never that one caused the other. A release
is marked where it is first seen; one that comes back after a rollback is not marked again.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from app.reports.numbers import listed
from app.reports.tallies import Source, Tallies

MOST_NAMED = 2
"""Of more releases in one period only the number is told."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A change between a period and the one with data before it."""

    place: int
    """The first period after the change."""
    kind: str
    """evaluator, threshold or release."""
    label: str
    text: str
    """A clause without the period: "release 2.1 came"."""


def marks_of(tallies: Tallies, criterion: str) -> list[Mark]:
    """The marks of a criterion's weeks, oldest first."""
    sources = tallies.sources.get(criterion, [frozenset()] * len(tallies.weeks))
    return marks(sources, tallies.releases)


def marks(
    sources: Sequence[AbstractSet[Source]], releases: Sequence[AbstractSet[str]]
) -> list[Mark]:
    """The marks of periods, from what judged in each and the releases that were seen in each."""
    found = [*_of_sources(sources), *_of_releases(releases)]
    return sorted(found, key=lambda mark: (mark.place, mark.kind))


def came_in(tallies: Tallies, place: int) -> str:
    """The releases that were first seen in a week, in words, or ""."""
    told = [mark.label for mark in _of_releases(tallies.releases) if mark.place == place]
    return listed(told)


def sentence(marks: Iterable[Mark], names: Sequence[str]) -> str:
    """The marks in words, for those who cannot see them; `names` are those of the periods."""
    told = [f"{names[mark.place]}, {mark.text}" for mark in marks]
    return f"Marked: {'; '.join(told)}." if told else ""


def _of_sources(sources: Sequence[AbstractSet[Source]]) -> Iterator[Mark]:
    before: AbstractSet[Source] = frozenset()
    for place, now in enumerate(sources):
        came = sorted(now - before, key=str)
        if before and came:
            yield _change(place, sorted(before, key=str)[-1], came[-1])
        before = now or before


def _change(place: int, old: Source, new: Source) -> Mark:
    changed = f"the threshold changed from {_level(old)} to {_level(new)}"
    if old[:2] == new[:2]:
        return Mark(place, "threshold", f"threshold {_level(new)}", changed)
    words = f"evaluator {old.evaluator} {old.version} gave way to {new.evaluator} {new.version}"
    if old.threshold != new.threshold:
        words = f"{words} and {changed}"
    return Mark(place, "evaluator", f"evaluator {new.version}", words)


def _level(source: Source) -> str:
    return "none" if source.threshold is None else f"{source.threshold:g}"


def _of_releases(releases: Sequence[AbstractSet[str]]) -> Iterator[Mark]:
    seen: set[str] = set()
    for place, now in enumerate(releases):
        came = sorted(now - seen)
        if seen and came:
            plural = "s" if len(came) > 1 else ""
            names = listed(came) if len(came) <= MOST_NAMED else ""
            label = f"release{plural} {names}" if names else f"{len(came)} releases"
            yield Mark(place, "release", label, f"{label} came")
        seen |= now
