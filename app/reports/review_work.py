"""How labelling the answers of some time went, for all reviewers together."""

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col

from app.reports.scope import Scope
from app.tables import Adjudication, Interaction, ReviewItem, ReviewTurn


class ReviewWork(NamedTuple):
    """What became of the turns at these answers; of no single person."""

    reviewers: int
    """How many people stored a label."""
    median_seconds: float | None
    """Half of the stored turns took no longer."""
    skipped: int
    adjudicated: int
    """How many labels a lead decided where reviewers differed."""


def read_review_work(session: Session, scope: Scope) -> ReviewWork:
    """The turns and decisions on the interactions of a scope, whenever they were made."""
    turns = _turns(session, scope)
    stored = [turn for turn in turns if turn.status == "stored"]
    times = [turn.seconds for turn in stored if turn.seconds is not None]
    return ReviewWork(
        reviewers=len({turn.reviewer for turn in stored}),
        median_seconds=median(times) if times else None,
        skipped=Counter(turn.status for turn in turns)["skipped"],
        adjudicated=_decided(session, scope.project, {turn.item_id for turn in turns}),
    )


def _turns(session: Session, scope: Scope) -> Sequence[Any]:
    item_id, status = col(ReviewTurn.item_id), col(ReviewTurn.status)
    return session.execute(
        select(item_id, status, col(ReviewTurn.reviewer), col(ReviewTurn.seconds))
        .join(ReviewItem, col(ReviewItem.id) == item_id)
        .join(Interaction, col(Interaction.id) == col(ReviewItem.interaction_id))
        .where(*scope.holds())
    ).all()


def _decided(session: Session, project: str, items: set[int]) -> int:
    # Decisions are few; joined with interactions, all of these would be looked through.
    query = select(col(Adjudication.item_id)).where(col(Adjudication.project) == project)
    return sum(item in items for item in session.execute(query).scalars())
