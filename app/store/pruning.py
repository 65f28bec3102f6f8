"""What is old goes: raw spans first, then interactions nobody labelled. Counts and labels stay.

Ages are counted from when something arrived. Rollups and reports are kept, so that trends and
reports of the past stay as they were; an interaction that a person labelled, or that lies in a
review queue, is kept with its verdicts, because the labels mean nothing without the words. Single
traces are forgotten for good in `store/erasing.py`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, exists, func, tuple_
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from app.database import exclude_others
from app.store.erased import drop_expired, remember_erased
from app.store.search import forget_words
from app.tables import (
    Annotation,
    Evaluation,
    Feedback,
    Interaction,
    LogEntry,
    ReviewItem,
    SpanChunk,
    SpanEntry,
    Trace,
)

LATE_RETRIES = timedelta(days=30)
"""Longer than any exporter or collector keeps what it could not send."""


def count_traces(session: Session, project: str, before: datetime) -> int:
    """How many traces got their last span before that time."""
    return session.scalar(select_columns(func.count()).where(*_old_traces(project, before))) or 0


def count_interactions(session: Session, project: str, before: datetime) -> int:
    """How many interactions arrived before that time and were never given to a person."""
    query = select_columns(func.count()).where(*_old_interactions(project, before))
    return session.scalar(query) or 0


def prune_traces(
    session: Session, project: str, before: datetime, *, limit: int, now: datetime
) -> int:
    """Forget the spans and log records of up to `limit` old traces; how many traces that were.

    The trace goes as well, so that it is not assembled anew from nothing; a span that is sent again
    is not taken in for a while.
    """
    query = select(Trace.trace_id).where(*_old_traces(project, before))
    ids = list(session.exec(query.order_by(col(Trace.last_seen_at)).limit(limit)))
    drop_telemetry(session, project, ids)
    drop_expired(session, now)
    remember_erased(session, project, ids, until_at=now + LATE_RETRIES)
    return len(ids)


def prune_interactions(session: Session, project: str, before: datetime, *, limit: int) -> int:
    """Forget up to `limit` old interactions that nobody labelled; how many that were."""
    exclude_others(session, "interactions")
    columns = select(Interaction.id, Interaction.trace_id)
    old = columns.where(*_old_interactions(project, before))
    rows = session.exec(old.order_by(col(Interaction.received_at)).limit(limit)).all()
    ids, traces = [row[0] for row in rows], sorted({row[1] for row in rows})
    drop_interactions_of(session, ids)
    _prune_feedback(session, project, traces)
    return len(ids)


def drop_telemetry(session: Session, project: str, trace_ids: Sequence[str]) -> None:
    """Forget the spans and log records of these traces, and the traces."""
    for table in (SpanEntry, SpanChunk, LogEntry, Trace):
        place = tuple_(col(table.project), col(table.trace_id))
        session.execute(delete(table).where(place.in_([(project, one) for one in trace_ids])))


def drop_interactions_of(session: Session, ids: Sequence[str]) -> None:
    """Forget interactions that nobody was given, with their verdicts."""
    forget_words(session, ids)
    session.execute(delete(Evaluation).where(col(Evaluation.interaction_id).in_(ids)))
    session.execute(delete(Interaction).where(col(Interaction.id).in_(ids)))


def _old_traces(project: str, before: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Trace.project) == project,
        col(Trace.last_seen_at) < before,
        col(Trace.pending_since_at).is_(None),
    )


def _old_interactions(project: str, before: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Interaction.project) == project,
        col(Interaction.received_at) < before,
        *_given_to_nobody(),
    )


def _given_to_nobody() -> tuple[ColumnElement[bool], ...]:
    own = col(Interaction.id)
    return (
        ~exists().where(col(Annotation.interaction_id) == own),
        ~exists().where(col(ReviewItem.interaction_id) == own),
    )


def _prune_feedback(session: Session, project: str, traces: Sequence[str]) -> None:
    """Forget the feedback on traces of which no interaction is left."""
    left = select(Interaction.trace_id).where(
        Interaction.project == project, col(Interaction.trace_id).in_(traces)
    )
    session.execute(
        delete(Feedback).where(
            col(Feedback.project) == project,
            col(Feedback.trace_id).in_(traces),
            col(Feedback.trace_id).not_in(left),
        )
    )
