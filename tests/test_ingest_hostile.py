"""Hostile values become the same rows on every database, and the words in them are still found."""

import json
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import Engine

from app.database import reading, transaction
from app.errors import BadRequest
from app.ingest.assemble import assemble_trace
from app.ingest.logs import decode_logs
from app.ingest.otlp import decode_traces
from app.ingest.otlp_protobuf import parse
from app.ingest.repair import repair
from app.ingest.stored import logs_of, spans_of
from app.store.interactions import interactions_of_trace, save_interactions
from app.store.spans import store_logs, store_spans
from tests.builders import WEDNESDAY
from tests.telemetry import logs_from, spans_from

JSON = "application/json"
TRACE_ID, SPAN_ID = "ab" * 16, "cd" * 8
MESSAGES = [{"role": "assistant", "parts": [{"type": "text", "content": "a\x00b \ud83d c\u202e"}]}]
VALUES: dict[str, Any] = {
    "nul": {"stringValue": "a\x00b"},
    "surrogate": {"stringValue": "\ud800"},
    "nan": {"doubleValue": "NaN"},
    "infinite": {"doubleValue": "-Infinity"},
    "small": {"doubleValue": 5e-324},
    "large": {"doubleValue": 1.7976931348623157e308},
    "sum": {"doubleValue": 0.1 + 0.2},
    "round": {"doubleValue": 1e16},
    "rounder": {"doubleValue": -1.2345e22},
    "whole": {"doubleValue": 3.0},
    "negative zero": {"doubleValue": -0.0},
    "int64": {"intValue": str(2**63 - 1)},
    "uint64": {"intValue": str(2**64 - 1)},
    "marks": {"stringValue": "e" + "\u0301" * 10_000},
    "direction": {"stringValue": "\u202eevil"},
    "": {"stringValue": ""},
    "__proto__": {"kvlistValue": {"values": [{"key": "\x00", "value": {"bytesValue": "AA=="}}]}},
    "gen_ai.input.messages": {"stringValue": '[{"role":"user","content":"When?\\u0000"}]'},
    "gen_ai.output.messages": {"stringValue": json.dumps(MESSAGES)},
}


def a_request() -> bytes:
    attributes = [{"key": key, "value": value} for key, value in VALUES.items()]
    span = {
        "traceId": TRACE_ID,
        "spanId": SPAN_ID,
        "name": "\x00\udfff",
        "kind": 2**33,
        "startTimeUnixNano": str(2**64 - 1),
        "endTimeUnixNano": str(2**63 - 1),
        "status": {"code": 2, "message": "\ud800"},
        "attributes": attributes,
        "events": [{"name": "\x00", "timeUnixNano": str(2**64 - 1), "attributes": attributes}],
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop\x00"}}]}
    scopes = [{"scope": {"name": "\ud800"}, "spans": [span]}]
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]}).encode()


def test_a_hostile_span_is_stored_and_read_back_equal(engine: Engine) -> None:
    decoded = decode_traces(a_request(), JSON, project="default")
    expected = spans_from(decoded)
    with transaction(engine) as session:
        store_spans(session, decoded.rows, now=WEDNESDAY)
    with reading(engine) as session:
        stored = spans_of(session, "default", TRACE_ID)
    assert stored == expected
    assert (stored[0].start_ns, stored[0].end_ns) == (0, 2**63 - 1)
    assert stored[0].attributes["uint64"] == str(2**64 - 1)
    assert stored[0].attributes["nan"] == "NaN"
    assert stored[0].attributes["rounder"] == "-1.2345e+22"


def test_words_with_hostile_characters_become_interactions(engine: Engine) -> None:
    spans = spans_from(decode_traces(a_request(), JSON, project="default"))
    rows = assemble_trace(spans, [], now=WEDNESDAY)
    with transaction(engine) as session:
        save_interactions(session, rows, specs=[], now=WEDNESDAY)
    with reading(engine) as session:
        (row,) = interactions_of_trace(session, "default", TRACE_ID)
    assert row.prompt == "When?\ufffd"
    assert row.response == "a\ufffdb \ufffd c\u202e"
    assert row.application == "shop\ufffd"
    assert row.started_at == WEDNESDAY


def test_a_hostile_log_record_is_stored_and_read_back_equal(engine: Engine) -> None:
    record = {
        "traceId": TRACE_ID,
        "spanId": SPAN_ID,
        "timeUnixNano": str(2**64 - 1),
        "eventName": "\x00",
        "body": {"kvlistValue": {"values": [{"key": k, "value": v} for k, v in VALUES.items()]}},
    }
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
    decoded = decode_logs(body, JSON, project="default")
    expected = logs_from(decoded)
    with transaction(engine) as session:
        store_logs(session, decoded.rows, now=WEDNESDAY)
    with reading(engine) as session:
        assert logs_of(session, "default", TRACE_ID) == expected


def test_a_field_without_a_number_is_refused_before_the_rest_is_walked_through() -> None:
    with pytest.raises(BadRequest, match="not a valid protobuf message"):
        repair(bytes(1_000), ExportTraceServiceRequest.DESCRIPTOR)


def damaged(n_spans: int, levels: int = 0) -> bytes:
    """A request in which the name of a span is no UTF-8, and the last span has a deep value."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in range(n_spans):
        spans.add(name=f"span {number}", trace_id=b"t" * 16, span_id=number.to_bytes(8, "big"))
    value = spans[-1].attributes.add(key="deep").value
    for _ in range(levels):
        value = value.array_value.values.add()
    return request.SerializeToString().replace(b"span 1", b"spa\xff 1", 1)


def names_in(body: bytes) -> list[str]:
    request = parse(ExportTraceServiceRequest, body)
    return [span.name for span in request.resource_spans[0].scope_spans[0].spans]


def test_what_is_good_beside_a_damaged_span_is_the_same_however_it_is_mended() -> None:
    body, descriptor = damaged(5), ExportTraceServiceRequest.DESCRIPTOR
    ways = [repair(body, descriptor, is_trusting=one) for one in (True, False)]
    read = [ExportTraceServiceRequest.FromString(one) for one in ways]
    assert read[0] == read[1]
    assert names_in(body) == ["span 0", "spa\ufffd 1", "span 2", "span 3", "span 4"]


@pytest.mark.parametrize("levels", [10, 40, 46, 47, 48, 49, 50, 60, 500])
def test_parts_that_are_read_by_themselves_and_not_together_are_mended_too(levels: int) -> None:
    assert len(names_in(damaged(3, levels))) == 3
