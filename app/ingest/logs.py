"""Decode OTLP/HTTP logs into rows: some instrumentations send the words apart from their span."""

from collections.abc import Iterator
from datetime import datetime

from app.ingest import otlp_json, otlp_protobuf
from app.ingest.otlp import Decoded, Encoding, encoding_of, valid_span_id, valid_trace_id
from app.ingest.values import clean_ns, clean_text, clean_value, content_hash
from app.tables import LogRecord, SpanRow


def decode_logs(
    body: bytes, content_type: str | None, *, project: str, now: datetime
) -> Decoded[LogRecord]:
    """The log records of spans as rows; records of no span are counted and left out."""
    rows: dict[tuple[str, str, str], LogRecord] = {}
    unassociated = 0
    for columns in _read_logs(body, encoding_of(content_type)):
        if valid_trace_id(columns["trace_id"]) and valid_span_id(columns["span_id"]):
            record = _record(columns, project=project, now=now)
            rows[record.trace_id, record.span_id, record.content_hash] = record
        else:
            unassociated += 1
    return Decoded(list(rows.values()), unassociated=unassociated)


def _read_logs(body: bytes, encoding: Encoding) -> Iterator[SpanRow]:
    return otlp_json.read_logs(body) if encoding == "json" else otlp_protobuf.read_logs(body)


def _record(columns: SpanRow, *, project: str, now: datetime) -> LogRecord:
    attributes = clean_value(columns["attributes"])
    # Clients older than OTLP's own field put the name into an attribute.
    event_name = clean_text(columns["event_name"]) or attributes.get("event.name")
    clean: SpanRow = {
        "trace_id": columns["trace_id"].lower(),
        "span_id": columns["span_id"].lower(),
        "event_name": event_name if isinstance(event_name, str) else "",
        "time_ns": clean_ns(columns["time_ns"]),
        "body": clean_value(columns["body"]),
        "attributes": attributes,
        "resource": clean_value(columns["resource"]),
    }
    return LogRecord(project=project, received_at=now, content_hash=content_hash(clean), **clean)
