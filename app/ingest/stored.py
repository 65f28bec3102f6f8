"""What is stored of a trace, read again: its spans and log records as they arrived."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from sqlmodel import Session

from app.ingest.chunks import spans_of_chunk
from app.ingest.otlp_protobuf import logs_in, parse
from app.ingest.telemetry import LogRecord, Span
from app.packing import unpack
from app.store.spans import (
    chunks_holding,
    chunks_of,
    entries_of,
    logs_of_spans,
    logs_stored,
    some_entries,
)
from app.tables import LogEntry, SpanChunk, SpanEntry

TraceKey: TypeAlias = tuple[str, str]
"""Project and trace id."""


@dataclass(slots=True)
class Telemetry:
    """All that came for one trace."""

    spans: list[Span] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)


def telemetry_of(session: Session, keys: Sequence[TraceKey]) -> dict[TraceKey, Telemetry]:
    """Spans by their start and log records by their time, for each of the traces."""
    found = {key: Telemetry() for key in keys}
    kept = {
        (one.project, one.trace_id, one.span_id): one.chunk for one in entries_of(session, keys)
    }
    for chunk in chunks_of(session, keys):
        found[chunk.project, chunk.trace_id].spans += _kept_spans(chunk, kept)
    for entry in logs_stored(session, keys):
        found[entry.project, entry.trace_id].logs += _log_records(entry)
    for one in found.values():
        one.spans.sort(key=lambda span: (span.start_ns, span.span_id))
        one.logs.sort(key=lambda log: log.time_ns)
    return found


def spans_of(session: Session, project: str, trace_id: str) -> list[Span]:
    """The spans of a trace in the order of their start."""
    return telemetry_of(session, [(project, trace_id)])[project, trace_id].spans


def some_spans(
    session: Session, project: str, trace_id: str, *, start: int, limit: int
) -> list[Span]:
    """Up to `limit` spans of a trace from position `start` on; unpacks only what holds them."""
    entries = some_entries(session, project, trace_id, start=start, limit=limit)
    return sorted(_unpacked(session, entries), key=lambda span: (span.start_ns, span.span_id))


def one_span(session: Session, project: str, trace_id: str, span_id: str) -> Span | None:
    """The span of that id, or None where it is not kept."""
    entry = session.get(SpanEntry, (project, trace_id, span_id))
    return next(iter(_unpacked(session, [entry])), None) if entry is not None else None


def part_of(session: Session, project: str, trace_id: str, *, start: int, limit: int) -> Telemetry:
    """Up to `limit` spans of a trace from position `start` on, and the log records of those."""
    spans = some_spans(session, project, trace_id, start=start, limit=limit)
    ids = [span.span_id for span in spans]
    entries = logs_of_spans(session, project, trace_id, ids)
    logs = [log for entry in entries for log in _log_records(entry)]
    return Telemetry(spans, sorted(logs, key=lambda log: log.time_ns))


def logs_of(session: Session, project: str, trace_id: str) -> list[LogRecord]:
    """The log records of a trace in the order of their time."""
    return telemetry_of(session, [(project, trace_id)])[project, trace_id].logs


def _unpacked(session: Session, entries: Sequence[SpanEntry]) -> list[Span]:
    kept = {(one.project, one.trace_id, one.span_id): one.chunk for one in entries}
    chunks = chunks_holding(session, entries)
    return [span for chunk in chunks for span in _kept_spans(chunk, kept)]


def _kept_spans(chunk: SpanChunk, kept: dict[tuple[str, str, str], bytes]) -> list[Span]:
    spans = spans_of_chunk(chunk, chunk.project, chunk.received_at)
    return [
        span
        for span in spans
        if kept.get((chunk.project, chunk.trace_id, span.span_id)) == chunk.digest
    ]


def _log_records(entry: LogEntry) -> list[LogRecord]:
    request = parse(ExportLogsServiceRequest, unpack(entry.content))
    return list(logs_in(request, project=entry.project, received_at=entry.received_at))
