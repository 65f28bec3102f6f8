"""OTLP's JSON form, read into the columns of our tables by the rules of the OTLP specification.

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

from app.errors import BadRequest
from app.ingest.values import MAX_DEPTH, TOO_DEEP
from app.tables import SpanRow

MAX_JSON_DEPTH = 200
_INTEGER = re.compile(r"[+-]?[0-9]{1,100}")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_NON_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def read_spans(body: bytes) -> Iterator[SpanRow]:
    """The columns of each span in an ExportTraceServiceRequest."""
    for resource_spans in parse_document(body).objects("resourceSpans"):
        resource = resource_spans.object("resource").attributes()
        for scope_spans in resource_spans.objects("scopeSpans"):
            scope = scope_spans.object("scope").text("name")
            for span in scope_spans.objects("spans"):
                yield _span(span) | {"resource": resource, "scope": scope}


def read_logs(body: bytes) -> Iterator[SpanRow]:
    """The columns of each log record in an ExportLogsServiceRequest."""
    for resource_logs in parse_document(body).objects("resourceLogs"):
        resource = resource_logs.object("resource").attributes()
        for scope_logs in resource_logs.objects("scopeLogs"):
            for record in scope_logs.objects("logRecords"):
                observed = record.integer("observedTimeUnixNano")
                yield {
                    "trace_id": record.text("traceId"),
                    "span_id": record.text("spanId"),
                    "event_name": record.text("eventName"),
                    "time_ns": record.integer("timeUnixNano") or observed,
                    "body": record.value("body"),
                    "attributes": record.attributes(),
                    "resource": resource,
                }


def _span(span: "Node") -> SpanRow:
    return {
        "trace_id": span.text("traceId"),
        "span_id": span.text("spanId"),
        "parent_span_id": span.text("parentSpanId"),
        "name": span.text("name"),
        "kind": span.enum("kind"),
        "start_ns": span.integer("startTimeUnixNano"),
        "end_ns": span.integer("endTimeUnixNano"),
        "status_code": span.object("status").enum("code"),
        "status_message": span.object("status").text("message"),
        "attributes": span.attributes(),
        "events": [
            {
                "name": event.text("name"),
                "time_ns": event.integer("timeUnixNano"),
                "attributes": event.attributes(),
            }
            for event in span.objects("events")
        ],
        "links": [
            {
                "trace_id": link.text("traceId"),
                "span_id": link.text("spanId"),
                "attributes": link.attributes(),
            }
            for link in span.objects("links")
        ],
    }


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
        return value

    def enum(self, name: str) -> int:
        """The number of an enum; names are not part of OTLP's JSON."""
        value = self.fields.get(name)
        if isinstance(value, str):
            raise self._wrong(name, "the integer of the enum", value)
        return self.integer(name)

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

    def attributes(self, name: str = "attributes", depth: int = 0) -> dict[str, Any]:
        """The key-value list of that name; of two with the same key the later one counts."""
        if isinstance(self.fields.get(name), dict):
            raise self._wrong(name, 'a list of {"key": …, "value": …}', self.fields[name])
        return {pair.text("key"): pair.value("value", depth) for pair in self.objects(name)}

    def value(self, name: str, depth: int = 0) -> Any:
        """The AnyValue of that name as Python has it; None for an empty one."""
        value = self.fields.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._wrong(name, 'an object such as {"stringValue": "…"}', value)
        node = Node(value, self._place(name))
        for kind in _READERS:
            if value.get(kind) is not None:
                return _READERS[kind](node, kind, depth)
        return None

    def _place(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def _wrong(self, name: str, wanted: str, value: Any) -> BadRequest:
        return BadRequest(f"{self._place(name)} must be {wanted}, not {_name(value)}")


def _bool(node: Node, name: str, _depth: int) -> bool:
    value = node.fields[name]
    if not isinstance(value, bool):
        raise BadRequest(f"{node.path}.{name} must be true or false, not {_name(value)}")
    return value


def _double(node: Node, name: str, _depth: int) -> float:
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


def _bytes(node: Node, name: str, _depth: int) -> bytes:
    text = node.text(name).replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"{node.path}.{name} must be base64") from None


def _array(node: Node, name: str, depth: int) -> Any:
    if depth >= MAX_DEPTH:
        return TOO_DEEP
    items = node.object(name)
    values = items.fields.get("values")
    if values is None:
        return []
    if not isinstance(values, list):
        raise BadRequest(f"{items.path}.values must be a list, not {_name(values)}")
    return [
        Node({"value": value}, f"{items.path}.values[{index}]").value("value", depth + 1)
        for index, value in enumerate(values)
    ]


def _kvlist(node: Node, name: str, depth: int) -> Any:
    if depth >= MAX_DEPTH:
        return TOO_DEEP
    return node.object(name).attributes("values", depth + 1)


_READERS = {
    "stringValue": lambda node, name, _depth: node.text(name),
    "boolValue": _bool,
    "intValue": lambda node, name, _depth: node.integer(name),
    "doubleValue": _double,
    "arrayValue": _array,
    "kvlistValue": _kvlist,
    "bytesValue": _bytes,
}


def _name(value: Any) -> str:
    """What JSON calls the kind of a value."""
    if isinstance(value, bool):
        return "true or false"
    kinds = {dict: "an object", list: "a list", str: "a string", type(None): "null"}
    return kinds.get(type(value), "a number")
