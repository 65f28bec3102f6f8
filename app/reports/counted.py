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
from app.reports.pieces import Where, pieces_of
from app.reports.scope import Scope
from app.store.evaluations import OPEN
from app.store.rollups import JUDGE, REASON, day_of, hour_of
from app.tables import Counts, DailyRollup, Evaluation, Interaction, Rollup

HOUR = timedelta(hours=1)


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


def counts_in(scope: Scope, key: str | None = None) -> Where:
    """The counts of a scope whenever they are, of one segment key or of all."""

    def where(table: type[Counts]) -> list[ColumnElement[bool]]:
        conditions = [col(table.project) == scope.project]
        if scope.application:
            conditions.append(col(table.application) == scope.application)
        if key is not None:
            conditions.append(col(table.segment_key) == key)
        return conditions

    return where


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
    pieces = pieces_of(scope.from_at, scope.to_at, [since])
    names = ("bucket_at", "criterion", "source", "n", "abstained", "failed")
    found = pieces.counts(names, counts_in(scope, "")).c
    judged = found.n + found.abstained + found.failed
    recent = func.sum(case((found.bucket_at >= hour_of(since), judged), else_=0))
    columns = (found.criterion, found.source)
    query = select(*columns, recent, func.sum(judged)).group_by(*columns)
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
    daily = _seen(session, DailyRollup, scope, sources)
    days = {at for (at, _, _), some in daily.items() if len(some) > 1}
    days |= {day_of(one.hour_at) for one in waiting}
    found = _seen(session, Rollup, scope, sources, days)
    for one in waiting:
        found[one.hour_at, one.criterion, one.evaluator].add(f"{one.evaluator}@{one.version}")
    return {at for (at, _, _), some in found.items() if len(some) > 1}


def _seen(
    session: Session,
    table: type[Counts],
    scope: Scope,
    sources: Sequence[str],
    days: Collection[datetime] | None = None,
) -> dict[tuple[datetime, str, str], set[str]]:
    """Per bucket, criterion and evaluator the sources that judged; of these days, or of all."""
    columns = (col(table.bucket_at), col(table.criterion), col(table.source))
    query = select(*columns).where(
        *counts_in(scope, "")(table),
        col(table.bucket_at) >= (day_of if table is DailyRollup else hour_of)(scope.from_at),
        col(table.bucket_at) < scope.to_at,
        col(table.source).in_(sources),
        col(table.n) + col(table.abstained) + col(table.failed) > 0,
    )
    if days is not None:
        hours = [day + number * HOUR for day in sorted(days) for number in range(24)]
        query = query.where(col(table.bucket_at).in_(hours))
    found: dict[tuple[datetime, str, str], set[str]] = defaultdict(set)
    for at, criterion, source in session.execute(query.distinct()):
        found[at, criterion, source.partition("@")[0]].add(source)
    return found


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
    chosen = [
        (criterion, one.source)
        for criterion, evaluator in sorted(evaluators.items())
        for one in used
        if (one.criterion, one.evaluator) == (criterion, evaluator)
    ]

    def where(table: type[Counts]) -> list[ColumnElement[bool]]:
        mine = [(col(table.criterion) == c) & (col(table.source) == source) for c, source in chosen]
        conditions = [*counts_in(scope)(table), or_(False, *mine)]
        if keys is not None:
            conditions.append(col(table.segment_key).in_(["", JUDGE, REASON, *keys]))
        return conditions

    grouped = ("criterion", "source", "application", "segment_key", "segment_value")
    values = ("n", "failing", "abstained", "failed")
    pieces = pieces_of(scope.from_at, scope.to_at, ends, without)
    found = pieces.counts(("bucket_at", *grouped, *values), where).c
    branches = [(found.bucket_at < end, number) for number, end in enumerate(ends)]
    week = case(*branches, else_=len(ends)).label("week")
    columns = [found[name] for name in grouped]
    sums = [func.sum(found[name]).label(name) for name in values]
    query: Select[*tuple[Any, ...]] = select(week, *columns, *sums)
    return session.execute(query.group_by("week", *columns)).all()


def _add(sums: list[int], recent: int, ever: int) -> None:
    sums[0] += recent
    sums[1] += ever
