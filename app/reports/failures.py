"""The failing answers of a scope that show most clearly what fails."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from app.criteria import Criterion
from app.reports.scope import Scope
from app.tables import Evaluation, Interaction

EXAMPLES_READ = 12


def clearest_failures(
    session: Session, scope: Scope, evaluator: str, criterion: Criterion
) -> list[tuple[Evaluation, Interaction]]:
    """The clearest failures first, each by the newest version of the evaluator."""
    score = col(Evaluation.score)
    order = (
        score.asc() if criterion.higher_is_better else score.desc(),
        *(col(Evaluation.started_at), col(Evaluation.interaction_id)),
    )
    query = select(Evaluation, Interaction).join(Interaction)
    rows: Sequence[Any] = session.execute(
        query.where(*failing(scope, evaluator, criterion)).order_by(*order).limit(EXAMPLES_READ)
    ).all()
    return [(evaluation, interaction) for evaluation, interaction in rows]


def failing(scope: Scope, evaluator: str, criterion: Criterion) -> list[Any]:
    """The conditions that an evaluation is a failure that counts and can still be read; the index
    by label finds them.

    For a query on Evaluation joined with Interaction.
    """
    newer = aliased(Evaluation)
    conditions = [
        col(Evaluation.project) == scope.project,
        col(Evaluation.label) == criterion.failing,
        col(Evaluation.started_at) >= scope.from_at,
        col(Evaluation.started_at) < scope.to_at,
        col(Evaluation.criterion) == criterion.name,
        col(Evaluation.evaluator) == evaluator,
        col(Evaluation.status) == "scored",
        col(Evaluation.passed).is_(False),
        col(Interaction.erased_at).is_(None),
        ~exists().where(
            col(newer.interaction_id) == col(Evaluation.interaction_id),
            col(newer.evaluator) == col(Evaluation.evaluator),
            col(newer.id) > col(Evaluation.id),
        ),
    ]
    if scope.application:
        conditions.append(col(Interaction.application) == scope.application)
    return conditions
