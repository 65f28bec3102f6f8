"""The rules of OTLP/HTTP for decoding; each test is run on protobuf and JSON where both apply."""

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import pytest
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from app.errors import BadRequest, UnsupportedMediaType
from app.ingest.logs import decode_logs
from app.ingest.otlp import Decoded, decode_traces, export_response, reply_type, status_body
from app.ingest.telemetry import Span
from app.ingest.values import MAX_DEPTH, TOO_DEEP
from app.store.spans import Chunk, Log
from tests.builders import WEDNESDAY
from tests.telemetry import logs_from, spans_from

PROTOBUF, JSON = "application/x-protobuf", "application/json"
TRACE_ID, SPAN_ID = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
BOTH = pytest.mark.parametrize("content_type", [PROTOBUF, JSON])


def decode(body: bytes | dict[str, Any], content_type: str = JSON) -> Decoded[Chunk]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode_traces(raw, content_type, project="default")


def decode_log(body: bytes | dict[str, Any], content_type: str = JSON) -> Decoded[Log]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode_logs(raw, content_type, project="default")


def a_request(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


def json_span(**changes: Any) -> dict[str, Any]:
    return {"traceId": TRACE_ID, "spanId": SPAN_ID, "name": "chat", **changes}


def only_span(body: bytes | dict[str, Any], content_type: str = JSON) -> Span:
    decoded = decode(body, content_type)
    assert decoded.message == ""
    (span,) = spans_from(decoded)
    return span


def proto_request(change: Callable[[Any], None] = lambda span: None) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = bytes.fromhex(TRACE_ID), bytes.fromhex(SPAN_ID)
    change(span)
    return request


def attribute(value: dict[str, Any]) -> Any:
    span = json_span(attributes=[{"key": "a", "value": value}])
    return only_span(a_request(span)).attributes["a"]


def same_in_both(request: Message) -> tuple[Span, Span]:
    """The only span of a protobuf request, and of the same request written as OTLP JSON."""
    return (
        only_span(request.SerializeToString(), PROTOBUF),
        only_span(as_otlp_json(request)),
    )


def as_otlp_json(message: Any) -> Any:
    """The message in OTLP's JSON form, as the specification describes it."""
    out = {}
    for field, value in message.ListFields():
        name = field.json_name
        if field.name in ("trace_id", "span_id", "parent_span_id"):
            out[name] = value.hex()
        elif field.is_repeated and field.message_type:
            out[name] = [as_otlp_json(item) for item in value]
        elif field.message_type:
            out[name] = as_otlp_json(value)
        elif field.type == field.TYPE_BYTES:
            out[name] = base64.b64encode(value).decode()
        elif field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
            out[name] = str(value)
        else:
            out[name] = value
    return out


# What is a success


@BOTH
@pytest.mark.parametrize("body", [b"", {"resourceSpans": []}, {"resourceSpans": [{}]}])
def test_an_empty_request_is_a_success(body: Any, content_type: str) -> None:
    if content_type == PROTOBUF and body != b"":
        body = ExportTraceServiceRequest().SerializeToString()
    decoded = decode(body, content_type)
    assert (decoded.rows, decoded.rejected, decoded.message) == ([], 0, "")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"resourceSpans": [{"resource": None, "scopeSpans": None}]},
        {"resourceSpans": [{"scopeSpans": [{"scope": None, "spans": []}]}]},
        {"resource_spans": [{"scope_spans": [{"spans": [json_span()]}]}]},
        {"unknown": {"deep": [1, 2]}},
    ],
)
def test_empty_envelopes_and_unknown_keys_are_ignored(body: dict[str, Any]) -> None:
    assert decode(body) == Decoded()


def test_unknown_keys_and_protobuf_tags_are_ignored_at_every_level() -> None:
    body = a_request(json_span(later={"x": 1}, attributes=[{"key": "a", "value": {"new": 1}}]))
    body["resourceSpans"][0]["later"] = True
    assert only_span(body).attributes == {"a": None}
    unknown_tag = b"\xfa\x3e\x02hi"
    raw = proto_request().SerializeToString() + unknown_tag
    assert only_span(raw, PROTOBUF).span_id == SPAN_ID


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", " application/json ;"]
)
def test_parameters_and_case_of_the_content_type_do_not_matter(content_type: str) -> None:
    assert len(decode(a_request(json_span()), content_type).rows) == 1
    assert reply_type(content_type) == JSON


@pytest.mark.parametrize("content_type", ["", None, "text/xml", "application/grpc"])
def test_other_content_types_are_refused(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType, match="application/x-protobuf"):
        decode_traces(b"{}", content_type, project="default")
    assert reply_type(content_type) == JSON


# The fields of a span


def test_protobuf_and_json_give_the_same_row() -> None:
    def fill(span: Any) -> None:
        span.parent_span_id = bytes.fromhex("00f067aa0ba902b7")
        span.name, span.kind, span.flags = "chat ☕", 3, 257
        span.start_time_unix_nano, span.end_time_unix_nano = 10**18, 10**18 + 5
        span.status.code, span.status.message = 2, "broken"
        span.attributes.add(key="text", value=AnyValue(string_value="hé\n"))
        span.attributes.add(key="yes", value=AnyValue(bool_value=True))
        span.attributes.add(key="n", value=AnyValue(int_value=-(2**63)))
        span.attributes.add(key="x", value=AnyValue(double_value=0.1))
        span.attributes.add(key="nan", value=AnyValue(double_value=float("nan")))
        span.attributes.add(key="raw", value=AnyValue(bytes_value=b"\xff\x00"))
        span.attributes.add(key="none", value=AnyValue())
        items = ArrayValue(values=[AnyValue(string_value="a"), AnyValue(int_value=1)])
        span.attributes.add(key="list", value=AnyValue(array_value=items))
        pairs = KeyValueList(values=[KeyValue(key="k", value=AnyValue(bool_value=False))])
        span.attributes.add(key="map", value=AnyValue(kvlist_value=pairs))
        event = span.events.add(name="e", time_unix_nano=7)
        event.attributes.add(key="k", value=AnyValue(string_value="v"))
        span.links.add(trace_id=bytes.fromhex(TRACE_ID), span_id=bytes.fromhex(SPAN_ID))

    request = proto_request(fill)
    request.resource_spans[0].resource.attributes.add(
        key="service.name", value=AnyValue(string_value="shop")
    )
    request.resource_spans[0].scope_spans[0].scope.name = "tracer"
    first, second = same_in_both(request)
    assert first == second
    assert first.parent_span_id == "00f067aa0ba902b7"
    assert (first.kind, first.status_code, first.status_message) == (3, 2, "broken")
    assert (first.start_ns, first.end_ns) == (10**18, 10**18 + 5)
    assert first.resource == {"service.name": "shop"}
    assert first.scope == "tracer"
    assert first.attributes == {
        "text": "hé\n",
        "yes": True,
        "n": -(2**63),
        "x": 0.1,
        "nan": "NaN",
        "raw": "/wA=",
        "none": None,
        "list": ["a", 1],
        "map": {"k": False},
    }
    assert first.events == [{"name": "e", "time_ns": 7, "attributes": {"k": "v"}}]
    assert first.links == [{"trace_id": TRACE_ID, "span_id": SPAN_ID, "attributes": {}}]


def test_the_project_comes_from_the_caller() -> None:
    body = json.dumps(a_request(json_span())).encode()
    (chunk,) = decode_traces(body, JSON, project="p2").rows
    assert chunk.project == "p2"


def test_ids_are_hexadecimal_in_any_case() -> None:
    upper = json_span(traceId=TRACE_ID.upper(), spanId=SPAN_ID.upper())
    assert only_span(a_request(upper)).trace_id == TRACE_ID
    assert len(spans_from(decode(a_request(upper, json_span())))) == 1


@pytest.mark.parametrize(
    "trace_id",
    [
        TRACE_ID[:-2],
        TRACE_ID + "00",
        "0" * 32,
        "zz" * 16,
        "5b 8e" + TRACE_ID[4:] + "0",
        TRACE_ID + "\n",
        "W47/95gDgQPSabYzgT/GDA==",
        "٣" * 32,
    ],
)
def test_a_span_with_a_bad_trace_id_is_rejected_and_the_others_are_kept(trace_id: str) -> None:
    decoded = decode(a_request(json_span(traceId=trace_id), json_span()))
    assert [span.trace_id for span in decoded.rows] == [TRACE_ID]
    assert decoded.rejected == 1
    assert decoded.message.startswith("1 of 2 spans were rejected: 1 because the trace id")


@BOTH
@pytest.mark.parametrize("size", [0, 7, 9])
def test_a_span_with_a_bad_span_id_is_rejected(size: int, content_type: str) -> None:
    request = proto_request(lambda span: setattr(span, "span_id", b"\1" * size))
    body: Any = request.SerializeToString() if content_type == PROTOBUF else as_otlp_json(request)
    decoded = decode(body, content_type)
    assert (decoded.rows, decoded.rejected) == ([], 1)
    assert "span id is not 8 bytes" in decoded.message


def test_one_bad_span_among_a_hundred_costs_only_itself() -> None:
    spans = [json_span(spanId=f"{n:016x}") for n in range(100)]
    decoded = decode(a_request(*spans))
    assert (len(spans_from(decoded)), decoded.rejected) == (99, 1)


@pytest.mark.parametrize("parent", ["", None, "0" * 16, "abc", "zz" * 8, SPAN_ID])
def test_any_parent_is_tolerated(parent: str | None) -> None:
    span = only_span(a_request(json_span(parentSpanId=parent)))
    assert span.parent_span_id == (SPAN_ID if parent == SPAN_ID else None)


@BOTH
@pytest.mark.parametrize("kind", [0, 1, 5, 99])
def test_unknown_kinds_and_codes_are_kept(kind: int, content_type: str) -> None:
    def fill(span: Any) -> None:
        span.kind, span.status.code = kind, 7

    request = proto_request(fill)
    body: Any = request.SerializeToString() if content_type == PROTOBUF else as_otlp_json(request)
    span = only_span(body, content_type)
    assert (span.kind, span.status_code) == (kind, 7)


def test_numbers_beyond_their_column_are_unknown() -> None:
    span = only_span(
        a_request(json_span(kind=2**40, startTimeUnixNano=str(2**64 - 1), endTimeUnixNano=-5))
    )
    assert (span.kind, span.start_ns, span.end_ns) == (0, 0, 0)


def test_of_two_attributes_with_one_key_the_later_counts() -> None:
    pairs = [{"key": "a", "value": {"intValue": n}} for n in (1, 2)]
    assert only_span(a_request(json_span(attributes=pairs))).attributes == {"a": 2}


# Values in JSON


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"stringValue": "x"}, "x"),
        ({"boolValue": False}, False),
        ({"intValue": "11"}, 11),
        ({"intValue": 11}, 11),
        ({"intValue": 11.0}, 11),
        ({"intValue": str(2**63 - 1)}, 2**63 - 1),
        ({"intValue": str(-(2**63))}, -(2**63)),
        ({"intValue": str(2**63)}, str(2**63)),
        ({"intValue": 2**64}, str(2**64)),
        ({"doubleValue": 1.5}, 1.5),
        ({"doubleValue": 3}, 3.0),
        ({"doubleValue": "NaN"}, "NaN"),
        ({"doubleValue": "-Infinity"}, "-Infinity"),
        ({"doubleValue": "2.5"}, 2.5),
        ({"doubleValue": 10**400}, "Infinity"),
        ({"bytesValue": "AP8="}, "AP8="),
        ({"bytesValue": "AP8"}, "AP8="),
        ({"bytesValue": "-_8="}, "+/8="),
        ({"arrayValue": {"values": [{"stringValue": "x"}, {}]}}, ["x", None]),
        ({"arrayValue": {}}, []),
        ({"kvlistValue": {"values": [{"key": "k", "value": {"intValue": 1}}]}}, {"k": 1}),
        ({"stringValueStrindex": 3}, None),
        ({}, None),
    ],
)
def test_each_kind_of_value_is_read(value: dict[str, Any], expected: Any) -> None:
    assert attribute(value) == expected


def test_a_number_too_large_for_a_float_is_named_not_stored() -> None:
    raw = json.dumps(a_request(json_span(attributes=[{"key": "a", "value": {"doubleValue": 77}}])))
    for literal in ("1e999", "Infinity"):
        assert only_span(raw.replace("77", literal).encode()).attributes == {"a": "Infinity"}


@pytest.mark.parametrize(
    ("span", "place"),
    [
        ({"kind": "SPAN_KIND_CLIENT"}, "spans[0].kind must be the integer of the enum"),
        ({"startTimeUnixNano": "abc"}, "spans[0].startTimeUnixNano must be an integer"),
        ({"startTimeUnixNano": 1.5}, "spans[0].startTimeUnixNano must be an integer"),
        ({"startTimeUnixNano": True}, "must be an integer, not true or false"),
        ({"attributes": {"a": "b"}}, "spans[0].attributes must be a list"),
        ({"attributes": ["a"]}, "spans[0].attributes[0] must be an object, not a string"),
        ({"attributes": [{"key": "a", "value": "b"}]}, "attributes[0].value must be an object"),
        ({"attributes": [{"key": 1}]}, "attributes[0].key must be a string, not a number"),
        ({"name": 5}, "spans[0].name must be a string"),
        ({"events": {}}, "spans[0].events must be a list, not an object"),
        ({"status": []}, "spans[0].status must be an object, not a list"),
        ({"traceId": 5}, "spans[0].traceId must be a string"),
    ],
)
def test_what_cannot_be_understood_is_a_bad_request_that_names_the_place(
    span: dict[str, Any], place: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        decode(a_request(json_span(**span)))
    assert place in str(caught.value)
    assert "resourceSpans[0].scopeSpans[0].spans[0]" in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        {"boolValue": "true"},
        {"intValue": "abc"},
        {"intValue": "1_000"},
        {"intValue": "9" * 5000},
        {"doubleValue": "many"},
        {"doubleValue": True},
        {"doubleValue": []},
        {"bytesValue": "???"},
        {"arrayValue": []},
        {"arrayValue": {"values": {}}},
        {"kvlistValue": {"values": {"a": 1}}},
    ],
)
def test_a_value_of_the_wrong_kind_is_a_bad_request(value: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match="attributes"):
        attribute(value)


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b"7", b"{", b'{"a": 1}}', b"\xff\xfe", b'{"a": ' + b"9" * 5000 + b"}"]
)
def test_a_body_that_is_no_json_object_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        decode(body)


# Hostile values


def test_nul_and_lone_surrogates_are_replaced() -> None:
    raw = json.dumps(a_request(json_span(name="NAME"))).encode()
    for hostile in (rb"a\u0000b", rb"a\ud800b", rb"a\udc00b", b"a\xffb", b"a\xed\xa0\x80b"):
        name = only_span(raw.replace(b"NAME", hostile)).name
        assert name.startswith("a\ufffd")
        assert name.endswith("b")
    pair = only_span(raw.replace(b"NAME", rb"\ud83d\udc4d"))
    assert pair.name == "👍"


def test_one_bad_byte_in_protobuf_costs_only_its_value() -> None:
    def fill(span: Any) -> None:
        span.attributes.add(key="bad", value=AnyValue(string_value="a#b"))
        span.attributes.add(key="good", value=AnyValue(string_value="gut ☕"))

    raw = proto_request(fill).SerializeToString().replace(b"a#b", b"a\xffb")
    assert only_span(raw, PROTOBUF).attributes == {"bad": "a\ufffdb", "good": "gut ☕"}


def nested_json(levels: int) -> bytes:
    pairs = [{"key": "a", "value": {"deep": 1}}]
    spans = [json_span(attributes=pairs), json_span(spanId="1" * 16)]
    text = '{"arrayValue":{"values":[' * levels + '{"intValue":1}' + "]}}" * levels
    return json.dumps(a_request(*spans)).replace('{"deep": 1}', text).encode()


def depth_of(value: Any) -> int:
    depth = 0
    while isinstance(value, list):
        value, depth = value[0] if value else None, depth + 1
    return depth


@pytest.mark.parametrize("levels", [10, 50, 100, 5_000])
def test_deep_nesting_is_cut_and_the_other_spans_are_kept(levels: int) -> None:
    decoded = decode(nested_json(levels))
    assert len(spans_from(decoded)) == 2
    assert depth_of(spans_from(decoded)[0].attributes["a"]) == min(levels, MAX_DEPTH)


@pytest.mark.parametrize("levels", [10, 40, 60, 5_000])
def test_deep_nesting_in_protobuf_is_cut_too(levels: int) -> None:
    raw = AnyValue(int_value=1).SerializeToString()
    for _ in range(levels):
        raw = length_delimited(5, length_delimited(1, raw))
    pair = length_delimited(1, b"a") + length_delimited(2, raw)
    ids = length_delimited(1, bytes.fromhex(TRACE_ID)) + length_delimited(2, bytes.fromhex(SPAN_ID))
    span = length_delimited(2, ids + length_delimited(9, pair))
    value = only_span(length_delimited(1, length_delimited(2, span)), PROTOBUF).attributes["a"]
    assert depth_of(value) == min(levels, MAX_DEPTH)
    if levels > MAX_DEPTH:
        assert TOO_DEEP in json.dumps(value)


def length_delimited(number: int, content: bytes) -> bytes:
    size, head = len(content), bytearray([number << 3 | 2])
    while size >= 0x80:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size]) + content


def test_strange_keys_are_only_keys() -> None:
    keys = [
        "__proto__",
        "constructor",
        "",
        "k" * 10_000,
        "a.b.c",
        "llm.input_messages.4294967295.x",
    ]
    pairs = [{"key": key, "value": {"stringValue": "v"}} for key in keys]
    assert list(only_span(a_request(json_span(attributes=pairs))).attributes) == keys


@BOTH
def test_a_cut_off_body_is_a_bad_request(content_type: str) -> None:
    request = proto_request(lambda span: setattr(span, "name", "n" * 100))
    raw = (
        request.SerializeToString()
        if content_type == PROTOBUF
        else json.dumps(as_otlp_json(request)).encode()
    )
    with pytest.raises(BadRequest):
        decode(raw[:-20], content_type)


@settings(deadline=None, max_examples=200)
@given(
    body=st.binary(max_size=300) | st.text(max_size=100).map(str.encode),
    content_type=st.sampled_from([PROTOBUF, JSON]),
)
def test_any_bytes_are_decoded_or_refused_with_our_own_error(
    body: bytes, content_type: str
) -> None:
    for function in (decode, decode_log):
        with suppress(BadRequest):
            function(body, content_type)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("key", "value", "values", "name", "attributes", "code", "intValue"),
                    *("stringValue", "doubleValue", "bytesValue", "arrayValue", "kvlistValue"),
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@settings(deadline=None, max_examples=200)
@given(
    fields=st.dictionaries(
        st.sampled_from(
            sorted(
                json_span(
                    attributes=1,
                    events=1,
                    links=1,
                    status=1,
                    kind=1,
                    startTimeUnixNano=1,
                    parentSpanId=1,
                )
            )
        ),
        JSON_VALUES,
        max_size=4,
    )
)
def test_any_json_span_is_read_or_refused(fields: dict[str, Any]) -> None:
    with suppress(BadRequest):
        for row in spans_from(decode(a_request(json_span(**fields)))):
            json.dumps(asdict(row) | {"received_at": None}, allow_nan=False).encode()


@settings(deadline=None, max_examples=100)
@given(position=st.integers(0, 200), byte=st.integers(0, 255))
def test_any_changed_byte_of_protobuf_is_read_or_refused(position: int, byte: int) -> None:
    def fill(span: Any) -> None:
        span.attributes.add(key="text", value=AnyValue(string_value="words " * 10))
        span.events.add(name="event").attributes.add(key="k", value=AnyValue(int_value=3))

    raw = bytearray(proto_request(fill).SerializeToString())
    raw[position % len(raw)] = byte
    with suppress(BadRequest):
        decode(bytes(raw), PROTOBUF)


# Identity of content


def test_the_content_hash_knows_the_content_and_nothing_else() -> None:
    pairs = [{"key": key, "value": {"stringValue": key}} for key in ("a", "b")]
    hashes = [
        decode(a_request(json_span(attributes=some))).rows[0].entries[0].content_hash
        for some in (pairs, pairs, pairs[:1])
    ]
    assert hashes[0] == hashes[1] != hashes[2]


# Logs


def a_log(**changes: Any) -> dict[str, Any]:
    record = {
        "traceId": TRACE_ID,
        "spanId": SPAN_ID,
        "eventName": "gen_ai.choice",
        "timeUnixNano": "5",
        "body": {"kvlistValue": {"values": [{"key": "index", "value": {"intValue": "0"}}]}},
        **changes,
    }
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}


def test_a_log_record_of_a_span_becomes_a_row() -> None:
    (row,) = logs_from(decode_log(a_log()))
    assert (row.trace_id, row.span_id, row.event_name) == (TRACE_ID, SPAN_ID, "gen_ai.choice")
    assert (row.time_ns, row.body, row.received_at) == (5, {"index": 0}, WEDNESDAY)


def test_the_name_of_an_event_may_be_an_attribute() -> None:
    named = [{"key": "event.name", "value": {"stringValue": "gen_ai.user.message"}}]
    (row,) = logs_from(decode_log(a_log(eventName="", attributes=named)))
    assert row.event_name == "gen_ai.user.message"


def test_a_log_without_a_time_has_the_time_it_was_observed() -> None:
    (row,) = logs_from(decode_log(a_log(timeUnixNano="0", observedTimeUnixNano="9")))
    assert row.time_ns == 9


@pytest.mark.parametrize("span_id", ["", "0" * 16, "abc"])
def test_a_log_of_no_span_is_no_error_and_no_row(span_id: str) -> None:
    decoded = decode_log(a_log(spanId=span_id))
    assert decoded == Decoded(unassociated=1)


def test_the_same_log_twice_is_the_same_row() -> None:
    body = a_log()
    records = body["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    records.append(dict(records[0]))
    first, second = decode_log(body).rows
    assert first == second


def test_protobuf_logs_are_read_like_json_logs() -> None:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.trace_id, record.span_id = bytes.fromhex(TRACE_ID), bytes.fromhex(SPAN_ID)
    record.event_name, record.time_unix_nano = "gen_ai.choice", 5
    record.body.kvlist_value.values.add(key="index", value=AnyValue(int_value=0))
    decoded = decode_log(request.SerializeToString(), PROTOBUF)
    assert decoded == decode_log(a_log())
    assert len(decoded.rows) == 1


def test_logs_sent_to_the_path_for_traces_are_never_stored() -> None:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add(severity_text="INFO")
    decoded = decode(request.SerializeToString(), PROTOBUF)
    assert (decoded.rows, decoded.rejected) == ([], 1)
    assert "/v1/logs" in decoded.message
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    record.body.string_value, record.event_name = "hello", "e"
    with suppress(BadRequest):
        assert decode(request.SerializeToString(), PROTOBUF).rows == []


# Replies


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_a_full_success_says_nothing(signal: Any) -> None:
    assert export_response(PROTOBUF, Decoded(), signal) == b""
    assert export_response(JSON, Decoded(), signal) == b"{}"
    assert export_response(JSON, None, signal) == b"{}"


def test_a_partial_success_says_how_many_and_why_in_the_encoding_of_the_request() -> None:
    decoded: Decoded[Chunk] = Decoded(rejected=3, message="because")
    reply = ExportTraceServiceResponse.FromString(export_response(PROTOBUF, decoded, "traces"))
    assert reply.partial_success.rejected_spans == 3
    assert reply.partial_success.error_message == "because"
    assert json.loads(export_response(JSON, decoded, "traces")) == {
        "partialSuccess": {"rejectedSpans": "3", "errorMessage": "because"}
    }
    logs = ExportLogsServiceResponse.FromString(export_response(PROTOBUF, decoded, "logs"))
    assert logs.partial_success.rejected_log_records == 3


def test_a_reply_stays_small_however_much_was_rejected() -> None:
    decoded = decode(a_request(*[json_span(traceId="bad") for _ in range(10_000)]))
    assert decoded.rejected == 10_000
    assert len(export_response(JSON, decoded, "traces")) < 10_000


def test_an_error_is_a_status_in_the_encoding_of_the_request() -> None:
    status = Status.FromString(status_body(PROTOBUF, 400, "no \ud800 good"))
    assert (status.code, status.message) == (3, "no \ufffd good")
    assert json.loads(status_body("text/xml", 503, "later")) == {"code": 14, "message": "later"}
    assert json.loads(status_body(JSON, 500, "x"))["code"] == 13
