"""The path of a trace, start to end: OTLP bytes in, verdicts, a label, a trend and a report out.

Read this first. Everything here is the real thing but the judges, which are small real plugins.
"""

from datetime import UTC, datetime

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from sqlalchemy import Engine
from starlette.testclient import TestClient

from app.criteria import Criteria
from app.settings import Settings
from tests.builders import WEDNESDAY, score_all

TRACE_ID = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
QUESTION = "When do I get my money back?"
PASSAGE = "Refunds are issued within 5 to 7 working days after the return was registered."
INVENTED = "Refunds take 5 to 7 working days. An invented bonus of 10 euros is added."


def export(response: str, *, trace_id: bytes = TRACE_ID) -> bytes:
    """The bytes an instrumented application sends for one answered question."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    add(resource.resource.attributes, "service.name", "shop")
    spans = resource.scope_spans.add().spans
    start_ns = int(WEDNESDAY.timestamp()) * 1_000_000_000
    chat = spans.add(trace_id=trace_id, span_id=b"\1" * 8, name="chat small-1")
    chat.start_time_unix_nano, chat.end_time_unix_nano = start_ns, start_ns + 2_000_000_000
    add(chat.attributes, "gen_ai.operation.name", "chat")
    add(chat.attributes, "gen_ai.request.model", "small-1")
    add(chat.attributes, "touchstone.segment.language", "en")
    add(chat.attributes, "gen_ai.input.messages", message("user", QUESTION))
    add(chat.attributes, "gen_ai.output.messages", message("assistant", response))
    retrieval = spans.add(trace_id=trace_id, span_id=b"\2" * 8, name="retrieval")
    retrieval.start_time_unix_nano = retrieval.end_time_unix_nano = start_ns
    add(retrieval.attributes, "gen_ai.operation.name", "retrieval")
    add(retrieval.attributes, "gen_ai.retrieval.documents", f'[{{"id":"a","content":"{PASSAGE}"}}]')
    return request.SerializeToString()


def add(attributes: object, key: str, value: str) -> None:
    attribute = attributes.add(key=key)  # type: ignore[attr-defined]
    attribute.value.string_value = value


def message(role: str, text: str) -> str:
    return f'[{{"role":"{role}","parts":[{{"type":"text","content":"{text}"}}]}}]'


def send(client: TestClient, body: bytes) -> None:
    reply = client.post(
        "/v1/traces", content=body, headers={"Content-Type": "application/x-protobuf"}
    )
    assert reply.status_code == 200
    assert not ExportTraceServiceResponse.FromString(reply.content).HasField("partial_success")


@pytest.fixture
def judged(client: TestClient, engine: Engine, criteria: Criteria, settings: Settings) -> str:
    """The id of an interaction that came as bytes, was assembled, and was judged."""
    send(client, export(INVENTED))
    score_all(engine, criteria, settings, now=datetime(2099, 1, 1, tzinfo=UTC))
    (row,) = client.get("/api/v1/interactions").json()["interactions"]
    return str(row["id"])


def test_the_words_arrive_with_their_provenance(client: TestClient, judged: str) -> None:
    shown = client.get(f"/api/v1/interactions/{judged}").json()
    assert (shown["prompt"], shown["response"]) == (QUESTION, INVENTED)
    assert shown["contexts"] == [PASSAGE]
    assert (shown["application"], shown["model"]) == ("shop", "small-1")
    assert shown["segments"]["language"] == "en"
    assert "gen_ai.output.messages" in str(shown["provenance"]["response"])


def test_every_criterion_has_a_verdict_with_evidence_and_origin(
    client: TestClient, judged: str
) -> None:
    shown = client.get(f"/api/v1/interactions/{judged}").json()
    verdicts = {one["criterion"]: one for one in shown["evaluations"]}
    assert {one["status"] for one in verdicts.values()} == {"scored"}
    grounded = verdicts["groundedness"]
    assert (grounded["label"], grounded["passed"], grounded["score"]) == ("ungrounded", False, 0.1)
    piece = grounded["evidence"][0]
    assert INVENTED[piece["start"] : piece["end"]] == "invented"
    assert (grounded["version"], grounded["weights_digest"]) == ("1", "ab" * 32)


def test_a_reviewer_overrules_and_both_verdicts_stay(client: TestClient, judged: str) -> None:
    label = {"interaction_id": judged, "criterion": "groundedness", "label": "grounded"}
    stored = client.post("/api/v1/annotations", json={**label, "idempotency_key": "k1"})
    again = client.post("/api/v1/annotations", json={**label, "idempotency_key": "k1"})
    assert stored.status_code in {200, 201}
    assert stored.json()["id"] == again.json()["id"]
    shown = client.get(f"/api/v1/interactions/{judged}").json()
    assert [one["final_label"] for one in shown["annotations"]] == ["grounded"]
    assert "ungrounded" in {one["label"] for one in shown["evaluations"]}


def test_trend_coverage_and_report_count_it(client: TestClient, judged: str) -> None:
    trend = client.get("/api/v1/trends", params={"criterion": "groundedness", "bucket": "week"})
    (point,) = trend.json()["points"]
    assert (point["n"], point["failing"]) == (1, 1)
    assert 0 < point["low"] < point["rate"] == 1 <= point["high"]
    counts = client.get("/api/v1/coverage").json()["criteria"]
    assert counts["groundedness"]["scored"] == 1
    report = client.get("/api/v1/reports/2026-W47").json()
    assert report["week"] == "2026-W47"
    assert judged in str(report)
    page = client.get("/reports/2026-W47")
    assert page.status_code == 200
    assert "<script" not in page.text


def test_bytes_sent_twice_are_judged_once(
    client: TestClient, engine: Engine, criteria: Criteria, settings: Settings, judged: str
) -> None:
    send(client, export(INVENTED))
    later = datetime(2099, 1, 2, tzinfo=UTC)
    assert score_all(engine, criteria, settings, now=later).judged == 0
    assert len(client.get("/api/v1/interactions").json()["interactions"]) == 1


def test_what_cannot_be_judged_says_why_and_is_no_zero(
    client: TestClient, engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    client.post("/api/v1/interactions", json={"id": "1", "prompt": "Hello?", "response": ""})
    score_all(engine, criteria, settings)
    (row,) = client.get("/api/v1/interactions").json()["interactions"]
    shown = client.get(f"/api/v1/interactions/{row['id']}").json()
    verdicts = {one["criterion"]: one for one in shown["evaluations"]}
    assert {one["status"] for one in verdicts.values()} == {"abstained"}
    assert {one["score"] for one in verdicts.values()} == {None}
    assert "the response is empty" in verdicts["toxicity"]["explanation"]
    assert "there are no contexts" in verdicts["groundedness"]["explanation"]
