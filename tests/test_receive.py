"""OTLP over HTTP: what is answered 200 is on disk, and every refusal can be understood."""

import gzip
import json
import zlib
from collections.abc import Iterator
from datetime import datetime

import pytest
import zstandard
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from sqlalchemy import Engine, create_engine
from sqlmodel import Session, func, select
from starlette.testclient import TestClient

import app.database
from app.criteria import Criteria
from app.settings import Settings
from app.tables import SpanEntry, Trace
from tests.clients import BODIES, JSON, PROTOBUF, TRACE_ID, a_key, an_app, otlp_json, otlp_protobuf

SIGNALS = ("traces", "logs", "metrics")
PREFIXES = ("", "/otel", "/api/public/otel")
both_encodings = pytest.mark.parametrize("encoding", [PROTOBUF, JSON])


def status_of(content: bytes, encoding: str) -> tuple[int, str]:
    if encoding == JSON:
        value = json.loads(content)
        return value["code"], value["message"]
    status = Status.FromString(content)
    return status.code, status.message


def spans_in(engine: Engine) -> int:
    with Session(engine) as session:
        return session.exec(select(func.count()).select_from(SpanEntry)).one()


@both_encodings
def test_a_200_means_that_the_spans_are_on_disk(
    client: TestClient, engine: Engine, encoding: str
) -> None:
    answer = client.post(
        "/v1/traces", content=BODIES[encoding](3), headers={"Content-Type": encoding}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, encoding)
    assert answer.content == (b"{}" if encoding == JSON else b"")
    assert spans_in(engine) == 3


@both_encodings
def test_the_same_request_again_changes_nothing(
    client: TestClient, engine: Engine, encoding: str
) -> None:
    for _ in range(2):
        answer = client.post(
            "/v1/traces", content=BODIES[encoding](3), headers={"Content-Type": encoding}
        )
        assert answer.status_code == 200
    assert spans_in(engine) == 3
    counted = client.get("/metrics").text
    assert 'touchstone_ingest_stored_total{project="default",signal="traces"} 3.0' in counted
    assert 'touchstone_ingest_duplicate_total{project="default",signal="traces"} 3.0' in counted


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("slash", ["", "/"])
def test_every_spelling_of_a_path_is_served_without_a_redirect(
    client: TestClient, signal: str, prefix: str, slash: str
) -> None:
    path = f"{prefix}/v1/{signal}{slash}"
    answer = client.post(
        path, content=b"", headers={"Content-Type": PROTOBUF}, follow_redirects=False
    )
    assert (answer.status_code, answer.content) == (200, b"")


def test_the_content_type_may_have_parameters_and_capitals(client: TestClient) -> None:
    headers = {"Content-Type": "APPLICATION/JSON; charset=utf-8"}
    assert client.post("/v1/traces", content=otlp_json(), headers=headers).status_code == 200


def test_a_bad_span_costs_only_itself_and_is_counted(client: TestClient, engine: Engine) -> None:
    answer = client.post(
        "/v1/traces", content=otlp_json(100, bad=1), headers={"Content-Type": JSON}
    )
    partial = answer.json()["partialSuccess"]
    assert (answer.status_code, partial["rejectedSpans"]) == (200, "1")
    assert "trace id" in partial["errorMessage"]
    assert spans_in(engine) == 99
    assert 'rejected_total{project="default",signal="traces"} 1.0' in client.get("/metrics").text


def test_partial_success_is_exact_in_protobuf_too(client: TestClient) -> None:
    answer = client.post(
        "/v1/traces", content=otlp_protobuf(5, bad=2), headers={"Content-Type": PROTOBUF}
    )
    response = ExportTraceServiceResponse.FromString(answer.content)
    assert response.partial_success.rejected_spans == 2


@both_encodings
@pytest.mark.parametrize("signal", ["traces", "logs"])
def test_a_malformed_body_is_400_with_a_status(
    client: TestClient, signal: str, encoding: str
) -> None:
    answer = client.post(
        f"/v1/{signal}", content=b"\xff{nonsense", headers={"Content-Type": encoding}
    )
    code, message = status_of(answer.content, encoding)
    assert (answer.status_code, code) == (400, 3)
    assert answer.headers["content-type"] == encoding
    assert message


@both_encodings
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compressed_bodies_are_read(
    client: TestClient, engine: Engine, encoding: str, coding: str
) -> None:
    compress = gzip.compress if coding == "gzip" else zlib.compress
    headers = {"Content-Type": encoding, "Content-Encoding": coding}
    answer = client.post("/v1/traces", content=compress(BODIES[encoding](2)), headers=headers)
    assert answer.status_code == 200
    assert spans_in(engine) == 2


@pytest.mark.parametrize(
    ("coding", "content"), [("br", b"x"), ("gzip", b"plain"), ("gzip, gzip", b"x")]
)
def test_an_unreadable_compression_is_400(client: TestClient, coding: str, content: bytes) -> None:
    headers = {"Content-Type": JSON, "Content-Encoding": coding}
    answer = client.post("/v1/traces", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)


@both_encodings
@pytest.mark.parametrize("inflated", [False, True])
def test_an_oversized_body_is_413_before_and_after_inflation(
    settings: Settings, criteria: Criteria, encoding: str, inflated: bool
) -> None:
    headers = {"Content-Type": encoding}
    content = b" " * 2000
    if inflated:
        content, headers["Content-Encoding"] = gzip.compress(content), "gzip"
    with TestClient(an_app(settings, criteria, max_body_bytes=1000), "http://127.0.0.1") as client:
        answer = client.post("/v1/traces", content=content, headers=headers)
    assert answer.status_code == 413
    assert status_of(answer.content, encoding)[0] == 8


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("content_type", ["text/xml", None])
def test_another_content_type_is_415(
    client: TestClient, signal: str, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = client.post(f"/v1/{signal}", content=b"<x/>", headers=headers)
    assert answer.status_code == 415
    assert "application/x-protobuf" in answer.json()["message"]


@both_encodings
def test_another_method_is_405_with_a_status(client: TestClient, encoding: str) -> None:
    answer = client.put("/v1/traces", content=b"", headers={"Content-Type": encoding})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert status_of(answer.content, encoding)[0] == 12


@both_encodings
def test_a_stranger_gets_401_and_a_wrong_scope_403_as_a_status(
    settings: Settings, criteria: Criteria, engine: Engine, now: datetime, encoding: str
) -> None:
    headers = {"Content-Type": encoding}
    reader = a_key(engine, ["read"], now=now)
    with TestClient(an_app(settings, criteria, open_access=False)) as client:
        stranger = client.post("/v1/traces", content=b"", headers=headers)
        wrong = client.post("/v1/traces", content=b"", headers={**headers, **reader})
    assert (stranger.status_code, status_of(stranger.content, encoding)[0]) == (401, 16)
    assert (wrong.status_code, status_of(wrong.content, encoding)[0]) == (403, 7)


def test_the_same_ids_in_two_projects_stay_apart(
    settings: Settings, criteria: Criteria, engine: Engine, now: datetime
) -> None:
    keys = [a_key(engine, ["ingest", "read"], now=now, project=name) for name in ("one", "two")]
    with TestClient(an_app(settings, criteria, open_access=False)) as client:
        for index, key in enumerate(keys):
            headers = {"Content-Type": JSON, **key}
            client.post("/v1/traces", content=otlp_json(index + 1), headers=headers)
        seen = [client.get(f"/api/v1/traces/{TRACE_ID}", headers=key).json() for key in keys]
    assert [len(trace["spans"]) for trace in seen] == [1, 2]


@pytest.fixture
def busy_client(
    settings: Settings, criteria: Criteria, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """A client of an application whose SQLite file another process is writing to."""
    if not settings.database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL has no lock on the whole database")
    monkeypatch.setattr(app.database, "BUSY_TIMEOUT_SECONDS", 0.05)
    other = create_engine(settings.database_url)
    with (
        TestClient(an_app(settings, criteria), "http://127.0.0.1") as client,
        other.connect() as connection,
    ):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield client
        connection.exec_driver_sql("ROLLBACK")
    other.dispose()


@both_encodings
def test_a_locked_database_is_503_with_retry_after(busy_client: TestClient, encoding: str) -> None:
    answer = busy_client.post(
        "/v1/traces", content=BODIES[encoding](), headers={"Content-Type": encoding}
    )
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert status_of(answer.content, encoding)[0] == 14


def test_a_locked_database_is_503_for_json_too(busy_client: TestClient) -> None:
    answer = busy_client.post("/api/v1/interactions", json={"prompt": "a", "response": "b"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"] == "Busy"


@both_encodings
def test_more_bodies_than_can_be_held_are_503_with_retry_after(
    settings: Settings, criteria: Criteria, encoding: str
) -> None:
    body, headers = BODIES[encoding](3), {"Content-Type": encoding}
    narrow = an_app(settings, criteria, max_pending_bytes=len(body))
    with TestClient(narrow, "http://127.0.0.1") as client:
        for _ in range(2):
            assert client.post("/v1/traces", content=body, headers=headers).status_code == 200
        narrow.state.held.n_bytes = 1
        answer = client.post("/v1/traces", content=body, headers=headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert status_of(answer.content, encoding)[0] == 14
        narrow.state.held.n_bytes -= 1
        assert client.post("/v1/traces", content=body, headers=headers).status_code == 200
        assert narrow.state.held.n_bytes == 0


def test_an_unexpected_fault_is_503_so_that_senders_keep_the_batch(
    settings: Settings, criteria: Criteria
) -> None:
    broken = an_app(settings, criteria)
    broken.state.writer = None
    client = TestClient(broken, "http://127.0.0.1", raise_server_exceptions=False)
    answer = client.post("/v1/traces", content=otlp_json(), headers={"Content-Type": JSON})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "NoneType" not in answer.text


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_batch_as_a_collector_sends_it_is_stored_whole(
    client: TestClient, engine: Engine, coding: str
) -> None:
    request = ExportTraceServiceRequest()
    for number in range(1, 8_193):
        if number % 1_024 == 1:
            around = request.resource_spans.add()
            name = f"application {number // 1_024}"
            around.resource.attributes.add(key="service.name").value.string_value = name
            spans = around.scope_spans.add().spans
        spans.add(trace_id=(number // 10 + 1).to_bytes(16), span_id=number.to_bytes(8))
    pack = {"gzip": gzip.compress, "zstd": zstandard.compress}[coding]
    headers = {"Content-Type": PROTOBUF, "Content-Encoding": coding}
    body = pack(request.SerializeToString())
    for _ in range(2):
        answer = client.post("/v1/traces", content=body, headers=headers)
        assert (answer.status_code, answer.content) == (200, b"")
    assert spans_in(engine) == 8_192
    with Session(engine) as session:
        applications = set(session.exec(select(Trace.application)))
    assert applications == {f"application {number}" for number in range(8)}
