"""The tallies of some weeks: summed from the rollups, and from rows where rollups cannot tell."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlmodel import Session

from app.reports.counted import (
    Used,
    Waiting,
    counts_in,
    ranges_of,
    read_sums,
    read_used,
    read_waiting,
    untold_hours,
)
from app.reports.pieces import pieces_of
from app.reports.rows import of_hours, of_part, of_sample, read_combinations, read_rows
from app.reports.scope import Scope
from app.reports.tallies import EVERYTHING, Judge, Reason, Release, Slice, Source, Tallies, Tally
from app.reports.weeks import Period
from app.store.rollups import COUNTED, JUDGE, REASON, reason_value
from app.tables import Interaction

MOST_REASONS = 200
NO_REASON = "No reason given."
RELEASE = "release"
"""The segment that names the version of an application."""


class Counted(NamedTuple):
    """So many outcomes of one week and criterion: for which slices they count, and what they say of
    who judged or why nobody did."""

    week: int
    criterion: str
    evaluator: str
    version: str
    tally: Tally
    parts: Sequence[Slice] = ()
    judge: tuple[float | None, str | None, str | None, str | None] | None = None
    """Threshold, digest of the weights, calibration, precision."""
    application: str = ""
    reason: str | None = None
    """The status, a blank, and the words."""


@dataclass(frozen=True, slots=True)
class Count:
    """The sums as they grow."""

    weeks: int
    keys: Collection[str] | None = None
    """The segments to count by; None stands for all."""
    cells: dict[str, dict[Slice, list[Tally]]] = field(default_factory=lambda: defaultdict(dict))
    sources: dict[str, list[set[Source]]] = field(default_factory=dict)
    judges: Counter[Judge] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    releases: dict[int, set[Release]] = field(default_factory=lambda: defaultdict(set))

    def add(self, one: Counted) -> None:
        """Count it where it belongs."""
        for part in one.parts:
            if self.keys is not None and part.key not in ("", *self.keys):
                continue
            series = self.cells[one.criterion].setdefault(part, [Tally()] * self.weeks)
            series[one.week] = series[one.week] + one.tally
            if part.key == RELEASE and one.tally.judged:
                self.releases[one.week].add(Release(one.application, part.value))
        is_last = one.week == self.weeks - 1
        if one.judge is not None and one.tally.scored:
            found = self.sources.setdefault(one.criterion, [set() for _ in range(self.weeks)])
            found[one.week].add(Source(one.evaluator, one.version, one.judge[0]))
            if is_last:
                threshold, digest, calibration, precision = one.judge
                who = (one.criterion, one.evaluator, one.version)
                self.judges[Judge(*who, digest, calibration, precision, threshold, 0)] += (
                    one.tally.scored
                )
        if one.reason is not None and is_last and one.tally.unjudged:
            self.reasons[one.criterion, one.reason] += one.tally.unjudged

    def tallies(self, weeks: Sequence[str], received: Iterable[int]) -> Tallies:
        """Everything that was counted."""
        sources = {name: [frozenset(o) for o in found] for name, found in self.sources.items()}
        judges = [who._replace(n=n) for who, n in self.judges.items()]
        return Tallies(
            tuple(weeks),
            tuple(received),
            self.cells,
            sources,
            judges=sorted(judges, key=str),
            reasons=list(self._reasons())[:MOST_REASONS],
            releases=[frozenset(self.releases[week]) for week in range(self.weeks)],
        )

    def _reasons(self) -> Iterator[Reason]:
        order = sorted(self.reasons.items(), key=lambda item: (-item[1], item[0]))
        for (criterion, reason), n in order:
            status, _, words = reason.partition(" ")
            yield Reason(criterion, status, words or NO_REASON, n)


def count_periods(
    session: Session,
    scope: Scope,
    periods: Sequence[Period],
    criteria: Sequence[str],
    keys: Collection[str] | None = None,
) -> tuple[Tallies, dict[str, str]]:
    """The tallies of the periods that the scope is made of, and per criterion the evaluator that
    counts: the one that judged most interactions of the last period, else of all of them.

    `keys` names the segments to count by; without it, by all.
    """
    ends = [period.to_at for period in periods]
    since = periods[-1].from_at
    waiting = [one for one in read_waiting(session, scope) if one.criterion in criteria]
    used = [one for one in read_used(session, scope, since, waiting) if one.criterion in criteria]
    chosen = commonest(used)
    mine = [one for one in used if chosen[one.criterion] == one.evaluator]
    waiting = [one for one in waiting if chosen[one.criterion] == one.evaluator]
    untold = untold_hours(session, scope, ends, mine, waiting)
    count = Count(len(periods), keys)
    for row in read_sums(session, scope, ends, chosen, mine, untold, keys):
        for one in _of_rollup(row):
            count.add(one)
    for one in _of_waiting([one for one in waiting if one.hour_at not in untold], ends):
        count.add(one)
    if untold:
        within = [of_hours(list(ranges_of(untold)))]
        for row in read_rows(session, scope, ends, chosen, within):
            count.add(of_row(row))
    names = [period.name for period in periods]
    tallies = count.tallies(names, _all_received(session, scope, periods, count))
    others = [one for one in used if one not in mine and one.ever > one.recent]
    before = _sources_of(session, scope, ends, others)
    replaced = frozenset(one.criterion for one in others)
    known = replace(tallies, replaced=replaced, others=before, untold=frozenset(untold))
    return known, chosen


def _sources_of(
    session: Session, scope: Scope, ends: Sequence[datetime], used: Sequence[Used]
) -> dict[str, list[frozenset[Source]]]:
    """Per criterion and week what these evaluators judged by."""
    count = Count(len(ends), keys=())
    for criterion, evaluator in sorted({(one.criterion, one.evaluator) for one in used}):
        rows = read_sums(session, scope, ends, {criterion: evaluator}, used, (), keys=())
        for one in (one for row in rows for one in _of_rollup(row)):
            count.add(one)
    return {name: [frozenset(one) for one in found] for name, found in count.sources.items()}


def main_evaluators(
    session: Session, scope: Scope, *, since: datetime, criteria: Sequence[str]
) -> dict[str, str]:
    """Per criterion the evaluator that judged most interactions since then, else in the scope."""
    used = read_used(session, scope, since, read_waiting(session, scope))
    return commonest([one for one in used if one.criterion in criteria])


def commonest(used: Sequence[Used]) -> dict[str, str]:
    """Per criterion the evaluator with most evaluations lately, else ever."""
    sums: dict[tuple[str, str], list[int]] = {}
    for one in used:
        recent, ever = sums.get((one.criterion, one.evaluator), (0, 0))
        sums[one.criterion, one.evaluator] = [recent + one.recent, ever + one.ever]
    best: dict[str, tuple[int, int, str]] = {}
    for (criterion, evaluator), (recent, ever) in sums.items():
        best[criterion] = max(best.get(criterion, (-1, -1, "")), (recent, ever, evaluator))
    return {criterion: evaluator for criterion, (_, _, evaluator) in best.items()}


def count_days(
    session: Session, scope: Scope, days: Iterable[tuple[date, datetime, datetime]]
) -> tuple[tuple[date, int], ...]:
    """How many interactions each of the days received; a day comes with its bounds.

    Where no row is left, what was judged counts: it stays when rows are pruned or erased.
    """
    return tuple(
        (day, _received(session, scope, *bounds) or _judged(session, scope, *bounds))
        for day, *bounds in days
    )


def with_combinations(
    session: Session,
    scope: Scope,
    tallies: Tallies,
    evaluators: Mapping[str, str],
    part: Slice = EVERYTHING,
) -> Tallies:
    """The tallies with the combinations of segments of the last week, of the answers that share a
    slice; from a sample where there are many."""
    judged = [tallies.of(name, part)[-1].judged for name in evaluators]
    within = None if part == EVERYTHING else max(judged, default=0)
    sample = of_sample(tallies.received[-1], within)
    conditions = sample if part == EVERYTHING else [*sample, of_part(part)]
    found: dict[str, dict[frozenset[Slice], Tally]] = defaultdict(dict)
    for row in read_combinations(session, scope, evaluators, conditions):
        known, whole = found[row.criterion], frozenset(_parts_of(row))
        known[whole] = known.get(whole, Tally()) + _tally(row.status, row.passed, row.interactions)
    answers = [sum(tally.judged for tally in known.values()) for known in found.values()]
    drawn_from = max(judged, default=0) if sample else 0
    combined = max(answers, default=0)
    return replace(tallies, combinations=found, combined=combined, combined_of=drawn_from)


def of_row(row: Any) -> Counted:
    """What a group of rows counts for."""
    return Counted(
        *(row.week, row.criterion, row.evaluator, row.version),
        _tally(row.status, row.passed, row.interactions),
        parts=_parts_of(row),
        judge=(row.threshold, row.weights_digest, row.calibration, row.precision),
        application=row.application,
        reason=reason_value(row.status, row.reason),
    )


def _of_rollup(row: Any) -> Iterator[Counted]:
    key, value = row.segment_key, row.segment_value
    tally = Tally(int(row.failing), int(row.n), int(row.abstained), int(row.failed))
    evaluator, _, version = row.source.partition("@")
    own = (row.week, row.criterion, evaluator, version, tally)
    if key == JUDGE:
        threshold, digest, calibration, *told = json.loads(value)
        precision = told[0] if told else None
        yield Counted(*own, judge=(threshold, digest, calibration, precision))
    elif key == REASON:
        yield Counted(*own, reason=value)
    elif tally.judged:
        first = [EVERYTHING, *_named("application", row.application)]
        parts = first if key == "" else list(_named(key, value))
        yield Counted(*own, parts=parts, application=row.application)


def _of_waiting(waiting: Sequence[Waiting], ends: Sequence[datetime]) -> Iterator[Counted]:
    for one in waiting:
        week = next(number for number, end in enumerate(ends) if one.hour_at < end)
        own = (week, one.criterion, one.evaluator, one.version)
        yield Counted(*own, _tally(one.status, None, one.n), parts=[EVERYTHING])


def _all_received(
    session: Session, scope: Scope, periods: Sequence[Period], count: Count
) -> Iterator[int]:
    """Per period what was received; at least what was judged, which stays when rows are pruned.

    Of an earlier period it only matters whether it has data: one that was judged is not counted.
    """
    for number, period in enumerate(periods):
        judged = [parts[EVERYTHING][number].judged for parts in count.cells.values()]
        most = max(judged, default=0)
        if not most or number == len(periods) - 1:
            most = max(most, _received(session, scope, period.from_at, period.to_at))
        yield most


def _received(session: Session, scope: Scope, from_at: datetime, to_at: datetime) -> int:
    part = replace(scope, from_at=from_at, to_at=to_at)
    statement = select(func.count()).select_from(Interaction).where(*part.holds())
    found: int = session.execute(statement).scalar_one()
    return found


def _judged(session: Session, scope: Scope, from_at: datetime, to_at: datetime) -> int:
    names = ("criterion", "source", "n", "abstained", "failed")
    found = pieces_of(from_at, to_at).counts(names, counts_in(scope, "")).c
    sums = select(func.sum(found.n + found.abstained + found.failed))
    counts = session.execute(sums.group_by(found.criterion, found.source)).scalars()
    return max((int(one) for one in counts), default=0)


def _tally(status: str, passed: bool | None, interactions: int) -> Tally:
    if status == "scored":
        return Tally(scored=interactions, failing=0 if passed else interactions)
    if status in ("pending", "running"):
        return Tally(pending=interactions)
    if status == "abstained":
        return Tally(abstained=interactions)
    return Tally(failed=interactions) if status == "failed" else Tally(skipped=interactions)


def _parts_of(row: Any) -> list[Slice]:
    """All slices of what was judged; what was not counts for everything only."""
    is_judged = row.status in COUNTED
    return list(_slices(row)) if is_judged else [EVERYTHING]


def _slices(row: Any) -> Iterator[Slice]:
    yield EVERYTHING
    yield from _named("application", row.application)
    yield from _named("model", row.model)
    for key, value in json.loads(row.segments).items():
        if key not in ("", "application", "model") and not key.startswith("@"):
            yield from _named(key, value)


def _named(key: str, value: str | None) -> Iterator[Slice]:
    if value:
        yield Slice(key, str(value))
