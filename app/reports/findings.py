"""What may be claimed about a week, by rules that a statistician can check.

A claim needs all of: a difference that holds after correcting for everything compared (Gilbert's
form of Benjamini-Hochberg), an interval that excludes zero, a signal outside the usual variation,
and a stated practical size. What fails one of them is not claimed, whatever it looks like.

Three families of comparisons share a false discovery rate of 5 %: criteria against their usual
rate (both sides), slices against their usual rate, and slices against the rest of the week (both
only for worse, which doubles the chance to find it).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from app.reports.courses import Course, Share, follow, together
from app.reports.pairs import Pair, find_pairs
from app.reports.tallies import EVERYTHING, Slice, Tallies, Tally
from app.statistics.comparison import Comparison, compare_shares
from app.statistics.control_charts import p_prime
from app.statistics.correction import adjust_discrete

MEASURE_LEVEL = 0.02
CHANGE_LEVEL = 0.02
GAP_LEVEL = 0.01
FALSE_DISCOVERY_RATE = MEASURE_LEVEL + CHANGE_LEVEL + GAP_LEVEL
PLACE_P_VALUE = 0.05
"""How unlike the rest of the week a slice must be to be named as the place of a change."""
LEAST_CHANGE = 0.02
"""The practical size of a change of a criterion: 2 percentage points."""
LEAST_CHANGE_UNJUDGED = 0.05
LEAST_CHANGE_SLICE = 0.05
LEAST_SLICE_N = 15
LEAST_N = 20
WIDEST_INTERVAL = 0.20

Change = Literal["worse", "still_worse", "better", "still_better", "recovered", "none", "unknown"]
Place = Literal["worse", "still_worse", "gap", "none"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A criterion's failures, or its answers that could not be judged, and what may be said."""

    criterion: str
    about: Literal["failing", "unjudged"]
    course: Course
    adjusted_p: float | None
    change: Change

    @property
    def is_event(self) -> bool:
        gains = self.about == "failing" and self.change == "better"
        return gains or self.change == "worse"

    @property
    def strength(self) -> float:
        """How far beyond its limits the week lies, in distances from the centre to the limit."""
        chart, limits, rate = self.course.chart, self.course.limits, self.course.now.rate
        if chart is None or limits is None or rate is None:
            return 0.0
        reach = limits.high - chart.centre if rate > chart.centre else chart.centre - limits.low
        return abs(rate - chart.centre) / reach if reach else 0.0


@dataclass(frozen=True, slots=True)
class Part:
    """A slice of a criterion: against its own usual rate, and against the rest of the week."""

    criterion: str
    where: Slice
    course: Course
    reference: Share
    """The usual rate of the slice, or of everything where the slice is new."""
    is_new: bool
    rest: Share
    change: Comparison | None
    gap: Comparison | None
    standing: Comparison | None
    """The gap to the rest in the earlier weeks."""
    is_signal: bool
    is_above_usual: bool
    change_adjusted_p: float | None = None
    gap_adjusted_p: float | None = None
    verdict: Place = "none"

    @property
    def stands_out(self) -> bool:
        """Whether the change sits here more than elsewhere; a gap that stood before is no part of
        it."""
        before = self.standing.difference if self.standing is not None else 0.0
        gap = self.gap
        return gap is not None and gap.p_above < PLACE_P_VALUE and gap.interval.low > before

    @property
    def is_nearly_all(self) -> bool:
        """Whether it came this week and left too few other answers to stand out against."""
        return self.is_new and self.gap is None


@dataclass(frozen=True)
class Findings:
    """Everything that was compared, and what may be claimed of it."""

    failing: Mapping[str, Measure]
    unjudged: Mapping[str, Measure]
    parts: Sequence[Part]
    compared_measures: int
    compared_slices: int
    able_slices: int
    """The comparisons that could reach significance at all; only these are corrected for."""
    pairs: Sequence[Pair] = ()
    """Two slices at once, within the slices that got worse; the surest first."""

    @property
    def hits(self) -> list[tuple[str, Slice]]:
        """The slices that got worse, by criterion."""
        return [(part.criterion, part.where) for part in self.parts if part.verdict == "worse"]

    @property
    def events(self) -> list[Measure]:
        """Measures that changed this week, the worst first: failures, gaps in judging, gains."""
        measures = [*self.failing.values(), *self.unjudged.values()]
        return sorted((one for one in measures if one.is_event), key=_severity)

    def lasting(self) -> list[Measure]:
        """Measures that have been unusually bad since an earlier week."""
        measures = [*self.failing.values(), *self.unjudged.values()]
        return [one for one in measures if one.change == "still_worse"]

    def places(self, criterion: str | None, verdict: Place, *, once: bool = False) -> list[Part]:
        """Slices with this verdict, the surest first; `once` where several hold the same
        answers."""
        found = [
            part
            for part in self.parts
            if part.verdict == verdict and criterion in (None, part.criterion)
        ]
        return self._once(sorted(found, key=_sureness)) if once else sorted(found, key=_sureness)

    def leads(self, criterion: str) -> list[Part]:
        """Where a rise sits: the slices that got worse and are unlike the rest, the most unlike
        first, without those in which it is the first one's answers that failed."""
        apart = [part for part in self.places(criterion, "worse", once=True) if part.stands_out]
        apart.sort(key=lambda part: part.gap.p_above if part.gap else 1.0)
        first = apart[0].where if apart else None
        inside = {
            pair.where
            for pair in self.pairs
            if pair.holds and (pair.criterion, pair.other) == (criterion, first)
        }
        return [part for part in apart if part.where not in inside]

    def _once(self, parts: Sequence[Part]) -> list[Part]:
        """One of those that hold the same answers, such as an application and its only release:
        what is new of them, else the first."""
        kept: dict[object, Part] = {}
        for part in parts:
            same = part.criterion, self._counts[part.where]
            if same not in kept or (part.is_new and not kept[same].is_new):
                kept[same] = part
        return list(kept.values())

    @cached_property
    def _counts(self) -> Mapping[Slice, Sequence[tuple[str, Share]]]:
        """What each slice has of every criterion, by which the same answers are known."""
        counts: dict[Slice, list[tuple[str, Share]]] = {}
        for part in self.parts:
            counts.setdefault(part.where, []).append((part.criterion, part.course.now))
        return {where: tuple(own) for where, own in counts.items()}


def find(tallies: Tallies, criteria: Sequence[str]) -> Findings:
    """What may be claimed about the last week of the tallies, but for pairs of slices."""
    failing = [_measure(tallies, name, "failing") for name in criteria]
    unjudged = [_measure(tallies, name, "unjudged") for name in criteria]
    measures = _judged_measures([*failing, *unjudged])
    parts = [part for one in failing for part in _parts(tallies, one)]
    changes = _adjust_above([part.change for part in parts], CHANGE_LEVEL)
    gaps = _adjust_above([part.gap for part in parts], GAP_LEVEL)
    judged = list(_judged_parts(parts, changes, gaps))
    return Findings(
        failing={one.criterion: one for one in measures if one.about == "failing"},
        unjudged={one.criterion: one for one in measures if one.about == "unjudged"},
        parts=judged,
        compared_measures=sum(one.course.against_usual is not None for one in measures),
        compared_slices=sum(pair is not None for part in parts for pair in (part.change, part.gap)),
        able_slices=sum(value is not None for value in (*changes, *gaps)),
    )


def with_pairs(findings: Findings, tallies: Tallies) -> Findings:
    """The findings with pairs of slices, from tallies that know the combinations."""
    pairs = find_pairs(tallies, findings.hits, level=GAP_LEVEL, least=LEAST_CHANGE_SLICE)
    return replace(findings, pairs=pairs)


def too_few_to_say(share: Share) -> bool:
    """Whether a rate is too unsure to be shown as a number."""
    return share.n < LEAST_N or share.interval.width > WIDEST_INTERVAL


def share_of(tally: Tally, about: Literal["failing", "unjudged"]) -> Share:
    """The failing of the scored, or the unjudged of the judged."""
    if about == "failing":
        return Share(tally.failing, tally.scored)
    return Share(tally.unjudged, tally.judged)


def _measure(tallies: Tallies, criterion: str, about: Literal["failing", "unjudged"]) -> Measure:
    shares = [share_of(tally, about) for tally in tallies.of(criterion)]
    same = tallies.comparable(criterion) if about == "failing" else [True] * len(shares)
    return Measure(criterion, about, follow(shares, same), None, "unknown")


def _judged_measures(measures: Sequence[Measure]) -> list[Measure]:
    adjusted = _adjust([one.course.against_usual for one in measures], MEASURE_LEVEL)
    judged = []
    for measure, p_value in zip(measures, adjusted, strict=True):
        measure = replace(measure, adjusted_p=p_value)
        judged.append(replace(measure, change=_change_of(measure)))
    return judged


def _change_of(measure: Measure) -> Change:
    course = measure.course
    against, last = course.against_usual, course.against_last
    if against is None or course.chart is None or course.now.n < LEAST_N:
        return "unknown"
    least = LEAST_CHANGE if measure.about == "failing" else LEAST_CHANGE_UNJUDGED
    holds = _holds(against, measure.adjusted_p, MEASURE_LEVEL, least)
    if holds and course.signals:
        return _direction(course, against, last)
    returned = last is not None and last.excludes_zero and course.flags[-2] * last.difference < 0
    return "recovered" if returned else "none"


def _direction(course: Course, against: Comparison, last: Comparison | None) -> Change:
    side = 1 if against.difference > 0 else -1
    lasting = course.flags[-2] == side and (
        last is None or last.difference * side <= 0 or not last.excludes_zero
    )
    if side > 0:
        return "still_worse" if lasting else "worse"
    return "still_better" if lasting else "better"


def _holds(
    comparison: Comparison | None, adjusted_p: float | None, level: float, least: float
) -> bool:
    return (
        comparison is not None
        and adjusted_p is not None
        and adjusted_p <= level
        and comparison.excludes_zero
        and abs(comparison.difference) >= least
    )


def _adjust(comparisons: Sequence[Comparison | None], level: float) -> list[float | None]:
    """Adjusted two-sided p-values; None for what could not hold anyway."""
    pairs = [(one.p_value, one.least_p_value) if one else None for one in comparisons]
    return _adjusted(pairs, level)


def _adjust_above(comparisons: Sequence[Comparison | None], level: float) -> list[float | None]:
    """Adjusted one-sided p-values, for the first share being higher."""
    pairs = [(one.p_above, one.least_p_above) if one else None for one in comparisons]
    return _adjusted(pairs, level)


def _adjusted(pairs: Sequence[tuple[float, float] | None], level: float) -> list[float | None]:
    known = [pair for pair in pairs if pair is not None]
    values = iter(adjust_discrete([p for p, _ in known], [least for _, least in known], level))
    return [None if pair is None else next(values) for pair in pairs]


def _parts(tallies: Tallies, measure: Measure) -> Iterator[Part]:
    everything = measure.course.shares
    comparable = tallies.comparable(measure.criterion)
    for where in sorted(tallies.by_criterion.get(measure.criterion, {})):
        shares = [share_of(tally, "failing") for tally in tallies.of(measure.criterion, where)]
        if where == EVERYTHING or shares[-1].n < LEAST_SLICE_N or shares == list(everything):
            continue
        part = _part(measure, where, follow(shares, comparable), comparable)
        yield part if tallies.is_judged_alike(measure.criterion) else replace(part, gap=None)


def _part(measure: Measure, where: Slice, course: Course, comparable: Sequence[bool]) -> Part:
    whole = measure.course
    earlier = [week for week in range(len(comparable) - 1) if comparable[week]]
    is_new = not any(course.shares[week].n for week in earlier)
    reference = whole.usual if is_new else course.usual
    change = None
    if reference.n >= LEAST_SLICE_N and (course.chart is not None or is_new):
        change = compare_shares(course.now.failing, course.now.n, reference.failing, reference.n)
    above = _is_above(whole, course.now)
    return Part(
        criterion=measure.criterion,
        where=where,
        course=course,
        reference=reference,
        is_new=is_new,
        rest=_rest(whole.shares, course.shares, [-1]),
        change=change,
        gap=_gap(whole.shares, course.shares, [-1]),
        standing=_gap(whole.shares, course.shares, earlier),
        is_signal=above if is_new else bool(course.signals),
        is_above_usual=above,
    )


def _judged_parts(
    parts: Sequence[Part], changes: Sequence[float | None], gaps: Sequence[float | None]
) -> Iterator[Part]:
    for part, change, gap in zip(parts, changes, gaps, strict=True):
        part = replace(part, change_adjusted_p=change, gap_adjusted_p=gap)
        yield replace(part, verdict=_verdict_of(part))


def _verdict_of(part: Part) -> Place:
    change, gap = part.change, part.gap
    holds = _holds(change, part.change_adjusted_p, CHANGE_LEVEL, LEAST_CHANGE_SLICE)
    if holds and part.is_signal and change is not None and change.difference > 0:
        kind = _direction(part.course, change, part.course.against_last)
        return "still_worse" if kind == "still_worse" else "worse"
    apart = _holds(gap, part.gap_adjusted_p, GAP_LEVEL, LEAST_CHANGE_SLICE)
    if apart and part.is_above_usual and gap is not None and gap.difference > 0:
        return "gap"
    return "none"


def _rest(whole: Sequence[Share], part: Sequence[Share], weeks: Sequence[int]) -> Share:
    all_of_it = together([whole[week] for week in weeks])
    own = together([part[week] for week in weeks])
    return Share(all_of_it.failing - own.failing, all_of_it.n - own.n)


def _gap(whole: Sequence[Share], part: Sequence[Share], weeks: Sequence[int]) -> Comparison | None:
    rest, own = _rest(whole, part, weeks), together([part[week] for week in weeks])
    if rest.n < LEAST_SLICE_N or own.n < LEAST_SLICE_N:
        return None
    return compare_shares(own.failing, own.n, rest.failing, rest.n)


def _is_above(whole: Course, now: Share) -> bool:
    """Whether a slice lies above what is usual for as many answers of the whole."""
    if whole.chart is None or now.rate is None:
        return now.rate is not None and not whole.baseline
    weeks = [*whole.shares, now]
    failing, n = [share.failing for share in weeks], [share.n for share in weeks]
    chart = p_prime(failing, n, whole.baseline)
    return now.rate > chart.limits[-1].high


def _severity(measure: Measure) -> tuple[int, float]:
    order = {("worse", "failing"): 0, ("worse", "unjudged"): 1, ("better", "failing"): 2}
    return order.get((measure.change, measure.about), 3), -measure.strength


def _sureness(part: Part) -> tuple[float, float]:
    comparison = part.gap if part.verdict == "gap" else part.change
    if comparison is None:
        return 1.0, 0.0
    return comparison.p_above, -comparison.difference
