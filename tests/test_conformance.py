"""OTLP/HTTP conformance, by the numbers of the suite: C01 to C55 here, C56 to C69 as replays.

Every answer on an OTLP path is checked alike: no redirect, the encoding of the request, an export
response or a `Status`, and `Retry-After` with every 503.
"""

import base64
import gzip
import json
import random
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from google.rpc.status_pb2 import Status
from httpx import Response
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
from sqlalchemy import Engine
from starlette.testclient import TestClient

from app.criteria import Criteria
from app.database import reading
from app.ingest.stored import logs_of, spans_of
from app.ingest.telemetry import Span
from app.settings import Settings
from tests.clients import JSON, PROTOBUF, TRACE_ID, a_key, an_app

ENCODINGS, SIGNALS = (PROTOBUF, JSON), ("traces", "logs")
SPAN_ID = "eee19b7ec3c1b174"
LIMIT = 100_000
REQUESTS = {"traces": ExportTraceServiceRequest, "logs": ExportLogsServiceRequest}
RESPONSES = {"traces": ExportTraceServiceResponse, "logs": ExportLogsServiceResponse}
PAYLOADS = sorted(Path(__file__).with_name("payloads").glob("*.jsonl"))

everywhere = pytest.mark.parametrize(
    ("signal", "encoding"), [(s, e) for s in SIGNALS for e in ENCODINGS]
)


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: what the wire looks like does not depend on the database."""
    shutil.copy(sqlite_template, tmp_path / "test.db")
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest.fixture
def client(settings: Settings, criteria: Criteria) -> Iterator[TestClient]:
    app = an_app(settings, criteria, max_body_bytes=LIMIT)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def one(signal: str, encoding: str, **fields: Any) -> bytes:
    """A request with one span or log record; the fields are of its JSON form."""
    named = {"name": "chat"} if signal == "traces" else {"eventName": "e"}
    item = {"traceId": TRACE_ID, "spanId": SPAN_ID, **named, **fields}
    if encoding == JSON:
        scope, items = (
            ("scopeSpans", "spans") if signal == "traces" else ("scopeLogs", "logRecords")
        )
        return json.dumps({f"resource{scope[5:]}": [{scope: [{items: [item]}]}]}).encode()
    request: Any = REQUESTS[signal]()
    if signal == "traces":
        added = request.resource_spans.add().scope_spans.add().spans.add(name="chat")
    else:
        added = request.resource_logs.add().scope_logs.add().log_records.add(event_name="e")
    added.trace_id, added.span_id = bytes.fromhex(TRACE_ID), bytes.fromhex(SPAN_ID)
    return bytes(request.SerializeToString())


def padded(signal: str, encoding: str, size: int) -> bytes:
    """A valid request of exactly that many bytes."""
    body = one(signal, encoding)
    if encoding == JSON:
        return body + b" " * (size - len(body))
    while len(body) + 60_000 < size:
        body += one(signal, encoding)
    # An unknown field of the wire format, which every reader skips.
    rest = size - len(body) - 5
    return body + bytes([15 << 3 | 2]) + _varint(rest, 4) + bytes(rest)


def _varint(value: int, width: int) -> bytes:
    parts = [(value >> 7 * n & 0x7F) | 0x80 for n in range(width)]
    return bytes([*parts[:-1], parts[-1] & 0x7F])


def send(
    client: TestClient, signal: str, encoding: str | None, body: Any, path: str = "", **headers: str
) -> Response:
    """The answer, after the checks that hold for every answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if encoding is not None:
        named.setdefault("content-type", encoding)
    answer = client.post(
        path or f"/v1/{signal}", content=body, headers=named, follow_redirects=False
    )
    check(answer, signal, named.get("content-type", ""))
    return answer


def check(answer: Response, signal: str, content_type: str) -> None:
    assert not 300 <= answer.status_code < 400
    assert answer.status_code != 500
    in_protobuf = content_type.strip().lower().startswith(PROTOBUF)
    assert answer.headers["content-type"] == (PROTOBUF if in_protobuf else JSON)
    assert (answer.headers.get("retry-after") == "1") == (answer.status_code == 503)
    kind = RESPONSES[signal] if answer.status_code == 200 else Status
    if in_protobuf:
        kind.FromString(answer.content)
    elif answer.status_code != 200:
        assert set(answer.json()) == {"code", "message"}
    text = answer.content.decode("utf-8", "replace")
    assert not any(word in text for word in ("Traceback", "sqlite3", "SELECT", ".py"))


def message_of(answer: Response, encoding: str) -> str:
    if encoding == JSON:
        return str(answer.json()["message"])
    return str(Status.FromString(answer.content).message)


def rejected(answer: Response, encoding: str) -> int:
    if encoding == JSON:
        return int(answer.json().get("partialSuccess", {}).get("rejectedSpans", 0))
    return ExportTraceServiceResponse.FromString(answer.content).partial_success.rejected_spans


def stored(engine: Engine) -> list[Span]:
    with reading(engine) as session:
        return spans_of(session, "default", TRACE_ID)


def count(engine: Engine, signal: str) -> int:
    with reading(engine) as session:
        reader = spans_of if signal == "traces" else logs_of
        return len(reader(session, "default", TRACE_ID))


# Transport


@everywhere
def test_c01_a_valid_request_is_200_and_the_answer_says_nothing_more(
    client: TestClient, engine: Engine, signal: str, encoding: str
) -> None:
    answer = send(client, signal, encoding, one(signal, encoding))
    assert (answer.status_code, answer.content) == (200, b"{}" if encoding == JSON else b"")
    assert count(engine, signal) == 1


@everywhere
def test_c02_to_c05_types_methods_and_slashes(
    client: TestClient, signal: str, encoding: str
) -> None:
    body = one(signal, encoding)
    for spelling in (f"{encoding}; charset=utf-8", encoding.upper(), f" {encoding} ;x=y"):
        assert send(client, signal, spelling, body).status_code == 200
    for wrong in (None, "text/xml", "application/grpc", "multipart/form-data"):
        assert send(client, signal, wrong, body).status_code == 415
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        headers = {"content-type": encoding}
        answer = client.request(method, f"/v1/{signal}", headers=headers, follow_redirects=False)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        check(answer, signal, encoding)
    for path in (f"/v1/{signal}/", f"/otel/v1/{signal}", f"/api/public/otel/v1/{signal}/"):
        assert send(client, signal, encoding, body, path).status_code == 200


PACKED: dict[str, tuple[str, Callable[[bytes], bytes], int]] = {
    "C06 gzip": ("gzip", gzip.compress, 200),
    "C07 deflate": ("deflate", zlib.compress, 200),
    "C07 zstd": ("zstd", zstandard.compress, 200),
    "C08 plain body called gzip": ("gzip", bytes, 400),
    "C09 truncated gzip": ("gzip", lambda body: gzip.compress(body)[:-5], 400),
    "C10 gzip of two members": (
        "gzip",
        lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:]),
        200,
    ),
    "C11 unknown encoding": ("br", bytes, 400),
    "C12 double encoding": ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body)), 400),
}


@everywhere
@pytest.mark.parametrize("case", PACKED)
def test_c06_to_c12_content_encodings(
    client: TestClient, engine: Engine, signal: str, encoding: str, case: str
) -> None:
    coding, pack, status = PACKED[case]
    body = pack(one(signal, encoding))
    answer = send(client, signal, encoding, body, content_encoding=coding)
    assert answer.status_code == status
    assert count(engine, signal) == (1 if status == 200 else 0)


@everywhere
def test_c13_and_c17_a_body_in_chunks_and_an_offer_to_pack_the_answer(
    client: TestClient, engine: Engine, signal: str, encoding: str
) -> None:
    body = one(signal, encoding)
    chunks = (body[n : n + 7] for n in range(0, len(body), 7))
    assert send(client, signal, encoding, chunks, accept_encoding="gzip").status_code == 200
    assert count(engine, signal) == 1


# Size


@everywhere
def test_c19_to_c21_the_limit_counts_before_and_after_inflation(
    client: TestClient, signal: str, encoding: str
) -> None:
    exact, over = padded(signal, encoding, LIMIT), padded(signal, encoding, LIMIT + 1)
    assert (len(exact), len(over)) == (LIMIT, LIMIT + 1)
    assert send(client, signal, encoding, exact).status_code == 200
    assert send(client, signal, encoding, over).status_code == 413
    for coding, pack in (("gzip", gzip.compress), ("zstd", zstandard.compress)):
        packed = {"content_encoding": coding}
        assert send(client, signal, encoding, pack(exact), **packed).status_code == 200
        assert send(client, signal, encoding, pack(over), **packed).status_code == 413
        bomb = pack(bytes(50_000_000))
        assert send(client, signal, encoding, bomb, **packed).status_code == 413


def test_c22_a_lying_content_length_does_not_lift_the_limit(client: TestClient) -> None:
    over = padded("traces", JSON, LIMIT + 1)
    chunks = (over[n : n + 10_000] for n in range(0, len(over), 10_000))
    assert send(client, "traces", JSON, chunks, content_length="5").status_code == 413


def test_c23_the_answer_to_a_hundred_thousand_rejected_spans_is_small(
    settings: Settings, criteria: Criteria
) -> None:
    span = b"\x12\x03\x0a\x01\x00"
    scope = b"\x12" + _varint(len(span) * 100_000, 4) + span * 100_000
    body = b"\x0a" + _varint(len(scope), 4) + scope
    with TestClient(an_app(settings, criteria), base_url="http://127.0.0.1") as client:
        answer = send(client, "traces", PROTOBUF, body)
    assert (answer.status_code, rejected(answer, PROTOBUF)) == (200, 100_000)
    assert len(answer.content) < 4_000


# Semantics

EMPTY = ["{}", '{"resourceSpans": []}', '{"resourceSpans": [{}]}', ""]
EMPTY += ['{"resourceSpans": [{"scopeSpans": [{}]}]}', '{"resourceSpans": [{"resource": {}}]}']
EMPTY += ['{"resource_spans": [{"scope_spans": [{"spans": [{}]}]}]}', '{"unknown": [1, {"a": 2}]}']


@pytest.mark.parametrize("body", EMPTY)
def test_c24_to_c29_and_c35_what_holds_no_span_is_a_success(
    client: TestClient, engine: Engine, body: str
) -> None:
    assert send(client, "traces", JSON, body.encode()).content == b"{}"
    assert send(client, "traces", PROTOBUF, b"").content == b""
    assert stored(engine) == []


def test_c30_upper_and_lower_case_are_the_same_id(client: TestClient, engine: Engine) -> None:
    for trace_id, span_id in ((TRACE_ID, SPAN_ID), (TRACE_ID.upper(), SPAN_ID.upper())):
        body = one("traces", JSON, traceId=trace_id, spanId=span_id)
        assert rejected(send(client, "traces", JSON, body), JSON) == 0
    assert send(client, "traces", PROTOBUF, one("traces", PROTOBUF)).status_code == 200
    assert len(stored(engine)) == 1


BAD_IDS = [
    "",
    "00",
    "5b" * 15,
    "5b" * 17,
    "0" * 32,
    "zz" * 16,
    "5b 8e" * 8,
    "W47/95gDgQPSabYzgT/GDA==",
]


@pytest.mark.parametrize("bad", BAD_IDS)
def test_c31_a_bad_id_costs_only_its_own_span(client: TestClient, engine: Engine, bad: str) -> None:
    spans = [{"traceId": bad, "spanId": SPAN_ID}, {"traceId": TRACE_ID, "spanId": bad}]
    spans.append({"traceId": TRACE_ID, "spanId": SPAN_ID})
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
    answer = send(client, "traces", JSON, body)
    assert (answer.status_code, rejected(answer, JSON)) == (200, 2)
    assert len(stored(engine)) == 1


TOLERATED: dict[str, dict[str, Any]] = {
    "C32 empty parent": {"parentSpanId": ""},
    "C32 unknown parent": {"parentSpanId": "ab" * 8},
    "C32 own parent": {"parentSpanId": SPAN_ID},
    "C33 kind 0": {"kind": 0},
    "C33 kind 99": {"kind": 99},
    "C33 status 7": {"status": {"code": 7}},
    "C36 unknown fields": {"new": {"deep": [1]}, "status": {"later": True}},
    "C37 integers": {
        "attributes": [
            {"key": "a", "value": {"intValue": str(2**63 - 1)}},
            {"key": "b", "value": {"intValue": -(2**63)}},
            {"key": "c", "value": {"intValue": 11}},
        ]
    },
    "C38 kinds of values": {
        "attributes": [
            {"key": "empty", "value": {}},
            {"key": "none"},
            {"key": "list", "value": {"arrayValue": {"values": [{"kvlistValue": {}}, {}]}}},
            {"key": "bytes", "value": {"bytesValue": "AAE="}},
            {"key": "index", "value": {"stringValueStrindex": 3}},
        ]
    },
    "C39 numbers that are none": {
        "attributes": [
            {"key": "a", "value": {"doubleValue": "NaN"}},
            {"key": "b", "value": {"doubleValue": "-Infinity"}},
        ]
    },
    "C41 one key twice": {
        "attributes": [{"key": "a", "value": {"intValue": n}} for n in (1, 2)],
    },
    "C44 no times": {"startTimeUnixNano": 0, "endTimeUnixNano": "0"},
    "C44 end before start": {"startTimeUnixNano": "9", "endTimeUnixNano": "5"},
    "C44 the largest time": {"startTimeUnixNano": str(2**64 - 1)},
}


@pytest.mark.parametrize("case", TOLERATED)
def test_c32_to_c44_what_is_odd_is_stored(client: TestClient, engine: Engine, case: str) -> None:
    answer = send(client, "traces", JSON, one("traces", JSON, **TOLERATED[case]))
    assert (answer.status_code, answer.content) == (200, b"{}")
    (span,) = stored(engine)
    json.dumps(span.attributes, allow_nan=False)
    if case.startswith("C41"):
        assert span.attributes == {"a": 2}
    if case == "C44 the largest time":
        assert span.start_ns == 0


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "C34 an enum by its name": ({"kind": "SPAN_KIND_SERVER"}, "kind"),
    "C37 an integer that is none": ({"startTimeUnixNano": "abc"}, "startTimeUnixNano"),
    "C40 attributes as an object": ({"attributes": {"a": "b"}}, "spans[0].attributes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_c34_to_c40_what_cannot_be_understood_is_400_and_names_the_place(
    client: TestClient, case: str
) -> None:
    fields, place = REFUSED[case]
    answer = send(client, "traces", JSON, one("traces", JSON, **fields))
    assert answer.status_code == 400
    assert place in message_of(answer, JSON)


def test_c42_and_c43_all_that_a_span_says_can_be_read_again(
    client: TestClient, engine: Engine
) -> None:
    pair = [{"key": "k", "value": {"stringValue": "v"}}]
    span = {
        "traceId": TRACE_ID,
        "spanId": SPAN_ID,
        "traceState": "vendor=1",
        "flags": 257,
        "droppedAttributesCount": 1,
        "droppedEventsCount": 2,
        "droppedLinksCount": 3,
        "events": [{"name": "e", "timeUnixNano": "7", "attributes": pair}],
        "links": [{"traceId": "ab" * 16, "spanId": "cd" * 8, "attributes": pair}],
    }
    scope = {"scope": {"name": "tracer", "version": "2"}, "schemaUrl": "https://schema/2"}
    around = {"resource": {"attributes": pair}, "scopeSpans": [{**scope, "spans": [span]}]}
    send(client, "traces", JSON, json.dumps({"resourceSpans": [around]}).encode())
    (read,) = client.get(f"/api/v1/traces/{TRACE_ID}").json()["spans"]
    assert (read["trace_state"], read["flags"]) == ("vendor=1", 257)
    assert read["dropped"] == {"attributes": 1, "events": 2, "links": 3}
    assert read["events"] == [{"name": "e", "time_ns": 7, "attributes": {"k": "v"}}]
    assert read["links"][0]["span_id"] == "cd" * 8
    assert (read["scope"], read["scope_version"], read["schema_url"]) == (
        "tracer",
        "2",
        "https://schema/2",
    )
    assert read["resource"] == {"k": "v"}


# Mixed


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_c45_logs_on_the_path_for_traces_are_never_stored_as_spans(
    client: TestClient, engine: Engine, encoding: str
) -> None:
    answer = send(client, "traces", encoding, one("logs", encoding, severityText="INFO"))
    assert answer.status_code in (200, 400)
    assert stored(engine) == []


@settings(deadline=None, max_examples=150)
@given(
    body=st.binary(max_size=200) | st.text(max_size=60).map(str.encode),
    signal=st.sampled_from(SIGNALS),
    encoding=st.sampled_from(ENCODINGS),
    coding=st.sampled_from(["", "gzip", "deflate", "zstd"]),
)
def test_c46_any_bytes_are_answered_and_never_with_a_fault_of_ours(
    fuzzed: TestClient, body: bytes, signal: str, encoding: str, coding: str
) -> None:
    answer = send(fuzzed, signal, encoding, body, content_encoding=coding)
    assert answer.status_code in (200, 400)


@pytest.fixture(scope="module")
def fuzzed(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, criteria: Criteria
) -> Iterator[TestClient]:
    """One application for all random bodies, so that thousands of them take seconds."""
    path = tmp_path_factory.mktemp("fuzzed") / "fuzzed.db"
    shutil.copy(sqlite_template, path)
    wide = Settings(database_url=f"sqlite:///{path}", open_access=True)
    with TestClient(an_app(wide, criteria), base_url="http://127.0.0.1") as client:
        yield client


@settings(deadline=None, max_examples=100)
@given(path=st.sampled_from(PAYLOADS), seed=st.integers(0, 2**32))
def test_c46_any_damage_to_what_real_clients_send_is_answered(
    fuzzed: TestClient, path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    request = json.loads(dice.choice(path.read_text(encoding="utf-8").splitlines()[1:]))
    body = bytearray(base64.b64decode(request["body"]))
    if request["content_encoding"] == "gzip":
        body = bytearray(gzip.decompress(body))
    for _ in range(dice.randrange(1, 6)):
        body[dice.randrange(len(body))] = dice.randrange(256)
    if "/v1/" in request["path"]:
        signal = "logs" if "logs" in request["path"] else "traces"
        if "metrics" not in request["path"]:
            answer = send(fuzzed, signal, request["content_type"], bytes(body))
            assert answer.status_code in (200, 400)


@everywhere
def test_c48_a_request_that_is_sent_again_changes_nothing(
    client: TestClient, engine: Engine, signal: str, encoding: str
) -> None:
    for _ in range(3):
        assert send(client, signal, encoding, one(signal, encoding)).status_code == 200
    assert count(engine, signal) == 1


def test_c49_one_bad_span_among_a_hundred(client: TestClient, engine: Engine) -> None:
    spans = [{"traceId": TRACE_ID, "spanId": f"{n:016x}"} for n in range(100)]
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
    answer = send(client, "traces", JSON, body)
    assert (answer.status_code, rejected(answer, JSON)) == (200, 1)
    assert len(stored(engine)) == 99


# Errors


@everywhere
def test_c47_and_c50_keys_say_whose_it_is_and_who_may(
    settings: Settings, criteria: Criteria, engine: Engine, now: Any, signal: str, encoding: str
) -> None:
    body = one(signal, encoding)
    good = {name: a_key(engine, ["ingest"], now=now, project=name) for name in ("one", "two")}
    wrong = a_key(engine, ["read"], now=now)
    with TestClient(an_app(settings, criteria, open_access=False)) as client:
        for headers, status in (
            (good["one"], 200),
            (good["two"], 200),
            (wrong, 403),
            ({}, 401),
            ({"Authorization": "Bearer ts_0123456789abcdef_nonsense"}, 401),
        ):
            answer = send(client, signal, encoding, body, **headers)
            assert answer.status_code == status
    with reading(engine) as session:
        reader = spans_of if signal == "traces" else logs_of
        found = [len(reader(session, name, TRACE_ID)) for name in ("one", "two", "default")]
    assert found == [1, 1, 0]


@everywhere
def test_c51_a_database_that_is_gone_is_503(
    settings: Settings, criteria: Criteria, tmp_path: Path, signal: str, encoding: str
) -> None:
    gone = an_app(settings, criteria, database_url=f"sqlite:///{tmp_path}/nowhere/x.db")
    with TestClient(gone, base_url="http://127.0.0.1") as client:
        assert send(client, signal, encoding, one(signal, encoding)).status_code == 503


@everywhere
def test_c52_and_c55_more_than_can_be_held_is_503(
    client: TestClient, signal: str, encoding: str
) -> None:
    held = client.app.state.held  # type: ignore[attr-defined]
    held.n_bytes = 10**12
    assert send(client, signal, encoding, one(signal, encoding)).status_code == 503
    held.n_bytes = 0
    assert send(client, signal, encoding, one(signal, encoding)).status_code == 200


@everywhere
def test_c53_and_c54_a_fault_of_ours_is_503_and_tells_nothing_of_the_inside(
    client: TestClient, signal: str, encoding: str
) -> None:
    state = client.app.state  # type: ignore[attr-defined]
    writer, state.writer = state.writer, None
    answer = send(client, signal, encoding, one(signal, encoding))
    state.writer = writer
    assert answer.status_code == 503
    assert "NoneType" not in message_of(answer, encoding)


# Interoperation


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_c56_to_c68_what_real_clients_sent_is_taken_byte_for_byte(
    settings: Settings, criteria: Criteria, path: Path
) -> None:
    with TestClient(an_app(settings, criteria), base_url="http://127.0.0.1") as client:
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            request = json.loads(line)
            answer = client.post(
                request["path"],
                content=base64.b64decode(request["body"]),
                headers={
                    "content-type": request["content_type"],
                    "content-encoding": request["content_encoding"],
                },
            )
            assert answer.status_code in (200, 207), answer.text
            if "/v1/" in request["path"]:
                assert answer.content in (b"", b"{}")


def test_c69_records_as_the_specification_shows_them(client: TestClient, engine: Engine) -> None:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]}
    scope = {
        "name": "my.library",
        "version": "1.0.0",
        "attributes": [{"key": "my.scope.attribute", "value": {"stringValue": "some scope"}}],
    }
    event = {
        "timeUnixNano": "1544712660300000000",
        "observedTimeUnixNano": "1544712660300000000",
        "severityNumber": 10,
        "severityText": "Information",
        "traceId": TRACE_ID.upper(),
        "spanId": SPAN_ID.upper(),
        "eventName": "browser.page_view",
        "body": {"kvlistValue": {"values": [{"key": "type", "value": {"intValue": "0"}}]}},
        "attributes": [{"key": "page", "value": {"stringValue": "/"}}],
    }
    logs = {"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": [event]}]}
    assert send(client, "logs", JSON, json.dumps({"resourceLogs": [logs]})).content == b"{}"
    with reading(engine) as session:
        (record,) = logs_of(session, "default", TRACE_ID)
    assert (record.event_name, record.body) == ("browser.page_view", {"type": 0})
