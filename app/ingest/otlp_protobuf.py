"""OTLP's protobuf form: bytes to messages, and messages to clean spans and log records."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from app.errors import BadRequest
from app.ingest.repair import repair
from app.ingest.telemetry import LogRecord, Span
from app.ingest.values import MAX_DEPTH, TOO_DEEP, clean_ns, clean_text, clean_value

Request = TypeVar("Request", bound=Message)
DROPPED = ("attributes", "events", "links")


def parse(kind: type[Request], body: bytes) -> Request:
    """The message that the body holds, mended where the library refuses all for one bad value."""
    with suppress(DecodeError):
        return kind.FromString(body)
    try:
        return _mended(kind, body)
    except (DecodeError, BadRequest):
        raise BadRequest(
            f"the body is not a valid {kind.DESCRIPTOR.name}; it is cut off, damaged, or belongs "
            "to another path (traces to /v1/traces, logs to /v1/logs)"
        ) from None


def _mended(kind: type[Request], body: bytes) -> Request:
    descriptor = cast(Descriptor, kind.DESCRIPTOR)
    with suppress(DecodeError):
        return kind.FromString(repair(body, descriptor))
    return kind.FromString(repair(body, descriptor, is_trusting=False))


def spans_in(
    request: ExportTraceServiceRequest, *, project: str, received_at: datetime
) -> Iterator[Span]:
    """The spans of a request, clean: the same bytes give the same spans everywhere."""
    for resource_spans in request.resource_spans:
        resource = clean_value(attributes_of(resource_spans.resource.attributes))
        for scope_spans in resource_spans.scope_spans:
            around = {
                "project": project,
                "received_at": received_at,
                "resource": resource,
                "scope": clean_text(scope_spans.scope.name),
                "scope_version": clean_text(scope_spans.scope.version),
                "schema_url": clean_text(scope_spans.schema_url or resource_spans.schema_url),
            }
            for span in scope_spans.spans:
                yield _span(span, around)


def logs_in(
    request: ExportLogsServiceRequest, *, project: str, received_at: datetime
) -> Iterator[LogRecord]:
    """The log records of a request, clean."""
    for resource_logs in request.resource_logs:
        resource = clean_value(attributes_of(resource_logs.resource.attributes))
        around = {"project": project, "received_at": received_at, "resource": resource}
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                yield _log(record, around)


def _span(span: SpanMessage, around: dict[str, Any]) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex() if is_id(span.parent_span_id, 8) else None,
        name=clean_text(span.name),
        kind=span.kind,
        start_ns=clean_ns(span.start_time_unix_nano),
        end_ns=clean_ns(span.end_time_unix_nano),
        status_code=span.status.code,
        status_message=clean_text(span.status.message),
        attributes=clean_value(attributes_of(span.attributes)),
        events=clean_value(_events(span)),
        links=clean_value(_links(span)),
        trace_state=clean_text(span.trace_state),
        flags=span.flags,
        dropped={
            name: count for name in DROPPED if (count := getattr(span, f"dropped_{name}_count"))
        },
        **around,
    )


def _events(span: SpanMessage) -> list[dict[str, Any]]:
    return [
        {
            "name": event.name,
            "time_ns": clean_ns(event.time_unix_nano),
            "attributes": attributes_of(event.attributes),
        }
        for event in span.events
    ]


def _links(span: SpanMessage) -> list[dict[str, Any]]:
    return [
        {
            "trace_id": link.trace_id.hex(),
            "span_id": link.span_id.hex(),
            "attributes": attributes_of(link.attributes),
        }
        for link in span.links
    ]


def _log(record: LogMessage, around: dict[str, Any]) -> LogRecord:
    attributes = clean_value(attributes_of(record.attributes))
    # Clients older than OTLP's own field put the name into an attribute.
    event_name = clean_text(record.event_name) or attributes.get("event.name")
    return LogRecord(
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        event_name=event_name if isinstance(event_name, str) else "",
        time_ns=clean_ns(record.time_unix_nano or record.observed_time_unix_nano),
        body=clean_value(value_of(record.body)),
        attributes=attributes,
        **around,
    )


def is_id(value: bytes, size: int) -> bool:
    """Whether the bytes are an id of that size that is not all zero."""
    return len(value) == size and any(value)


def attributes_of(pairs: Iterable[KeyValue], depth: int = 0) -> dict[str, Any]:
    """The attributes as a dictionary; of two with the same key the later one counts."""
    return {pair.key: value_of(pair.value, depth) for pair in pairs}


def value_of(value: AnyValue, depth: int = 0) -> Any:
    """The value as Python has it; None for an empty one and for kinds that belong elsewhere."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        if depth >= MAX_DEPTH:
            return TOO_DEEP
        return [value_of(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        if depth >= MAX_DEPTH:
            return TOO_DEEP
        return attributes_of(value.kvlist_value.values, depth + 1)
    if kind in ("string_value", "bool_value", "int_value", "double_value", "bytes_value"):
        return getattr(value, kind)
    return None
