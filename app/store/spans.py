"""Spans and log records as they arrived, and which traces wait to be assembled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import case, delete, func, or_, tuple_, update
from sqlmodel import Session, col, select

from app.database import insert_new, upsert
from app.store.erased import erased_among, let_nothing_be_erased
from app.tables import LogEntry, SpanChunk, SpanEntry, Trace

KEYS_PER_QUERY = 300
NOT_ASSEMBLED: dict[str, object] = {
    **{"span_count": 0, "unmapped_count": 0, "interaction_count": 0},
    **{"extractor": "", "tallied_as": ""},
}
Row = TypeVar("Row", SpanEntry, SpanChunk, LogEntry)


@dataclass(frozen=True, slots=True)
class Stored:
    """How many rows were new or fuller, were there already, or are of traces that were erased."""

    stored: int
    duplicate: int
    erased: int = 0

    def __add__(self, other: "Stored") -> "Stored":
        return Stored(
            self.stored + other.stored,
            self.duplicate + other.duplicate,
            self.erased + other.erased,
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A span of a chunk: its id, and how full this copy of it is."""

    span_id: str
    start_ns: int
    end_ns: int
    detail: int
    content_hash: bytes

    @property
    def fullness(self) -> tuple[int, int]:
        return self.end_ns, self.detail


@dataclass(frozen=True, slots=True)
class Chunk:
    """Spans of one trace that came together, packed; `received` counts repeated ones too."""

    project: str
    trace_id: str
    application: str
    digest: bytes
    content: bytes
    entries: list[Entry]
    received: int


@dataclass(frozen=True, slots=True)
class Log:
    """A log record of a span, packed."""

    project: str
    trace_id: str
    span_id: str
    application: str
    content_hash: bytes
    content: bytes


Arrival = TypeVar("Arrival", Chunk, Log)


def store_spans(session: Session, chunks: Sequence[Chunk], *, now: datetime) -> Stored:
    """Keep every span, of two copies the fuller; traces that changed wait to be assembled anew.

    Spans of traces that were erased are counted and left out.
    """
    chunks, gone = _without_erased(session, chunks)
    rows = [_entry_row(chunk, entry) for chunk in chunks for entry in chunk.entries]
    stored = insert_new(session, SpanEntry, rows)
    fresh = list(chunks)
    if stored < len(rows):
        fuller, fresh = _settle(session, chunks, any_new=stored > 0)
        stored += fuller
    contents = [
        {
            "project": one.project,
            "trace_id": one.trace_id,
            "digest": one.digest,
            "content": one.content,
            "received_at": now,
        }
        for one in fresh
    ]
    insert_new(session, SpanChunk, contents)
    _mark_pending(session, fresh, now)
    received = sum(chunk.received for chunk in chunks)
    erased = sum(chunk.received for chunk in gone)
    return Stored(stored=stored, duplicate=received - stored, erased=erased)


def store_logs(session: Session, logs: Sequence[Log], *, now: datetime) -> Stored:
    """Keep every log record once; traces that got a new one wait to be assembled anew.

    Records of traces that were erased are counted and left out.
    """
    logs, gone = _without_erased(session, logs)
    rows = [
        {
            "project": log.project,
            "trace_id": log.trace_id,
            "span_id": log.span_id,
            "content_hash": log.content_hash,
            "content": log.content,
            "received_at": now,
        }
        for log in logs
    ]
    stored = insert_new(session, LogEntry, rows)
    if stored:
        _mark_pending(session, logs, now)
    return Stored(stored=stored, duplicate=len(logs) - stored, erased=len(gone))


def entries_of(session: Session, keys: Sequence[tuple[str, str]]) -> list[SpanEntry]:
    """What is known of each span of these traces."""
    return _rows_of(session, SpanEntry, keys)


def count_spans(session: Session, project: str, trace_id: str) -> int:
    """How many spans of the trace are kept."""
    mine = (SpanEntry.project == project, SpanEntry.trace_id == trace_id)
    return session.exec(select(func.count()).select_from(SpanEntry).where(*mine)).one()


def some_entries(
    session: Session, project: str, trace_id: str, *, start: int, limit: int
) -> list[SpanEntry]:
    """Up to `limit` spans of the trace, from position `start` on in the order of their start."""
    query = select(SpanEntry).where(SpanEntry.project == project, SpanEntry.trace_id == trace_id)
    in_order = query.order_by(col(SpanEntry.start_ns), col(SpanEntry.span_id))
    return list(session.exec(in_order.offset(start).limit(limit)))


def chunks_holding(session: Session, entries: Sequence[SpanEntry]) -> list[SpanChunk]:
    """The chunks that hold these spans, which are all of one trace."""
    if not entries:
        return []
    query = select(SpanChunk).where(
        SpanChunk.project == entries[0].project,
        SpanChunk.trace_id == entries[0].trace_id,
        col(SpanChunk.digest).in_({one.chunk for one in entries}),
    )
    return list(session.exec(query))


def chunks_of(session: Session, keys: Sequence[tuple[str, str]]) -> list[SpanChunk]:
    """The chunks of these traces."""
    return _rows_of(session, SpanChunk, keys)


def logs_stored(session: Session, keys: Sequence[tuple[str, str]]) -> list[LogEntry]:
    """The log records of these traces, still packed."""
    return _rows_of(session, LogEntry, keys)


def logs_of_spans(
    session: Session, project: str, trace_id: str, span_ids: Sequence[str]
) -> list[LogEntry]:
    """The log records of these spans of a trace, still packed."""
    mine = (LogEntry.project == project, LogEntry.trace_id == trace_id)
    query = select(LogEntry).where(*mine, col(LogEntry.span_id).in_(span_ids))
    return list(session.exec(query))


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


def still_there(session: Session, traces: Sequence[Trace]) -> set[tuple[str, str]]:
    """Those of the traces, each a project and an id, that nobody can erase before this ends."""
    keys = [(trace.project, trace.trace_id) for trace in traces]
    columns = tuple_(col(Trace.project), col(Trace.trace_id))
    query = select(Trace.project, Trace.trace_id).where(columns.in_(keys))
    held = query.order_by(col(Trace.project), col(Trace.trace_id)).with_for_update()
    return {(project, trace_id) for project, trace_id in session.exec(held)}


def mark_assembled(session: Session, traces: Sequence[Trace], **also: object) -> None:
    """These traces wait no more, unless a span came meanwhile; `also` names columns to set."""
    for trace in traces:
        same = (Trace.project == trace.project, Trace.trace_id == trace.trace_id)
        seen = Trace.last_seen_at == trace.last_seen_at
        statement = update(Trace).where(*same, seen)  # type: ignore[arg-type]
        session.execute(
            statement.values(pending_since_at=None, **also),
            execution_options={"synchronize_session": False},
        )


def _without_erased(
    session: Session, rows: Sequence[Arrival]
) -> tuple[Sequence[Arrival], Sequence[Arrival]]:
    """The rows whose traces may be kept, and those whose traces were erased."""
    let_nothing_be_erased(session)
    erased = erased_among(session, ((row.project, row.trace_id) for row in rows))
    if not erased:
        return rows, ()
    kept = [row for row in rows if (row.project, row.trace_id) not in erased]
    return kept, [row for row in rows if (row.project, row.trace_id) in erased]


def _entry_row(chunk: Chunk, entry: Entry) -> dict[str, object]:
    return {
        "project": chunk.project,
        "trace_id": chunk.trace_id,
        "span_id": entry.span_id,
        "start_ns": entry.start_ns,
        "end_ns": entry.end_ns,
        "detail": entry.detail,
        "content_hash": entry.content_hash,
        "chunk": chunk.digest,
        "conflicts": 0,
    }


def _settle(session: Session, chunks: Sequence[Chunk], *, any_new: bool) -> tuple[int, list[Chunk]]:
    """Decide for each span that was there already; how many were fuller, and the chunks in use."""
    known = _known_entries(session, chunks)
    fuller: list[SpanEntry] = []
    fresh: list[Chunk] = []
    for chunk in chunks:
        mine = any(one.chunk == chunk.digest for one in map(known.get, _keys(chunk)) if one)
        better = _keep_fuller(chunk, known)
        fuller += better
        if better or (any_new and mine):
            fresh.append(chunk)
    session.flush()
    _drop_unused_chunks(session, fuller)
    return len(fuller), fresh


def _keep_fuller(chunk: Chunk, known: dict[tuple[str, str, str], SpanEntry]) -> list[SpanEntry]:
    """Let the stored entries point to this chunk where its copy is fuller; count what conflicts."""
    fuller = []
    for entry, key in zip(chunk.entries, _keys(chunk), strict=True):
        row = known.get(key)
        if row is None or row.content_hash == entry.content_hash:
            continue
        if entry.fullness <= (row.end_ns, row.detail):
            row.conflicts += 1
            continue
        for name in ("start_ns", "end_ns", "detail", "content_hash"):
            setattr(row, name, getattr(entry, name))
        row.chunk = chunk.digest
        fuller.append(row)
    return fuller


def _keys(chunk: Chunk) -> list[tuple[str, str, str]]:
    return [(chunk.project, chunk.trace_id, entry.span_id) for entry in chunk.entries]


def _known_entries(
    session: Session, chunks: Sequence[Chunk]
) -> dict[tuple[str, str, str], SpanEntry]:
    keys = [key for chunk in chunks for key in _keys(chunk)]
    columns = tuple_(col(SpanEntry.project), col(SpanEntry.trace_id), col(SpanEntry.span_id))
    known: dict[tuple[str, str, str], SpanEntry] = {}
    for start in range(0, len(keys), KEYS_PER_QUERY):
        wanted = keys[start : start + KEYS_PER_QUERY]
        query = select(SpanEntry).where(columns.in_(wanted)).with_for_update()
        for row in session.exec(query):
            known[row.project, row.trace_id, row.span_id] = row
    return known


def _drop_unused_chunks(session: Session, replaced: Sequence[SpanEntry]) -> None:
    """Forget the chunks that no span of these traces points to any more."""
    for project, trace_id in {(row.project, row.trace_id) for row in replaced}:
        mine = (SpanEntry.project == project, SpanEntry.trace_id == trace_id)
        used = select(SpanEntry.chunk).where(*mine)
        statement = delete(SpanChunk).where(
            col(SpanChunk.project) == project,
            col(SpanChunk.trace_id) == trace_id,
            col(SpanChunk.digest).not_in(used),
        )
        session.execute(statement, execution_options={"synchronize_session": False})


def _rows_of(session: Session, table: type[Row], keys: Sequence[tuple[str, str]]) -> list[Row]:
    """All rows of these traces, a query for each project and some hundred traces."""
    by_project: dict[str, list[str]] = {}
    for project, trace_id in keys:
        by_project.setdefault(project, []).append(trace_id)
    rows: list[Row] = []
    for project, trace_ids in by_project.items():
        for start in range(0, len(trace_ids), KEYS_PER_QUERY):
            wanted = trace_ids[start : start + KEYS_PER_QUERY]
            query = select(table).where(table.project == project)
            rows += session.exec(query.where(col(table.trace_id).in_(wanted)))
    return rows


def _mark_pending(session: Session, rows: Sequence[Chunk | Log], now: datetime) -> None:
    traces: dict[tuple[str, str], dict[str, object]] = {}
    for row in rows:
        trace = traces.setdefault(
            (row.project, row.trace_id),
            {
                "project": row.project,
                "trace_id": row.trace_id,
                "application": row.application,
                "first_seen_at": now,
                "last_seen_at": now,
                "pending_since_at": now,
                **NOT_ASSEMBLED,
            },
        )
        trace["application"] = trace["application"] or row.application
    upsert(
        session,
        Trace,
        [traces[key] for key in sorted(traces)],
        keys=("project", "trace_id"),
        update={
            "application": lambda old, new: case((old == "", new), else_=old),
            "last_seen_at": lambda old, new: new,
            "pending_since_at": lambda old, new: func.coalesce(old, new),
        },
    )
