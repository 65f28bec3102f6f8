"""How many interactions of each week failed, passed or could not be judged, in all and by slice.

Every interaction counts once per criterion: the row of its newest evaluator version, of the
evaluator that judged most interactions in the week of the report.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

EARLIER_WEEKS = 12


class Slice(NamedTuple):
    """The interactions that share a segment; the key "" means all of them."""

    key: str
    value: str


EVERYTHING = Slice("", "")


class Source(NamedTuple):
    """What decided that an answer fails. Weeks judged by different sources are not compared."""

    evaluator: str
    version: str
    threshold: float | None


class Release(NamedTuple):
    """A version of an application."""

    application: str
    version: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How the interactions of one week, criterion and slice came out."""

    failing: int = 0
    scored: int = 0
    abstained: int = 0
    failed: int = 0
    pending: int = 0
    skipped: int = 0

    @property
    def unjudged(self) -> int:
        """Abstained or failed: the evaluator had its turn and gave no score."""
        return self.abstained + self.failed

    @property
    def judged(self) -> int:
        """Scored or unjudged: the evaluator had its turn."""
        return self.scored + self.unjudged

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            failing=self.failing + other.failing,
            scored=self.scored + other.scored,
            abstained=self.abstained + other.abstained,
            failed=self.failed + other.failed,
            pending=self.pending + other.pending,
            skipped=self.skipped + other.skipped,
        )


class Reason(NamedTuple):
    """Why some answers could not be judged."""

    criterion: str
    status: str
    words: str
    n: int


class Judge(NamedTuple):
    """Who judged a criterion this week, and how often."""

    criterion: str
    evaluator: str
    version: str
    weights_digest: str | None
    calibration: str | None
    precision: str | None
    threshold: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Tallies:
    """The tallies of some weeks in a row, oldest first; the last one is the week of the report."""

    weeks: tuple[str, ...]
    received: tuple[int, ...]
    by_criterion: Mapping[str, Mapping[Slice, Sequence[Tally]]]
    sources: Mapping[str, Sequence[frozenset[Source]]]
    judges: Sequence[Judge] = ()
    """Who judged the last week, and how often."""
    reasons: Sequence[Reason] = ()
    """Why answers of the last week could not be judged, the commonest first."""
    combinations: Mapping[str, Mapping[frozenset[Slice], Tally]] = field(default_factory=dict)
    """Answers of the last week by everything that they share with others at once; only where a
    slice got worse, and from a sample where there are many."""
    releases: Sequence[frozenset[Release]] = ()
    """Per week the releases that answers came from."""
    combined: int = 0
    """How many answers the combinations were read from."""
    combined_of: int = 0
    """How many answers those were drawn from; 0 where all were read."""
    replaced: frozenset[str] = frozenset()
    """The criteria of which another evaluator judged earlier weeks."""
    others: Mapping[str, Sequence[frozenset[Source]]] = field(default_factory=dict)
    """Per week what other evaluators judged by, of those criteria."""
    untold: frozenset[datetime] = frozenset()
    """The hours that rollups cannot tell, so that their rows were read."""

    def of(self, criterion: str, part: Slice = EVERYTHING) -> Sequence[Tally]:
        """One tally per week; empty tallies where nothing was judged."""
        return self.by_criterion.get(criterion, {}).get(part, [Tally()] * len(self.weeks))

    def within(self, part: Slice) -> "Tallies":
        """The tallies of one slice, as if there were nothing else; reasons are not known for it."""
        own = {name: {EVERYTHING: self.of(name, part)} for name in self.by_criterion}
        received = [
            max((series[EVERYTHING][week].judged for series in own.values()), default=0)
            for week in range(len(self.weeks))
        ]
        return replace(self, by_criterion=own, received=tuple(received), reasons=())

    def only(self, places: Sequence[int]) -> "Tallies":
        """The tallies of the weeks at these places; the last one must be among them."""

        def kept(values: Sequence[Any]) -> list[Any]:
            return [values[place] for place in places]

        by_criterion = {
            name: {part: kept(series) for part, series in parts.items()}
            for name, parts in self.by_criterion.items()
        }
        return replace(
            self,
            weeks=tuple(kept(self.weeks)),
            received=tuple(kept(self.received)),
            by_criterion=by_criterion,
            sources={name: kept(found) for name, found in self.sources.items()},
            others={name: kept(found) for name, found in self.others.items()},
            releases=kept(self.releases),
        )

    def of_keys(self, keys: Collection[str]) -> "Tallies":
        """The tallies of the slices of these keys; the releases stay known."""
        kept = {
            name: {part: found for part, found in parts.items() if part.key in keys}
            for name, parts in self.by_criterion.items()
        }
        return replace(self, by_criterion=kept)

    def mixed(self, part: Slice) -> "Tallies":
        """The answers of the last week that share this slice, by everything else that they share;
        from the combinations, so that no earlier week is known."""
        own: dict[str, dict[Slice, Sequence[Tally]]] = {}
        for name, known in self.combinations.items():
            sums: dict[Slice, Tally] = {}
            for members, tally in known.items():
                if part in members:
                    for other in members - {part}:
                        sums[other] = sums.get(other, Tally()) + tally
            earlier = [Tally()] * (len(self.weeks) - 1)
            own[name] = {other: [*earlier, tally] for other, tally in sums.items()}
        none = [frozenset[Source]()] * (len(self.weeks) - 1)
        sources = {name: [*none, found[-1]] for name, found in self.sources.items()}
        return replace(self, by_criterion=own, sources=sources, reasons=())

    def judged_by(self, criterion: str) -> list[frozenset[Source]]:
        """What judged each week: the evaluator that counts, or others where it judged nothing."""
        none = [frozenset[Source]()] * len(self.weeks)
        mine, others = self.sources.get(criterion, none), self.others.get(criterion, none)
        return [own or other for own, other in zip(mine, others, strict=True)]

    def comparable(self, criterion: str) -> list[bool]:
        """Which weeks the same evaluator, version and threshold judged as the last week; none where
        several did, as each may have judged another share of the answers."""
        sources = self.sources.get(criterion, [frozenset()] * len(self.weeks))
        return [len(found) == 1 and found == sources[-1] for found in sources]

    def is_judged_alike(self, criterion: str) -> bool:
        """Whether no two versions or thresholds judged the last week: else its slices may differ
        by what judged them."""
        return len(self.sources.get(criterion, [frozenset()])[-1]) < 2
