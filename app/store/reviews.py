"""Review queues: a random sample of interactions, of which each reviewer holds one at a time.

The inclusion probability is fixed when the sample is drawn and stored with every item, so that an
estimate from the labels can be weighted back to all interactions that were eligible.

An item is free, held (a reviewer and a time until which), skipped (a reviewer, no time: it goes to
others) or done. A label that comes after its lease has ended is taken: lost work is worse than one
label too many.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, or_
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from app.criteria import Criteria
from app.database import is_sqlite
from app.errors import Conflict, NotFound, UnknownField
from app.store.interactions import InteractionFilter, matching
from app.tables import Interaction, ReviewItem, ReviewQueue

LEASE = timedelta(minutes=15)
LARGEST_SAMPLE = 10_000


class Progress(NamedTuple):
    """Where the items of a queue are at a moment."""

    total: int
    done: int
    held: int
    skipped: int
    next_free_at: datetime | None
    """When the first lease of an item that is held ends."""


def create_queue(
    session: Session,
    *,
    project: str,
    name: str,
    filters: InteractionFilter,
    size: int,
    criteria: Criteria,
    criterion_names: Sequence[str] = (),
    created_by: str,
    seed: int,
    now: datetime,
) -> ReviewQueue:
    """A queue with a simple random sample of at most `size` interactions that pass the filters.

    `criterion_names` are the questions reviewers are asked; none means all.
    """
    _check_queue(session, project, name, size)
    names = [criteria.get(one).name for one in criterion_names or criteria.by_name]
    eligible = _eligible_ids(session, project, filters)
    if not eligible:
        raise UnknownField("no interaction passes these filters; widen them")
    size = min(size, len(eligible))
    queue = ReviewQueue(
        project=project,
        name=name.strip(),
        criteria=names,
        filters={"filter": _plain(filters), "eligible": len(eligible), "seed": seed},
        created_by=created_by,
        created_at=now,
    )
    session.add(queue)
    session.flush()
    assert queue.id is not None
    sample = random.Random(seed).sample(eligible, size)
    session.add_all(_items(queue.id, sample, size / len(eligible)))
    session.flush()
    return queue


def list_queues(session: Session, project: str) -> list[ReviewQueue]:
    """The queues of a project, newest first."""
    query = select(ReviewQueue).where(ReviewQueue.project == project)
    return list(session.exec(query.order_by(col(ReviewQueue.id).desc())))


def get_queue(session: Session, project: str, queue_id: int) -> ReviewQueue:
    """The queue of that id, or NotFound when this project has none."""
    queue = session.get(ReviewQueue, queue_id) if queue_id < 2**31 else None
    if queue is None or queue.project != project:
        raise NotFound(f"there is no review queue {queue_id} in this project")
    return queue


def get_item(session: Session, queue_id: int, item_id: int) -> ReviewItem:
    """The item of that id, or NotFound when this queue has none."""
    item = session.get(ReviewItem, item_id) if item_id < 2**31 else None
    if item is None or item.queue_id != queue_id:
        raise NotFound(f"there is no item {item_id} in review queue {queue_id}")
    return item


def claim_item(
    session: Session, queue_id: int, *, reviewer: str, now: datetime
) -> ReviewItem | None:
    """The item this reviewer holds, else the next free one, held from now on; None when none is.

    Nobody else gets the item while the lease lasts, and nobody gets one they have skipped.
    """
    mine = and_(col(ReviewItem.lease_reviewer) == reviewer, col(ReviewItem.lease_until_at) > now)
    held_first = case((mine, 0), else_=1)
    query = (
        select(ReviewItem)
        .where(ReviewItem.queue_id == queue_id, col(ReviewItem.done_at).is_(None))
        .where(or_(mine, _free_for(reviewer, now)))
        .order_by(held_first, col(ReviewItem.position))
        .limit(1)
        .with_for_update(skip_locked=not is_sqlite(session))
    )
    item = session.exec(query).first()
    if item is not None:
        item.lease_reviewer, item.lease_until_at = reviewer, now + LEASE
        session.add(item)
        session.flush()
    return item


def finish_item(session: Session, item: ReviewItem, *, now: datetime) -> None:
    """Mark the item as labelled, whoever holds it; the first time counts."""
    item.done_at = item.done_at or now
    item.lease_reviewer = item.lease_until_at = None
    session.add(item)
    session.flush()


def skip_item(session: Session, item: ReviewItem, *, reviewer: str) -> None:
    """Give the item to others; without effect when it is done or someone else's."""
    if item.done_at is None and item.lease_reviewer == reviewer:
        item.lease_until_at = None
        session.add(item)
        session.flush()


def take_back_skipped(session: Session, queue_id: int, *, reviewer: str) -> None:
    """Make the items that this reviewer skipped free for everybody again."""
    skipped = select(ReviewItem).where(
        ReviewItem.queue_id == queue_id,
        ReviewItem.lease_reviewer == reviewer,
        col(ReviewItem.lease_until_at).is_(None),
    )
    for item in session.exec(skipped.with_for_update(skip_locked=not is_sqlite(session))):
        item.lease_reviewer = None
        session.add(item)
    session.flush()


def progress_of(session: Session, queue_id: int, *, reviewer: str, now: datetime) -> Progress:
    """Where the items of a queue are; `held` counts others', `skipped` this reviewer's own."""
    open_ = col(ReviewItem.done_at).is_(None)
    others = and_(
        open_, col(ReviewItem.lease_until_at) > now, col(ReviewItem.lease_reviewer) != reviewer
    )
    skipped = and_(
        open_,
        col(ReviewItem.lease_reviewer) == reviewer,
        col(ReviewItem.lease_until_at).is_(None),
    )
    query = select_columns(
        func.count(),
        func.count(col(ReviewItem.done_at)),
        func.count(case((others, 1))),
        func.count(case((skipped, 1))),
        func.min(case((others, col(ReviewItem.lease_until_at)))),
    )
    row = session.execute(query.where(col(ReviewItem.queue_id) == queue_id)).one()
    return Progress(*row)


def _free_for(reviewer: str, now: datetime) -> ColumnElement[bool]:
    never_held = col(ReviewItem.lease_reviewer).is_(None)
    expired = col(ReviewItem.lease_until_at) <= now
    skipped = and_(
        col(ReviewItem.lease_until_at).is_(None), col(ReviewItem.lease_reviewer) != reviewer
    )
    return or_(never_held, expired, skipped)


def _items(queue_id: int, sample: Sequence[str], probability: float) -> list[ReviewItem]:
    return [
        ReviewItem(
            queue_id=queue_id,
            interaction_id=interaction_id,
            position=position,
            stratum="random",
            inclusion_probability=probability,
        )
        for position, interaction_id in enumerate(sample)
    ]


def _check_queue(session: Session, project: str, name: str, size: int) -> None:
    if not 0 < len(name.strip()) <= 100:
        raise UnknownField("a queue's name needs 1 to 100 characters")
    if not 0 < size <= LARGEST_SAMPLE:
        raise UnknownField(f"a queue holds 1 to {LARGEST_SAMPLE} items, not {size}")
    same_name = select(ReviewQueue).where(
        ReviewQueue.project == project, ReviewQueue.name == name.strip()
    )
    if session.exec(same_name).first():
        raise Conflict(f"there is a queue {name.strip()!r} already; choose another name")


def _eligible_ids(session: Session, project: str, filters: InteractionFilter) -> list[str]:
    query = matching(project, filters).with_only_columns(col(Interaction.id))
    return sorted(session.scalars(query))


def _plain(filters: InteractionFilter) -> dict[str, object]:
    values = {**asdict(filters), "segments": dict(filters.segments)}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
        if value
    }
