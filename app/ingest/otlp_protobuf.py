"""OTLP's protobuf form, read into the columns of our tables; nothing is checked or cleaned here."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.errors import BadRequest
from app.ingest.repair import repair
from app.ingest.values import MAX_DEPTH, TOO_DEEP
from app.tables import SpanRow

Request = TypeVar("Request", bound=Message)


def read_spans(body: bytes) -> Iterator[SpanRow]:
    """The columns of each span in an ExportTraceServiceRequest."""
    for resource_spans in _parse(ExportTraceServiceRequest, body).resource_spans:
        resource = attributes_of(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield _span(span) | {"resource": resource, "scope": scope_spans.scope.name}


def read_logs(body: bytes) -> Iterator[SpanRow]:
    """The columns of each log record in an ExportLogsServiceRequest."""
    for resource_logs in _parse(ExportLogsServiceRequest, body).resource_logs:
        resource = attributes_of(resource_logs.resource.attributes)
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                yield {
                    "trace_id": record.trace_id.hex(),
                    "span_id": record.span_id.hex(),
                    "event_name": record.event_name,
                    "time_ns": record.time_unix_nano or record.observed_time_unix_nano,
                    "body": value_of(record.body),
                    "attributes": attributes_of(record.attributes),
                    "resource": resource,
                }


def _parse(kind: type[Request], body: bytes) -> Request:
    try:
        return kind.FromString(body)
    except DecodeError:
        pass
    try:
        return kind.FromString(repair(body, cast(Descriptor, kind.DESCRIPTOR)))
    except (DecodeError, BadRequest):
        raise BadRequest(
            f"the body is not a valid {kind.DESCRIPTOR.name}; it is cut off, damaged, or belongs "
            "to another path (traces to /v1/traces, logs to /v1/logs)"
        ) from None


def _span(span: Span) -> SpanRow:
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex(),
        "name": span.name,
        "kind": span.kind,
        "start_ns": span.start_time_unix_nano,
        "end_ns": span.end_time_unix_nano,
        "status_code": span.status.code,
        "status_message": span.status.message,
        "attributes": attributes_of(span.attributes),
        "events": [
            {
                "name": event.name,
                "time_ns": event.time_unix_nano,
                "attributes": attributes_of(event.attributes),
            }
            for event in span.events
        ],
        "links": [
            {
                "trace_id": link.trace_id.hex(),
                "span_id": link.span_id.hex(),
                "attributes": attributes_of(link.attributes),
            }
            for link in span.links
        ],
    }


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
