"""Where the way of measuring changed, and where the application did: marks on a trend.

A mark says that two things happened in the same period, never that one caused the other. A release
is marked where it is first seen and where it comes back, after a rollback or another try; one that
runs beside another all along is not, even if a period with few answers has missed it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from app.reports.numbers import listed
from app.reports.tallies import Release, Source, Tallies

MOST_NAMED = 2
"""Of more releases in one period only the number is told."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A change between a period and the one with data before it."""

    place: int
    """The first period after the change."""
    kind: str
    """evaluator, threshold, precision, guideline, release, or return of a release."""
    label: str
    text: str
    """A clause without the period: "release 2.1 came"."""


def marks_of(
    tallies: Tallies, criterion: str, guidelines: Sequence[AbstractSet[str]] = ()
) -> list[Mark]:
    """The marks of a criterion's weeks, oldest first."""
    return marks(tallies.judged_by(criterion), tallies.releases, guidelines)


def marks(
    sources: Sequence[AbstractSet[Source]],
    releases: Sequence[AbstractSet[Release]],
    guidelines: Sequence[AbstractSet[str]] = (),
    precisions: Sequence[AbstractSet[str]] = (),
) -> list[Mark]:
    """The marks of periods, from what judged in each, the releases that were seen in each, the
    versions of the guideline by which people labelled in each, and what verdicts were computed in.
    """
    found = [*_of_sources(sources), *_of_releases(releases)]
    found += [*_of_guidelines(guidelines), *_of_precisions(precisions)]
    return sorted(found, key=lambda mark: (mark.place, mark.kind))


def came_in(tallies: Tallies, place: int) -> str:
    """The releases that were first seen or came back in a week, as clauses, or ""."""
    return listed([mark.text for mark in _of_releases(tallies.releases) if mark.place == place])


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
    is_other = old.evaluator != new.evaluator
    return Mark(
        place, "evaluator", f"evaluator {new.evaluator if is_other else new.version}", words
    )


def _level(source: Source) -> str:
    return "none" if source.threshold is None else f"{source.threshold:g}"


def _of_guidelines(versions: Sequence[AbstractSet[str]]) -> Iterator[Mark]:
    before: AbstractSet[str] = frozenset()
    for place, now in enumerate(versions):
        if before and now - before:
            yield Mark(place, "guideline", "guideline", "the guideline for reviewers changed")
        before = now or before


def _of_precisions(precisions: Sequence[AbstractSet[str]]) -> Iterator[Mark]:
    before: AbstractSet[str] = frozenset()
    for place, now in enumerate(precisions):
        if before and now - before:
            old, new = listed(sorted(before)), listed(sorted(now))
            words = f"the precision of verdicts changed from {old} to {new}"
            yield Mark(place, "precision", f"precision {new}", words)
        before = now or before


def _of_releases(releases: Sequence[AbstractSet[Release]]) -> Iterator[Mark]:
    names = sorted({one.application for some in releases for one in some})
    came: dict[tuple[int, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for application in names:
        for place, kind, version in _changes(_versions(releases, application)):
            came[place, kind][version].append(application)
    for (place, kind), found in came.items():
        now = {one.application for one in releases[place]} if len(names) > 1 else set()
        named = [_name(version, whose, now) for version, whose in sorted(found.items())]
        yield _release_mark(place, kind, named)


def _versions(
    releases: Sequence[AbstractSet[Release]], application: str
) -> list[tuple[int, set[str]]]:
    """The versions of an application in each period that has any, with the period's place."""
    all_of = [{one.version for one in some if one.application == application} for some in releases]
    return [(place, some) for place, some in enumerate(all_of) if some]


def _changes(course: Sequence[tuple[int, set[str]]]) -> Iterator[tuple[int, str, str]]:
    """The place, kind and version of every release that came, or came back for one that went."""
    seen: set[str] = set()
    before: set[str] = set()
    for number, (place, now) in enumerate(course):
        after = course[number + 1][1] if number + 1 < len(course) else set()
        for version in sorted(now - before) if seen else ():
            if version not in seen:
                yield place, "release", version
            elif not before & after:
                yield place, "return", version
        seen, before = seen | now, now


def _name(version: str, whose: Sequence[str], now: AbstractSet[str]) -> tuple[str, str]:
    """A release for the label and for the text, with its applications where `now` has others."""
    if not now or (len(whose) > 1 and now == set(whose)):
        return version, f"release {version}"
    label = f"{whose[0]} {version}" if len(whose) == 1 else f"release {version}"
    return label, f"release {version} of {listed(list(whose))}"


def _release_mark(place: int, kind: str, named: Sequence[tuple[str, str]]) -> Mark:
    is_back = kind == "return"
    verb = "came back" if is_back else "came"
    labels, text = listed([label for label, _ in named]), listed([text for _, text in named])
    if len(named) > MOST_NAMED:
        labels = text = f"{len(named)} releases"
    elif all(told == f"release {label}" for label, told in named):
        text = f"release{'s' if len(named) > 1 else ''} {labels}"
        labels = labels if is_back else text
    return Mark(place, kind, f"back to {labels}" if is_back else labels, f"{text} {verb}")
