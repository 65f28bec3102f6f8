"""Who has seen the verdicts on which answer, so that a label which counts as blind is blind.

A reviewer has seen them in an assisted queue, after storing a label in another queue, and on the
page of an interaction where they labelled it. Such an item of a blind queue goes to others. What
still waits for a blind label of theirs is shown to them without verdicts everywhere else.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, exists, false, or_
from sqlmodel import Session, col, select

from app.store.reviews import ASSISTED, REVIEW
from app.tables import Annotation, ReviewItem, ReviewQueue, ReviewTurn


def was_seen(queue: ReviewQueue, reviewer: str) -> ColumnElement[bool]:
    """The condition on items of a queue that this reviewer knows the verdicts on them.

    Never so where labels count in no estimate: in assisted queues and calibration rounds.
    """
    if queue.kind != REVIEW:
        return false()
    elsewhere = (
        select(ReviewTurn.item_id)
        .join(ReviewQueue, col(ReviewQueue.id) == col(ReviewTurn.queue_id))
        .where(ReviewQueue.project == queue.project, ReviewQueue.id != queue.id)
        .where(ReviewTurn.reviewer == reviewer)
        .where(or_(col(ReviewQueue.kind) == ASSISTED, col(ReviewTurn.revealed_at).is_not(None)))
    )
    items = ReviewItem.__table__.alias("seen_item")  # type: ignore[attr-defined]
    seen = select(items.c.interaction_id).where(items.c.id.in_(elsewhere))
    in_view = exists().where(
        col(Annotation.interaction_id) == col(ReviewItem.interaction_id),
        col(Annotation.reviewer) == reviewer,
        col(Annotation.blind_label).is_(None),
    )
    return or_(col(ReviewItem.interaction_id).in_(seen), in_view)


def has_seen(session: Session, queue: ReviewQueue, item: ReviewItem, reviewer: str) -> bool:
    """Whether this reviewer knows the verdicts on the item from elsewhere."""
    query = select(ReviewItem.id).where(ReviewItem.id == item.id, was_seen(queue, reviewer))
    return session.exec(query).first() is not None


def awaited(session: Session, project: str, reviewer: str, ids: Sequence[str]) -> set[str]:
    """Those of the interactions that this reviewer may still be asked to label blind."""
    queues = select(ReviewQueue.id).where(
        ReviewQueue.project == project, ReviewQueue.kind == REVIEW
    )
    had_turn = exists().where(
        col(ReviewTurn.item_id) == col(ReviewItem.id),
        col(ReviewTurn.reviewer) == reviewer,
        col(ReviewTurn.status).in_(("stored", "asked")),
    )
    query = select(ReviewItem.interaction_id).where(
        col(ReviewItem.queue_id).in_(session.exec(queues).all()),
        col(ReviewItem.interaction_id).in_(ids),
        col(ReviewItem.done_at).is_(None),
        ~had_turn,
    )
    return set(session.exec(query))
