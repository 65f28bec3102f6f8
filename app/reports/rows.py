"""What is counted from the rows themselves: the newest verdict on each interaction.

Reports use it for the few hours that rollups cannot tell, and for combinations of segments, of
which there are too many to keep counts. The database groups: what comes back is as long as there
are different combinations, not as there are interactions.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, case, cast, exists, func, or_, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from app.reports.scope import Scope
from app.reports.tallies import Slice
from app.tables import Evaluation, Interaction

MOST_SAMPLED = 20_000
"""How many interactions of a week are read where rows must be."""
MOST_SAMPLED_WITHIN = 2_000
"""How many of them have the segment that is looked into: of so many, a quarter that fails 5 points
oftener than the rest, where 10 % fail, lies three standard errors apart."""
HASH_RANGE = 16**8


def read_rows(
    session: Session,
    scope: Scope,
    ends: Sequence[datetime],
    evaluators: Mapping[str, str],
    within: Collection[ColumnElement[bool]] = (),
) -> Sequence[Any]:
    """Per week, outcome, evaluator and combination of segments how many interactions there are;
    `within` are more conditions on Interaction."""
    branches = [(col(Interaction.started_at) < end, number) for number, end in enumerate(ends)]
    week = case(*branches, else_=len(ends)).label("week")
    is_unjudged = col(Evaluation.status).in_(("abstained", "failed"))
    reason = case((is_unjudged, col(Evaluation.explanation)), else_=None).label("reason")
    columns = (
        *(week, col(Evaluation.evaluator), col(Evaluation.version), col(Evaluation.threshold)),
        *(col(Evaluation.weights_digest), col(Evaluation.calibration)),
        *(col(Evaluation.precision), reason),
    )
    return session.execute(_counted(scope, evaluators, columns, within)).all()


def read_combinations(
    session: Session,
    scope: Scope,
    evaluators: Mapping[str, str],
    within: Collection[ColumnElement[bool]] = (),
) -> Sequence[Any]:
    """Per outcome and combination of segments how many interactions there are."""
    return session.execute(_counted(scope, evaluators, (), within)).all()


def of_hours(ranges: Collection[tuple[datetime, datetime]]) -> ColumnElement[bool]:
    """The condition that an interaction started in one of the ranges."""
    at = col(Interaction.started_at)
    return or_(False, *(and_(at >= start, at < end) for start, end in ranges))


def is_newest() -> ColumnElement[bool]:
    """The condition that no later version of the evaluator judged an interaction, or will."""
    newer = aliased(Evaluation)
    return ~exists().where(
        col(newer.interaction_id) == col(Evaluation.interaction_id),
        col(newer.evaluator) == col(Evaluation.evaluator),
        col(newer.id) > col(Evaluation.id),
        col(newer.criterion) == col(Evaluation.criterion),
    )


def of_part(part: Slice) -> ColumnElement[bool]:
    """The condition that an interaction has a segment."""
    own = {"application": col(Interaction.application), "model": col(Interaction.model)}
    named: ColumnElement[str] = col(Interaction.segments)[part.key].as_string()
    return own.get(part.key, named) == part.value


def of_sample(received: int, within: int | None = None) -> list[ColumnElement[bool]]:
    """The condition that an interaction is in the sample of a week that received so many, of which
    so many have the segment that is looked into.

    Ids are digests, so a bound on them draws at random, and the same interactions each time.
    """
    wanted = MOST_SAMPLED
    if within:
        wanted = min(wanted, MOST_SAMPLED_WITHIN * received // within)
    if received <= wanted:
        return []
    return [col(Interaction.id) < f"{int(HASH_RANGE * wanted / received):08x}"]


def _counted(
    scope: Scope,
    evaluators: Mapping[str, str],
    more: Sequence[Any],
    within: Collection[ColumnElement[bool]],
) -> Select[*tuple[Any, ...]]:
    """The numbers of interactions by outcome, segments and more columns; each counts once per
    criterion, by the newest row of the evaluator that counts."""
    chosen = [
        (col(Evaluation.criterion) == criterion) & (col(Evaluation.evaluator) == evaluator)
        for criterion, evaluator in sorted(evaluators.items())
    ]
    columns = (
        *(col(Evaluation.criterion), col(Evaluation.status), col(Evaluation.passed)),
        *(col(Interaction.application), col(Interaction.model)),
        cast(col(Interaction.segments), Text).label("segments"),
        *more,
    )
    return (
        select(*columns, func.count().label("interactions"))
        .join_from(Interaction, Evaluation)
        .where(*scope.holds(), *within, or_(False, *chosen), is_newest())
        .group_by(*columns)
    )
