"""The failing answers of a scope that show most clearly what fails."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from app.criteria import Criterion
from app.reports.scope import Scope
from app.tables import Evaluation, Interaction

EXAMPLES_READ = 12
TRIED_FIRST = 2 * EXAMPLES_READ
IDS_PER_QUERY = 500


def clearest_failures(
    session: Session, scope: Scope, evaluator: str, criterion: Criterion
) -> list[tuple[Evaluation, Interaction]]:
    """The clearest failures first, each by the newest version of the evaluator."""
    found: list[tuple[Evaluation, Interaction]] = []
    # A week may hold a hundred thousand failures: only the words of the clearest are looked at.
    for ids in _clearest_first(session, scope, evaluator, criterion):
        rows = session.execute(
            select(Evaluation, Interaction)
            .join(Interaction)
            .where(col(Evaluation.id).in_(ids), *_that_stand())
            .order_by(*_order(criterion))
        )
        found += [(evaluation, interaction) for evaluation, interaction in rows]
        if len(found) >= EXAMPLES_READ:
            break
    return found[:EXAMPLES_READ]


def failing(scope: Scope, evaluator: str, criterion: Criterion) -> list[Any]:
    """The conditions that an evaluation is a failure that counts and can still be read; the index
    by label finds them.

    For a query on Evaluation joined with Interaction.
    """
    return [*_judged(scope, evaluator, criterion), *_that_stand()]


def _clearest_first(
    session: Session, scope: Scope, evaluator: str, criterion: Criterion
) -> Iterator[Sequence[int | None]]:
    """The ids of the failing evaluations in order: a few, which mostly suffice, then the others."""
    query = select(col(Evaluation.id)).where(*_judged(scope, evaluator, criterion))
    if scope.application:
        query = query.join(Interaction)
    query = query.order_by(*_order(criterion))
    yield session.scalars(query.limit(TRIED_FIRST)).all()
    others = session.scalars(query.offset(TRIED_FIRST)).all()
    for start in range(0, len(others), IDS_PER_QUERY):
        yield others[start : start + IDS_PER_QUERY]


def _order(criterion: Criterion) -> Sequence[Any]:
    score = col(Evaluation.score)
    return (
        score.asc() if criterion.higher_is_better else score.desc(),
        *(col(Evaluation.started_at), col(Evaluation.interaction_id), col(Evaluation.id)),
    )


def _judged(scope: Scope, evaluator: str, criterion: Criterion) -> list[Any]:
    """The conditions that the evaluator let an answer of the scope fail, in any version."""
    conditions = [
        col(Evaluation.project) == scope.project,
        col(Evaluation.label) == criterion.failing,
        col(Evaluation.started_at) >= scope.from_at,
        col(Evaluation.started_at) < scope.to_at,
        col(Evaluation.criterion) == criterion.name,
        col(Evaluation.evaluator) == evaluator,
        col(Evaluation.status) == "scored",
        col(Evaluation.passed).is_(False),
    ]
    if scope.application:
        conditions.append(col(Interaction.application) == scope.application)
    return conditions


def _that_stand() -> list[Any]:
    """The conditions that no newer version judged the answer, and that its words are there."""
    newer = aliased(Evaluation)
    return [
        col(Interaction.erased_at).is_(None),
        ~exists().where(
            col(newer.interaction_id) == col(Evaluation.interaction_id),
            col(newer.evaluator) == col(Evaluation.evaluator),
            col(newer.id) > col(Evaluation.id),
        ),
    ]
