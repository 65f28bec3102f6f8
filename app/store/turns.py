"""Turns: who holds which item of a queue, until when, and what became of it.

An item is free for a reviewer while fewer others than it needs have labelled it or hold it, and
they have not had their turn. A lease ends by itself; a label that comes after its end is kept,
because lost work is worse than one label too many.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from app.database import exclude_others
from app.errors import Conflict
from app.store.blindness import was_seen
from app.store.reviews import EVERYBODY
from app.tables import Interaction, ReviewItem, ReviewQueue, ReviewTurn

LEASE = timedelta(minutes=15)
REPEAT_AFTER = timedelta(days=7)
HISTORY = 50
FINISHED = ("stored", "asked")


def claim_turn(
    session: Session, queue_id: int, *, reviewer: str, now: datetime
) -> ReviewTurn | None:
    """The turn this reviewer holds, else one at the next free item; None when none is free.

    Nobody gets an item twice, but for those drawn to be asked again a week later, and in a blind
    queue nobody gets one on which they saw the verdicts elsewhere.
    """
    exclude_others(session, f"queue {queue_id}")
    held = _held_by(session, queue_id, reviewer, now)
    if held is None:
        item, occasion = _next_item(session, queue_id, reviewer, now)
        if item is None or item.id is None:
            return None
        held = turn_of(session, item.id, reviewer=reviewer, occasion=occasion)
        held = held or ReviewTurn(
            queue_id=queue_id,
            item_id=item.id,
            reviewer=reviewer,
            occasion=occasion,
            until_at=now,
            started_at=now,
        )
    held.until_at = now + LEASE
    session.add(held)
    session.flush()
    return held


def turn_of(
    session: Session, item_id: int, *, reviewer: str, occasion: int | None = None
) -> ReviewTurn | None:
    """The newest turn of a reviewer at an item, or that of an occasion."""
    query = select(ReviewTurn).where(ReviewTurn.item_id == item_id, ReviewTurn.reviewer == reviewer)
    if occasion is not None:
        query = query.where(ReviewTurn.occasion == occasion)
    return session.exec(query.order_by(col(ReviewTurn.occasion).desc())).first()


def renew_turn(session: Session, turn: ReviewTurn, *, now: datetime) -> bool:
    """Whether the turn is held for another lease; not when it ended and others took the item."""
    exclude_others(session, f"queue {turn.queue_id}")
    item = session.get_one(ReviewItem, turn.item_id)
    is_live = turn.until_at > now or _is_open(session, item, turn, now)
    if turn.status != "held" or not is_live:
        return False
    turn.until_at = now + LEASE
    session.add(turn)
    return True


def release_turn(session: Session, turn: ReviewTurn, *, until_at: datetime, now: datetime) -> None:
    """Give the item back, unless it was claimed or renewed since the caller last looked."""
    if turn.status == "held" and turn.until_at == until_at:
        turn.until_at = now
        session.add(turn)


def keep_draft(session: Session, turn: ReviewTurn, fields: Mapping[str, object]) -> None:
    """Keep the form as it stands while the turn is held."""
    if turn.status == "held":
        turn.draft = dict(fields)
        session.add(turn)


def finish_turn(
    session: Session,
    item: ReviewItem,
    *,
    reviewer: str,
    status: str,
    now: datetime,
    key: str | None = None,
    reason: str | None = None,
    seconds: float | None = None,
) -> ReviewTurn:
    """The reviewer's turn, stored, skipped or asked; whoever holds the item by now."""
    assert item.id is not None
    exclude_others(session, f"queue {item.queue_id}")
    turn = turn_of(session, item.id, reviewer=reviewer) or ReviewTurn(
        queue_id=item.queue_id, item_id=item.id, reviewer=reviewer, until_at=now, started_at=now
    )
    is_late = turn.until_at <= now and turn.occasion == 1 and item.need != EVERYBODY
    turn.is_extra = is_late and _others(session, item, turn, now) >= item.need
    turn.status, turn.finished_at, turn.key = status, now, key
    turn.reason, turn.seconds, turn.draft = reason, seconds, {}
    session.add(turn)
    session.flush()
    settle_item(session, item, now=now)
    return turn


def reopen_turn(
    session: Session, turn: ReviewTurn, draft: Mapping[str, object], *, now: datetime
) -> None:
    """Hold a finished turn again with its answers as a draft; another that is held is let go.

    Raises Conflict when the words it is about were erased.
    """
    exclude_others(session, f"queue {turn.queue_id}")
    item = session.get_one(ReviewItem, turn.item_id)
    if session.get_one(Interaction, item.interaction_id).erased_at is not None:
        raise Conflict("the words of this answer were erased, so its labels stay as they are")
    held = _held_by(session, turn.queue_id, turn.reviewer, now)
    if held is not None:
        held.until_at = now
        session.add(held)
    turn.status, turn.until_at, turn.draft = "held", now + LEASE, dict(draft)
    turn.finished_at, turn.is_extra = None, False
    session.add(turn)
    session.flush()
    settle_item(session, item, now=now)


def settle_item(session: Session, item: ReviewItem, *, now: datetime) -> None:
    """Mark the item as done when as many have finished as it needs, else as open."""
    finished = select(func.count()).where(
        ReviewTurn.item_id == item.id,
        ReviewTurn.occasion == 1,
        col(ReviewTurn.status).in_(FINISHED),
    )
    n, asked = session.exec(finished).one(), _was_asked(session, item)
    is_done = item.need != EVERYBODY and (n >= item.need or asked)
    item.done_at = (item.done_at or now) if is_done else None
    session.add(item)
    session.flush()


def take_back_skipped(session: Session, queue_id: int, *, reviewer: str) -> None:
    """Let this reviewer have the items again that they skipped; that they saw them stays known."""
    again = {
        "status": "held",
        "until_at": col(ReviewTurn.started_at),
        "finished_at": None,
        "reason": None,
    }
    skipped = update(ReviewTurn).where(
        col(ReviewTurn.queue_id) == queue_id,
        col(ReviewTurn.reviewer) == reviewer,
        col(ReviewTurn.status) == "skipped",
    )
    session.execute(skipped.values(again))


def history(
    session: Session, queue_id: int, *, reviewer: str, limit: int = HISTORY
) -> list[ReviewTurn]:
    """The last turns that this reviewer finished in a queue, newest first."""
    query = select(ReviewTurn).where(
        ReviewTurn.queue_id == queue_id,
        ReviewTurn.reviewer == reviewer,
        col(ReviewTurn.status) != "held",
    )
    newest_first = (col(ReviewTurn.finished_at).desc(), col(ReviewTurn.id).desc())
    return list(session.exec(query.order_by(*newest_first).limit(limit)))


def _held_by(session: Session, queue_id: int, reviewer: str, now: datetime) -> ReviewTurn | None:
    query = select(ReviewTurn).where(
        ReviewTurn.queue_id == queue_id,
        ReviewTurn.reviewer == reviewer,
        ReviewTurn.status == "held",
        col(ReviewTurn.until_at) > now,
    )
    return session.exec(query.order_by(col(ReviewTurn.until_at).desc())).first()


def _next_item(
    session: Session, queue_id: int, reviewer: str, now: datetime
) -> tuple[ReviewItem | None, int]:
    """The next item and the occasion: 2 for one that is due to be asked again, else 1."""
    queue = session.get_one(ReviewQueue, queue_id)
    items = select(ReviewItem).where(ReviewItem.queue_id == queue_id, ~was_seen(queue, reviewer))
    items = items.order_by(col(ReviewItem.position)).limit(1)
    due = session.exec(items.where(col(ReviewItem.repeats), *_is_due(reviewer, now))).first()
    if due is not None:
        return due, 2
    free = items.where(col(ReviewItem.done_at).is_(None), _is_free(reviewer, now))
    return session.exec(free).first(), 1


def _turns(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(col(ReviewTurn.item_id) == col(ReviewItem.id), *conditions)


def _is_free(reviewer: str, now: datetime) -> ColumnElement[bool]:
    had_turn = _turns(col(ReviewTurn.reviewer) == reviewer, col(ReviewTurn.status) != "held")
    others = (
        select_columns(func.count())
        .select_from(ReviewTurn)
        .where(col(ReviewTurn.item_id) == col(ReviewItem.id), *_taken(reviewer, now))
        .scalar_subquery()
    )
    wanted = or_(col(ReviewItem.need) == EVERYBODY, others < col(ReviewItem.need))
    return and_(~had_turn, wanted)


def _taken(reviewer: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        col(ReviewTurn.reviewer) != reviewer,
        col(ReviewTurn.occasion) == 1,
        or_(
            col(ReviewTurn.status).in_(FINISHED),
            and_(col(ReviewTurn.status) == "held", col(ReviewTurn.until_at) > now),
        ),
    )


def _is_due(reviewer: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    mine = col(ReviewTurn.reviewer) == reviewer
    first = _turns(
        mine,
        col(ReviewTurn.occasion) == 1,
        col(ReviewTurn.status) == "stored",
        col(ReviewTurn.finished_at) <= now - REPEAT_AFTER,
    )
    second = _turns(mine, col(ReviewTurn.occasion) == 2, col(ReviewTurn.status) != "held")
    return first, ~second


def _is_open(session: Session, item: ReviewItem, turn: ReviewTurn, now: datetime) -> bool:
    if item.need == EVERYBODY or turn.occasion == 2:
        return True
    taken = _taken(turn.reviewer, now)
    query = select(func.count()).where(ReviewTurn.item_id == item.id, *taken)
    return session.exec(query).one() < item.need


def _others(session: Session, item: ReviewItem, turn: ReviewTurn, now: datetime) -> int:
    """How many others have finished the item."""
    query = select(func.count()).where(
        ReviewTurn.item_id == item.id,
        ReviewTurn.reviewer != turn.reviewer,
        ReviewTurn.occasion == 1,
        col(ReviewTurn.status).in_(FINISHED),
    )
    return session.exec(query).one()


def _was_asked(session: Session, item: ReviewItem) -> bool:
    query = select(ReviewTurn.id).where(ReviewTurn.item_id == item.id, ReviewTurn.status == "asked")
    return session.exec(query).first() is not None
