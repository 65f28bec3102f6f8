"""OTLP's JSON form, read into OTLP's own messages by the rules of the OTLP specification.

Ids are hexadecimal, enums are integers, 64-bit integers are strings or numbers, unknown keys are
ignored. The protobuf library's own JSON reader breaks the first rule and the last, so this one is
ours. What cannot be understood raises BadRequest with the place: `resourceSpans[0].scopeSpans[0]…`.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.errors import BadRequest
from app.ingest.values import (
    MAX_DEPTH,
    MAX_INT64,
    MIN_INT64,
    TOO_DEEP,
    clean_int32,
    clean_text,
)

MAX_JSON_DEPTH = 200
MAX_FIXED64 = 2**64 - 1
MAX_FIXED32 = 2**32 - 1
NO_ID = b"\0"
"""Stands for an id that is no hexadecimal number: present, and never valid."""
_INTEGER = re.compile(r"[+-]?[0-9]{1,100}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_NON_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def read_spans(body: bytes) -> ExportTraceServiceRequest:
    """The ExportTraceServiceRequest that the JSON says."""
    request = ExportTraceServiceRequest()
    for resource_spans in parse_document(body).objects("resourceSpans"):
        out = request.resource_spans.add(schema_url=resource_spans.text("schemaUrl"))
        resource_spans.object("resource").fill_attributes(out.resource.attributes)
        for scope_spans in resource_spans.objects("scopeSpans"):
            scoped = out.scope_spans.add(schema_url=scope_spans.text("schemaUrl"))
            _fill_scope(scope_spans.object("scope"), scoped.scope)
            for span in scope_spans.objects("spans"):
                _fill_span(span, scoped.spans.add())
    return request


def read_logs(body: bytes) -> ExportLogsServiceRequest:
    """The ExportLogsServiceRequest that the JSON says."""
    request = ExportLogsServiceRequest()
    for resource_logs in parse_document(body).objects("resourceLogs"):
        out = request.resource_logs.add(schema_url=resource_logs.text("schemaUrl"))
        resource_logs.object("resource").fill_attributes(out.resource.attributes)
        for scope_logs in resource_logs.objects("scopeLogs"):
            scoped = out.scope_logs.add(schema_url=scope_logs.text("schemaUrl"))
            _fill_scope(scope_logs.object("scope"), scoped.scope)
            for record in scope_logs.objects("logRecords"):
                _fill_log(record, scoped.log_records.add())
    return request


def _fill_scope(scope: "Node", out: InstrumentationScope) -> None:
    out.name, out.version = scope.text("name"), scope.text("version")
    scope.fill_attributes(out.attributes)


def _fill_span(span: "Node", out: Span) -> None:
    out.trace_id, out.span_id = span.id("traceId"), span.id("spanId")
    out.parent_span_id = span.id("parentSpanId")
    out.name, out.trace_state = span.text("name"), span.text("traceState")
    out.kind = span.enum("kind")  # type: ignore[assignment]
    out.start_time_unix_nano = span.fixed64("startTimeUnixNano")
    out.end_time_unix_nano = span.fixed64("endTimeUnixNano")
    out.flags = span.fixed32("flags")
    status = span.object("status")
    out.status.code = status.enum("code")  # type: ignore[assignment]
    out.status.message = status.text("message")
    out.dropped_attributes_count = span.fixed32("droppedAttributesCount")
    out.dropped_events_count = span.fixed32("droppedEventsCount")
    out.dropped_links_count = span.fixed32("droppedLinksCount")
    span.fill_attributes(out.attributes)
    for event in span.objects("events"):
        time_ns = event.fixed64("timeUnixNano")
        event.fill_attributes(
            out.events.add(name=event.text("name"), time_unix_nano=time_ns).attributes
        )
    for link in span.objects("links"):
        ids = {"trace_id": link.id("traceId"), "span_id": link.id("spanId")}
        link.fill_attributes(out.links.add(**ids).attributes)


def _fill_log(record: "Node", out: LogRecord) -> None:
    out.trace_id, out.span_id = record.id("traceId"), record.id("spanId")
    out.event_name = record.text("eventName")
    out.time_unix_nano = record.fixed64("timeUnixNano")
    out.observed_time_unix_nano = record.fixed64("observedTimeUnixNano")
    out.severity_number = record.enum("severityNumber")  # type: ignore[assignment]
    out.severity_text = record.text("severityText")
    record.fill_value("body", out.body)
    record.fill_attributes(out.attributes)


def parse_document(body: bytes) -> "Node":
    """The JSON object that the body holds; an empty body is an empty object."""
    text = body.decode("utf-8-sig", "replace")
    if not text.strip():
        return Node({}, "the body")
    try:
        document = json.loads(text)
    except RecursionError:
        document = _parse_cut(text)
    except ValueError as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadRequest(f"the body must be a JSON object, not {_name(document)}")
    return Node(document, "")


def _parse_cut(text: str) -> Any:
    """The document with everything below MAX_JSON_DEPTH brackets left out."""
    depth = 0
    kept: list[str] = []
    start = 0
    for token in _TOKEN.finditer(text):
        bracket = token.group()
        if bracket in "[{":
            depth += 1
            if depth == MAX_JSON_DEPTH + 1:
                kept.append(text[start : token.start()])
        elif bracket in "]}":
            if depth == MAX_JSON_DEPTH + 1:
                kept.append("null")
                start = token.end()
            depth -= 1
    if depth > MAX_JSON_DEPTH:
        raise BadRequest("the body is not valid JSON: its brackets are not closed")
    try:
        return json.loads("".join([*kept, text[start:]]))
    except (ValueError, RecursionError):
        raise BadRequest("the body is not valid JSON, or is nested too deeply") from None


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON object of a request and the place where it lies."""

    fields: dict[str, Any]
    path: str

    def text(self, name: str) -> str:
        """The string of that name, or an empty one."""
        value = self.fields.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong(name, "a string", value)
        return clean_text(value)

    def id(self, name: str) -> bytes:
        """The bytes of a hexadecimal id; NO_ID for a text that is none."""
        text = self.text(name)
        return bytes.fromhex(text) if _HEX.fullmatch(text) else NO_ID

    def enum(self, name: str) -> int:
        """The number of an enum; names are not part of OTLP's JSON."""
        value = self.fields.get(name)
        if isinstance(value, str):
            raise self._wrong(name, "the integer of the enum", value)
        return clean_int32(self.integer(name))

    def fixed64(self, name: str) -> int:
        """The integer of that name, or 0, which means unknown, where 64 bits cannot hold it."""
        value = self.integer(name)
        return value if 0 <= value <= MAX_FIXED64 else 0

    def fixed32(self, name: str) -> int:
        """The integer of that name, or 0 where 32 bits cannot hold it."""
        value = self.integer(name)
        return value if 0 <= value <= MAX_FIXED32 else 0

    def integer(self, name: str) -> int:
        """The integer of that name, sent as a number or a string, or 0."""
        value = self.fields.get(name)
        if value is None:
            return 0
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            return int(value)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(name, "an integer", value)
        return value

    def object(self, name: str) -> "Node":
        """The object of that name, or an empty one."""
        value = self.fields.get(name)
        if value is None:
            return Node({}, self._place(name))
        if not isinstance(value, dict):
            raise self._wrong(name, "an object", value)
        return Node(value, self._place(name))

    def objects(self, name: str) -> Iterator["Node"]:
        """The objects in the list of that name."""
        values = self.fields.get(name)
        if values is None:
            return
        if not isinstance(values, list):
            raise self._wrong(name, "a list", values)
        for index, value in enumerate(values):
            place = f"{self._place(name)}[{index}]"
            if not isinstance(value, dict):
                raise BadRequest(f"{place} must be an object, not {_name(value)}")
            yield Node(value, place)

    def fill_attributes(self, out: Any, name: str = "attributes", depth: int = 0) -> None:
        """Add the key-value list of that name to a repeated field of KeyValue."""
        if isinstance(self.fields.get(name), dict):
            raise self._wrong(name, 'a list of {"key": …, "value": …}', self.fields[name])
        for pair in self.objects(name):
            added: KeyValue = out.add(key=pair.text("key"))
            pair.fill_value("value", added.value, depth)

    def fill_value(self, name: str, out: AnyValue, depth: int = 0) -> None:
        """Set an AnyValue to the one of that name; an empty one stays empty."""
        value = self.fields.get(name)
        if value is None:
            return
        if not isinstance(value, dict):
            raise self._wrong(name, 'an object such as {"stringValue": "…"}', value)
        node = Node(value, self._place(name))
        for kind, fill in _FILLERS.items():
            if value.get(kind) is not None:
                fill(node, kind, out, depth)
                return

    def _place(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def _wrong(self, name: str, wanted: str, value: Any) -> BadRequest:
        return BadRequest(f"{self._place(name)} must be {wanted}, not {_name(value)}")


def _fill_string(node: Node, name: str, out: AnyValue, _depth: int) -> None:
    out.string_value = node.text(name)


def _fill_bool(node: Node, name: str, out: AnyValue, _depth: int) -> None:
    value = node.fields[name]
    if not isinstance(value, bool):
        raise BadRequest(f"{node.path}.{name} must be true or false, not {_name(value)}")
    out.bool_value = value


def _fill_integer(node: Node, name: str, out: AnyValue, _depth: int) -> None:
    value = node.integer(name)
    if MIN_INT64 <= value <= MAX_INT64:
        out.int_value = value
    else:
        out.string_value = str(value)


def _fill_double(node: Node, name: str, out: AnyValue, _depth: int) -> None:
    out.double_value = _double(node, name)


def _double(node: Node, name: str) -> float:
    value = node.fields[name]
    if isinstance(value, str) and value in _NON_FINITE:
        return _NON_FINITE[value]
    if isinstance(value, bool):
        raise BadRequest(f"{node.path}.{name} must be a number, not true or false")
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    except (TypeError, ValueError):
        raise BadRequest(f"{node.path}.{name} must be a number, not {_name(value)}") from None


def _fill_bytes(node: Node, name: str, out: AnyValue, _depth: int) -> None:
    text = node.text(name).replace("-", "+").replace("_", "/")
    try:
        out.bytes_value = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"{node.path}.{name} must be base64") from None


def _fill_array(node: Node, name: str, out: AnyValue, depth: int) -> None:
    if depth >= MAX_DEPTH:
        out.string_value = TOO_DEEP
        return
    items = node.object(name)
    values = items.fields.get("values")
    if not isinstance(values, list | None):
        raise BadRequest(f"{items.path}.values must be a list, not {_name(values)}")
    out.array_value.SetInParent()
    for index, value in enumerate(values or ()):
        item = Node({"value": value}, f"{items.path}.values[{index}]")
        item.fill_value("value", out.array_value.values.add(), depth + 1)


def _fill_kvlist(node: Node, name: str, out: AnyValue, depth: int) -> None:
    if depth >= MAX_DEPTH:
        out.string_value = TOO_DEEP
        return
    out.kvlist_value.SetInParent()
    node.object(name).fill_attributes(out.kvlist_value.values, "values", depth + 1)


_FILLERS = {
    "stringValue": _fill_string,
    "boolValue": _fill_bool,
    "intValue": _fill_integer,
    "doubleValue": _fill_double,
    "arrayValue": _fill_array,
    "kvlistValue": _fill_kvlist,
    "bytesValue": _fill_bytes,
}


def _name(value: Any) -> str:
    """What JSON calls the kind of a value."""
    if isinstance(value, bool):
        return "true or false"
    kinds = {dict: "an object", list: "a list", str: "a string", type(None): "null"}
    return kinds.get(type(value), "a number")
