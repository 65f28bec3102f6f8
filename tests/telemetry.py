"""Spans for tests on their way to the disk and back: written as OTLP, read from chunks."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from sqlmodel import Session

from app.ingest.chunks import spans_of_chunk
from app.ingest.otlp import Decoded, decode_traces
from app.ingest.otlp_protobuf import logs_in
from app.ingest.telemetry import LogRecord, Span
from app.packing import unpack
from app.store.spans import Chunk, Log, Stored, store_spans
from tests.builders import WEDNESDAY


def request_of(spans: Sequence[Span]) -> ExportTraceServiceRequest:
    """The OTLP request that sends these spans."""
    request = ExportTraceServiceRequest()
    for span in spans:
        around = request.resource_spans.add()
        around.resource.attributes.extend(pairs(span.resource))
        added = around.scope_spans.add().spans.add(
            trace_id=bytes.fromhex(span.trace_id),
            span_id=bytes.fromhex(span.span_id),
            parent_span_id=bytes.fromhex(span.parent_span_id or ""),
            name=span.name,
            start_time_unix_nano=span.start_ns,
            end_time_unix_nano=span.end_ns,
            attributes=pairs(span.attributes),
        )
        for event in span.events:
            added.events.add(name=event["name"], attributes=pairs(event.get("attributes", {})))
    return request


def pairs(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def any_value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=pairs(value)))
    return AnyValue(string_value=value)


def chunks_with(spans: Sequence[Span]) -> list[Chunk]:
    """The chunks that these spans arrive in, each project's together."""
    chunks = []
    for project, members in groupby(spans, key=lambda span: span.project):
        body = request_of(list(members)).SerializeToString()
        chunks += decode_traces(body, "application/x-protobuf", project=project).rows
    return chunks


def put_spans(session: Session, spans: Sequence[Span], *, now: datetime) -> Stored:
    """Store the spans as if one request had brought them."""
    return store_spans(session, chunks_with(spans), now=now)


def spans_from(decoded: Decoded[Chunk], project: str = "default") -> list[Span]:
    """The spans that were decoded, read back from their chunks."""
    return [span for chunk in decoded.rows for span in spans_of_chunk(chunk, project, WEDNESDAY)]


def logs_from(decoded: Decoded[Log], project: str = "default") -> list[LogRecord]:
    """The log records that were decoded, read back."""
    return [
        record
        for row in decoded.rows
        for record in logs_in(
            ExportLogsServiceRequest.FromString(unpack(row.content)),
            project=project,
            received_at=WEDNESDAY,
        )
    ]
