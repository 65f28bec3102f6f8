"""How many interactions of each week failed, passed or could not be judged, in all and by slice.

Every interaction counts once per criterion: the row of its newest evaluator version, of the
evaluator that judged most interactions in the week of the report. The database groups; what comes
back is as long as there are different combinations of segments, not as there are interactions.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Text, case, cast, func, or_, select
from sqlmodel import Session, col

from app.reports.weeks import week_bounds
from app.tables import Evaluation, Interaction

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


@dataclass(frozen=True, slots=True)
class Tallies:
    """The tallies of some weeks in a row, oldest first; the last one is the week of the report."""

    weeks: tuple[str, ...]
    received: tuple[int, ...]
    by_criterion: Mapping[str, Mapping[Slice, Sequence[Tally]]]
    sources: Mapping[str, Sequence[frozenset[Source]]]
    combinations: Mapping[str, Mapping[frozenset[Slice], Tally]] = field(default_factory=dict)
    """The last week alone, by everything that an answer shares with others at once."""

    def of(self, criterion: str, part: Slice = EVERYTHING) -> Sequence[Tally]:
        """One tally per week; empty tallies where nothing was judged."""
        return self.by_criterion.get(criterion, {}).get(part, [Tally()] * len(self.weeks))

    def comparable(self, criterion: str) -> list[bool]:
        """Which weeks the same evaluator, version and threshold judged as the last week."""
        sources = self.sources.get(criterion, [frozenset()] * len(self.weeks))
        return [bool(found) and found == sources[-1] for found in sources]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which interactions a report is about."""

    project: str
    application: str | None
    from_at: datetime
    to_at: datetime
    time_zone: str = "UTC"

    def holds(self) -> list[ColumnElement[bool]]:
        """The conditions on Interaction, as SQL."""
        conditions = [
            col(Interaction.project) == self.project,
            col(Interaction.started_at) >= self.from_at,
            col(Interaction.started_at) < self.to_at,
        ]
        if self.application:
            conditions.append(col(Interaction.application) == self.application)
        return conditions


def scope_of(project: str, application: str | None, weeks: Sequence[str], time_zone: str) -> Scope:
    """The interactions of these weeks, oldest first."""
    from_at, _ = week_bounds(weeks[0], time_zone)
    _, to_at = week_bounds(weeks[-1], time_zone)
    return Scope(project, application, from_at, to_at, time_zone)


def count_weeks(
    session: Session,
    *,
    project: str,
    application: str | None,
    weeks: Sequence[str],
    time_zone: str,
    evaluators: Mapping[str, str],
) -> Tallies:
    """The tallies of these weeks; `evaluators` names the evaluator that counts per criterion."""
    scope = scope_of(project, application, weeks, time_zone)
    week = _week_number(weeks, time_zone)
    received = _received(session, scope, week, len(weeks))
    cells: dict[str, dict[Slice, list[Tally]]] = defaultdict(dict)
    combinations: dict[str, dict[frozenset[Slice], Tally]] = defaultdict(dict)
    sources: dict[str, list[set[Source]]] = {}
    for row in session.execute(_grouped(scope, week, evaluators)):
        tally = _tally(row.status, row.passed, row.interactions)
        parts = list(_slices(row))
        if row.week == len(weeks) - 1:
            whole, known = frozenset(parts), combinations[row.criterion]
            known[whole] = known.get(whole, Tally()) + tally
        for part in parts:
            series = cells[row.criterion].setdefault(part, [Tally()] * len(weeks))
            series[row.week] = series[row.week] + tally
        if row.status == "scored":
            found = sources.setdefault(row.criterion, [set() for _ in weeks])
            found[row.week].add(Source(row.evaluator, row.version, row.threshold))
    frozen = {name: [frozenset(one) for one in found] for name, found in sources.items()}
    return Tallies(tuple(weeks), received, cells, frozen, combinations)


def main_evaluators(
    session: Session, scope: Scope, *, since: datetime, criteria: Sequence[str]
) -> dict[str, str]:
    """Per criterion the evaluator that judged most interactions since then, else in the scope."""
    recent = func.sum(case((col(Interaction.started_at) >= since, 1), else_=0))
    rows = session.execute(
        select(Evaluation.criterion, Evaluation.evaluator, recent, func.count())  # type: ignore[call-overload]
        .join(Interaction, col(Interaction.id) == col(Evaluation.interaction_id))
        .where(*scope.holds(), col(Evaluation.criterion).in_(criteria))
        .group_by(col(Evaluation.criterion), col(Evaluation.evaluator))
    ).all()
    best: dict[str, tuple[int, int, str]] = {}
    for criterion, evaluator, now, ever in rows:
        best[criterion] = max(best.get(criterion, (-1, -1, "")), (now, ever, evaluator))
    return {criterion: evaluator for criterion, (_, _, evaluator) in best.items()}


def newest_rows(scope: Scope, evaluators: Mapping[str, str]) -> Select[*tuple[Any, ...]]:
    """The ids of the evaluations that count: one per interaction and criterion."""
    chosen = [
        (col(Evaluation.criterion) == criterion) & (col(Evaluation.evaluator) == evaluator)
        for criterion, evaluator in sorted(evaluators.items())
    ]
    return (
        select(func.max(col(Evaluation.id)))
        .join(Interaction, col(Interaction.id) == col(Evaluation.interaction_id))
        .where(*scope.holds(), or_(False, *chosen))
        .group_by(col(Evaluation.interaction_id), col(Evaluation.criterion))
    )


def _grouped(
    scope: Scope, week: ColumnElement[int], evaluators: Mapping[str, str]
) -> Select[*tuple[Any, ...]]:
    columns = (
        col(Evaluation.criterion),
        col(Evaluation.status),
        col(Evaluation.passed),
        col(Evaluation.evaluator),
        col(Evaluation.version),
        col(Evaluation.threshold),
        col(Interaction.application),
        col(Interaction.model),
    )
    segments = cast(col(Interaction.segments), Text).label("segments")
    return (
        select(week, *columns, segments, func.count().label("interactions"))
        .join(Interaction, col(Interaction.id) == col(Evaluation.interaction_id))
        .where(col(Evaluation.id).in_(newest_rows(scope, evaluators)))
        .group_by("week", *columns, "segments")
    )


def _received(
    session: Session, scope: Scope, week: ColumnElement[int], weeks: int
) -> tuple[int, ...]:
    statement = select(week, func.count().label("interactions")).where(*scope.holds())
    found = Counter(
        {row.week: row.interactions for row in session.execute(statement.group_by("week"))}
    )
    return tuple(found[number] for number in range(weeks))


def _week_number(weeks: Sequence[str], time_zone: str) -> Any:
    ends = [week_bounds(week, time_zone)[1] for week in weeks]
    branches = [(col(Interaction.started_at) < end, number) for number, end in enumerate(ends)]
    return case(*branches, else_=len(weeks)).label("week")


def _tally(status: str, passed: bool | None, interactions: int) -> Tally:
    if status == "scored":
        return Tally(scored=interactions, failing=0 if passed else interactions)
    if status in ("pending", "running"):
        return Tally(pending=interactions)
    if status == "abstained":
        return Tally(abstained=interactions)
    return Tally(failed=interactions) if status == "failed" else Tally(skipped=interactions)


def _slices(row: Any) -> Iterator[Slice]:
    yield EVERYTHING
    parts = {"application": row.application, "model": row.model}
    for key, value in json.loads(row.segments).items():
        parts.setdefault(key, value)
    for key, value in parts.items():
        if value:
            yield Slice(key, str(value))
