"""What the rollups say of some weeks, and which hours they cannot tell.

A rollup counts every version of an evaluator; a report counts each interaction once. Where an hour
holds verdicts or open work of two versions, or where a week ends within an hour (zones that are off
by half an hour), the rows of that hour are read instead, so that the sums are exact.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, case, func, or_, select, text
from sqlmodel import Session, col

from app.database import hour_text
from app.reports.scope import Scope
from app.store.evaluations import OPEN
from app.store.rollups import JUDGE, REASON, hour_of
from app.tables import Evaluation, Interaction, Rollup

HOUR = timedelta(hours=1)
JUDGED = col(Rollup.n) + col(Rollup.abstained) + col(Rollup.failed)


class Used(NamedTuple):
    """How many evaluations of a version of an evaluator there are, in all and lately."""

    criterion: str
    evaluator: str
    version: str
    recent: int
    ever: int

    @property
    def source(self) -> str:
        return f"{self.evaluator}@{self.version}"


class Waiting(NamedTuple):
    """Evaluations of one hour that no rollup counts, because they are open."""

    hour_at: datetime
    criterion: str
    evaluator: str
    version: str
    status: str
    n: int


def rolled_up(scope: Scope) -> list[ColumnElement[bool]]:
    """The conditions on Rollup, as SQL; the hours in which the scope begins and ends are whole."""
    conditions = [
        col(Rollup.project) == scope.project,
        col(Rollup.bucket_at) >= hour_of(scope.from_at),
        col(Rollup.bucket_at) < scope.to_at,
    ]
    if scope.application:
        conditions.append(col(Rollup.application) == scope.application)
    return conditions


def read_waiting(session: Session, scope: Scope) -> list[Waiting]:
    """The open evaluations of the scope, per hour."""
    hour = hour_text(session, col(Evaluation.started_at))
    columns = (col(Evaluation.criterion), col(Evaluation.evaluator), col(Evaluation.version))
    query = select(hour, *columns, col(Evaluation.status), func.count()).where(
        col(Evaluation.project) == scope.project,
        col(Evaluation.status).in_(OPEN),
        # Says to the databases that the index of unscored evaluations holds all of them.
        text("evaluation.status <> 'scored'"),
        col(Evaluation.started_at) >= scope.from_at,
        col(Evaluation.started_at) < scope.to_at,
    )
    if scope.application:
        query = query.join(Interaction, col(Interaction.id) == col(Evaluation.interaction_id))
        query = query.where(col(Interaction.application) == scope.application)
    rows = session.execute(query.group_by(hour, *columns, col(Evaluation.status)))
    return [Waiting(datetime.fromisoformat(f"{at}:00:00+00:00"), *rest) for at, *rest in rows]


def read_used(
    session: Session, scope: Scope, since: datetime, waiting: Sequence[Waiting] = ()
) -> list[Used]:
    """Every version of every evaluator that has evaluations in the scope."""
    recent = func.sum(case((col(Rollup.bucket_at) >= hour_of(since), JUDGED), else_=0))
    columns = (col(Rollup.criterion), col(Rollup.source))
    query = (
        select(*columns, recent, func.sum(JUDGED))
        .where(*rolled_up(scope), col(Rollup.segment_key) == "")
        .group_by(*columns)
    )
    sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for criterion, source, lately, ever in session.execute(query):
        evaluator, _, version = source.partition("@")
        _add(sums[criterion, evaluator, version], int(lately), int(ever))
    for one in waiting:
        lately = one.n if one.hour_at >= hour_of(since) else 0
        _add(sums[one.criterion, one.evaluator, one.version], lately, one.n)
    return [Used(*key, *values) for key, values in sorted(sums.items()) if values[1]]


def untold_hours(
    session: Session,
    scope: Scope,
    ends: Sequence[datetime],
    used: Collection[Used],
    waiting: Collection[Waiting],
) -> set[datetime]:
    """The hours whose rows must be read: cut by the end of a week, or with two versions in them."""
    edges = [scope.from_at, *ends]
    cut = {hour_of(edge) for edge in edges if hour_of(edge) != edge}
    versions: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in used:
        versions[one.criterion, one.evaluator].add(one.source)
    several = {key: sources for key, sources in versions.items() if len(sources) > 1}
    return cut | _mixed_hours(session, scope, several, waiting)


def _mixed_hours(
    session: Session,
    scope: Scope,
    several: Mapping[tuple[str, str], set[str]],
    waiting: Collection[Waiting],
) -> set[datetime]:
    if not several:
        return set()
    sources = sorted(set().union(*several.values()))
    columns = (col(Rollup.bucket_at), col(Rollup.criterion), col(Rollup.source))
    query = (
        select(*columns)
        .where(*rolled_up(scope), col(Rollup.segment_key) == "", JUDGED > 0)
        .where(col(Rollup.source).in_(sources))
        .distinct()
    )
    found: dict[tuple[datetime, str, str], set[str]] = defaultdict(set)
    for at, criterion, source in session.execute(query):
        found[at, criterion, source.partition("@")[0]].add(source)
    for one in waiting:
        found[one.hour_at, one.criterion, one.evaluator].add(f"{one.evaluator}@{one.version}")
    return {at for (at, _, _), some in found.items() if len(some) > 1}


def ranges_of(hours: Collection[datetime]) -> Iterator[tuple[datetime, datetime]]:
    """The hours as ranges without gaps: the first moment and the first moment after."""
    start = end = None
    for hour in sorted(hours):
        if start is None or end is None or hour != end:
            if start is not None and end is not None:
                yield start, end
            start = hour
        end = hour + HOUR
    if start is not None and end is not None:
        yield start, end


def read_sums(
    session: Session,
    scope: Scope,
    ends: Sequence[datetime],
    evaluators: Mapping[str, str],
    used: Collection[Used],
    without: Collection[datetime],
    keys: Collection[str] | None = None,
) -> Sequence[Any]:
    """The counts of the evaluators that count, per week, source, application and segment; `keys`
    names the segments, without it all are read."""
    branches = [(col(Rollup.bucket_at) < end, number) for number, end in enumerate(ends)]
    week = case(*branches, else_=len(ends)).label("week")
    columns = (
        *(col(Rollup.criterion), col(Rollup.source), col(Rollup.application)),
        *(col(Rollup.segment_key), col(Rollup.segment_value)),
    )
    values = ("n", "failing", "abstained", "failed")
    sums = [func.sum(getattr(Rollup, name)).label(name) for name in values]
    query: Select[*tuple[Any, ...]] = select(week, *columns, *sums)
    query = query.where(*rolled_up(scope), or_(False, *_chosen(evaluators, used)))
    if keys is not None:
        query = query.where(col(Rollup.segment_key).in_(["", JUDGE, REASON, *keys]))
    if without:
        query = query.where(col(Rollup.bucket_at).not_in(sorted(without)))
    return session.execute(query.group_by("week", *columns)).all()


def _chosen(evaluators: Mapping[str, str], used: Collection[Used]) -> Iterator[ColumnElement[bool]]:
    for criterion, evaluator in sorted(evaluators.items()):
        mine = [o.source for o in used if (o.criterion, o.evaluator) == (criterion, evaluator)]
        yield (col(Rollup.criterion) == criterion) & col(Rollup.source).in_(mine)


def _add(sums: list[int], recent: int, ever: int) -> None:
    sums[0] += recent
    sums[1] += ever
