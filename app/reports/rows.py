"""What is counted from the rows themselves: the newest verdict on each interaction.

Reports use it for the few hours that rollups cannot tell, and for combinations of segments, of
which there are too many to keep counts. The database groups: what comes back is as long as there
are different combinations, not as there are interactions.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, case, cast, func, or_, select
from sqlmodel import Session, col

from app.reports.scope import Scope
from app.tables import Evaluation, Interaction

MOST_SAMPLED = 20_000
"""How many interactions of a week are read where rows must be."""
HASH_RANGE = 16**8


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
    columns = (
        *(col(Evaluation.criterion), col(Evaluation.status), col(Evaluation.passed)),
        *(col(Evaluation.evaluator), col(Evaluation.version), col(Evaluation.threshold)),
        *(col(Evaluation.weights_digest), col(Evaluation.calibration)),
        col(Evaluation.precision),
        *(col(Interaction.application), col(Interaction.model)),
    )
    reason = case((is_unjudged, col(Evaluation.explanation)), else_=None).label("reason")
    segments = cast(col(Interaction.segments), Text).label("segments")
    newest = newest_rows(scope, evaluators).where(*within)
    return session.execute(
        select(week, *columns, reason, segments, func.count().label("interactions"))
        .join(Interaction, col(Interaction.id) == col(Evaluation.interaction_id))
        .where(col(Evaluation.id).in_(newest))
        .group_by("week", *columns, "reason", "segments")
    ).all()


def of_hours(ranges: Collection[tuple[datetime, datetime]]) -> ColumnElement[bool]:
    """The condition that an interaction started in one of the ranges."""
    at = col(Interaction.started_at)
    return or_(False, *(and_(at >= start, at < end) for start, end in ranges))


def of_sample(received: int) -> list[ColumnElement[bool]]:
    """The condition that an interaction is in the sample of a week that received so many.

    Ids are digests, so a bound on them draws at random, and the same interactions each time.
    """
    if received <= MOST_SAMPLED:
        return []
    bound = int(HASH_RANGE * MOST_SAMPLED / received)
    return [col(Interaction.id) < f"{bound:08x}"]
