"""User feedback: stored once, whether its trace has arrived or not."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from app.database import upsert
from app.store.erased import parted_by_erasure
from app.store.spans import Stored
from app.tables import Feedback

HASHES_PER_QUERY = 500


def add_feedback(session: Session, rows: Sequence[Feedback], *, now: datetime) -> Stored:
    """Store feedback; what is stored already, word for word, counts as a duplicate.

    What is about traces that were erased is counted and left out.
    """
    rows, gone = parted_by_erasure(session, rows)
    new = {row.content_hash: row for row in rows}
    for known in _stored_hashes(session, list(new)):
        del new[known]
    columns = [row.model_dump(exclude={"id"}) | {"received_at": now} for row in new.values()]
    upsert(session, Feedback, columns, keys=["content_hash"], update=[])
    return Stored(stored=len(new), duplicate=len(rows) - len(new), erased=len(gone))


def feedback_of(session: Session, project: str, trace_id: str) -> list[Feedback]:
    """The feedback on a trace, oldest first."""
    query = select(Feedback).where(Feedback.project == project, Feedback.trace_id == trace_id)
    return list(session.exec(query.order_by(col(Feedback.received_at), col(Feedback.id))))


def _stored_hashes(session: Session, hashes: Sequence[str]) -> list[str]:
    stored: list[str] = []
    for start in range(0, len(hashes), HASHES_PER_QUERY):
        wanted = hashes[start : start + HASHES_PER_QUERY]
        query = select(Feedback.content_hash).where(col(Feedback.content_hash).in_(wanted))
        stored += session.exec(query)
    return stored
