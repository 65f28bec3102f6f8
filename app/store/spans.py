"""Spans and log records as they arrived, and which traces wait to be assembled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, or_, tuple_, update
from sqlmodel import Session, col, select

from app.database import upsert
from app.tables import LogRecord, Span, Trace

KEYS_PER_QUERY = 300


@dataclass(frozen=True, slots=True)
class Stored:
    """How many of the rows were new or fuller, and how many were there already."""

    stored: int
    duplicate: int


def store_spans(session: Session, spans: Sequence[Span], *, now: datetime) -> Stored:
    """Keep every span, of two copies the fuller; traces that changed wait to be assembled anew."""
    newest = _fullest(spans)
    known = _known_spans(session, list(newest))
    fresh = [span for key, span in newest.items() if _is_news(span, known.get(key))]
    upsert(
        session,
        Span,
        [span.model_dump() for span in fresh],
        keys=("project", "trace_id", "span_id"),
        update=[name for name in Span.model_fields if name not in SPAN_KEY],
    )
    _mark_pending(session, fresh, now)
    return Stored(stored=len(fresh), duplicate=len(spans) - len(fresh))


def store_logs(session: Session, logs: Sequence[LogRecord], *, now: datetime) -> Stored:
    """Keep every log record once; traces that got a new one wait to be assembled anew."""
    distinct = {_log_key(log): log for log in logs}
    known = _known_logs(session, list(distinct))
    fresh = [log for key, log in distinct.items() if key not in known]
    upsert(
        session,
        LogRecord,
        [log.model_dump() for log in fresh],
        keys=("project", "trace_id", "span_id", "content_hash"),
        update=(),
    )
    _mark_pending(session, fresh, now)
    return Stored(stored=len(fresh), duplicate=len(logs) - len(fresh))


def spans_of(session: Session, project: str, trace_id: str) -> list[Span]:
    """The spans of a trace in the order of their start."""
    query = select(Span).where(Span.project == project, Span.trace_id == trace_id)
    return list(session.exec(query.order_by(col(Span.start_ns), col(Span.span_id))))


def logs_of(session: Session, project: str, trace_id: str) -> list[LogRecord]:
    """The log records of a trace in the order of their time."""
    query = select(LogRecord).where(LogRecord.project == project, LogRecord.trace_id == trace_id)
    return list(session.exec(query.order_by(col(LogRecord.time_ns), col(LogRecord.content_hash))))


def due_traces(
    session: Session,
    *,
    now: datetime,
    quiet_seconds: float,
    max_age_seconds: float,
    limit: int,
) -> list[Trace]:
    """The traces that have been quiet for long enough, or waited for too long, oldest first."""
    query = (
        select(Trace)
        .where(col(Trace.pending_since_at).is_not(None))
        .where(
            or_(
                col(Trace.last_seen_at) <= now - timedelta(seconds=quiet_seconds),
                col(Trace.pending_since_at) <= now - timedelta(seconds=max_age_seconds),
            )
        )
        .order_by(col(Trace.pending_since_at))
        .limit(limit)
    )
    return list(session.exec(query))


def mark_assembled(session: Session, traces: Sequence[Trace]) -> None:
    """These traces wait no more, unless a span came meanwhile."""
    for trace in traces:
        same = (Trace.project == trace.project, Trace.trace_id == trace.trace_id)
        seen = Trace.last_seen_at == trace.last_seen_at
        statement = update(Trace).where(*same, seen)  # type: ignore[arg-type]
        session.execute(
            statement.values(pending_since_at=None),
            execution_options={"synchronize_session": False},
        )


SPAN_KEY = ("project", "trace_id", "span_id")
SpanKey = tuple[str, str, str]
LogKey = tuple[str, str, str, str]


def _span_key(span: Span) -> SpanKey:
    return (span.project, span.trace_id, span.span_id)


def _log_key(log: LogRecord) -> LogKey:
    return (log.project, log.trace_id, log.span_id, log.content_hash)


def _fullness(span: Span) -> tuple[int, int, int]:
    return (span.end_ns, len(span.attributes), len(span.events))


def _fullest(spans: Sequence[Span]) -> dict[SpanKey, Span]:
    fullest: dict[SpanKey, Span] = {}
    for span in spans:
        key = _span_key(span)
        if key not in fullest or _fullness(span) > _fullness(fullest[key]):
            fullest[key] = span
    return fullest


def _known_spans(session: Session, keys: Sequence[SpanKey]) -> dict[SpanKey, Span]:
    known: dict[SpanKey, Span] = {}
    for start in range(0, len(keys), KEYS_PER_QUERY):
        wanted = keys[start : start + KEYS_PER_QUERY]
        columns = tuple_(col(Span.project), col(Span.trace_id), col(Span.span_id))
        for span in session.exec(select(Span).where(columns.in_(wanted))):
            known[_span_key(span)] = span
            session.expunge(span)
    return known


def _known_logs(session: Session, keys: Sequence[LogKey]) -> set[LogKey]:
    columns = (LogRecord.project, LogRecord.trace_id, LogRecord.span_id, LogRecord.content_hash)
    key_columns = tuple_(*(col(column) for column in columns))
    known: set[LogKey] = set()
    for start in range(0, len(keys), KEYS_PER_QUERY):
        wanted = keys[start : start + KEYS_PER_QUERY]
        known.update(session.exec(select(*columns).where(key_columns.in_(wanted))))
    return known


def _is_news(span: Span, known: Span | None) -> bool:
    if known is None:
        return True
    return span.content_hash != known.content_hash and _fullness(span) > _fullness(known)


def _mark_pending(session: Session, rows: Sequence[Span | LogRecord], now: datetime) -> None:
    traces: dict[tuple[str, str], dict[str, object]] = {}
    for row in rows:
        application = str(row.resource.get("service.name") or "")
        trace = traces.setdefault(
            (row.project, row.trace_id),
            {
                "project": row.project,
                "trace_id": row.trace_id,
                "application": application,
                "first_seen_at": now,
                "last_seen_at": now,
                "pending_since_at": now,
            },
        )
        trace["application"] = trace["application"] or application
    upsert(
        session,
        Trace,
        list(traces.values()),
        keys=("project", "trace_id"),
        update={
            "application": lambda old, new: case((old == "", new), else_=old),
            "last_seen_at": lambda old, new: new,
            "pending_since_at": lambda old, new: func.coalesce(old, new),
        },
    )
