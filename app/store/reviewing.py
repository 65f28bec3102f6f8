"""What the desk asks about a reviewer's own work before it shows an item."""

from collections.abc import Mapping
from datetime import datetime

from sqlmodel import Session, col, func, select

from app.tables import Annotation, ReviewItem, ReviewQueue, ReviewTurn


def next_calibration(
    session: Session, queue: ReviewQueue, *, reviewer: str, role: str
) -> int | None:
    """The round that a new reviewer has to label before this queue, or None."""
    if role != "reviewer" or queue.kind == "calibration":
        return None
    mine = select(ReviewTurn.id).join(ReviewQueue, col(ReviewQueue.id) == ReviewTurn.queue_id)
    mine = mine.where(ReviewTurn.reviewer == reviewer, ReviewTurn.status == "stored")
    if session.exec(mine.where(ReviewQueue.kind == "review")).first() is not None:
        return None
    rounds = select(ReviewQueue.id).where(
        ReviewQueue.project == queue.project, ReviewQueue.kind == "calibration"
    )
    for round_id in session.exec(rounds.order_by(col(ReviewQueue.id))):
        items = select(func.count()).where(ReviewItem.queue_id == round_id)
        done = mine.with_only_columns(func.count()).where(col(ReviewTurn.queue_id) == round_id)
        if session.execute(done).scalar_one() < session.exec(items).one():
            return round_id
    return None


def guidelines_changed(
    session: Session, project: str, *, reviewer: str, versions: Mapping[str, str]
) -> bool:
    """Whether a rule is not that by which the reviewer labelled last; `versions` are those of the
    criteria as they are now."""
    newest = (
        select(func.max(Annotation.id))
        .where(Annotation.project == project, Annotation.reviewer == reviewer)
        .group_by(Annotation.criterion)
    )
    last = select(Annotation.criterion, Annotation.guideline_version)
    known = session.exec(last.where(col(Annotation.id).in_(newest)))
    return any(version != versions.get(criterion, version) for criterion, version in known)


def stored_since(session: Session, project: str, reviewer: str, since: datetime) -> int:
    """How many items a reviewer has stored since a moment."""
    query = (
        select(func.count())
        .select_from(ReviewTurn)
        .join(ReviewQueue, col(ReviewQueue.id) == ReviewTurn.queue_id)
        .where(
            ReviewQueue.project == project,
            ReviewTurn.reviewer == reviewer,
            ReviewTurn.status == "stored",
            col(ReviewTurn.finished_at) >= since,
        )
    )
    return session.exec(query).one()
