"""Trends, coverage, readiness, and the description of the API."""

import re
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from app.answers import finite
from app.api.shapes import CoverageShape, ReadinessShape, TrendShape
from app.criteria import Criteria
from app.database import open_database, transaction
from app.requests import current_time
from app.settings import Settings
from app.store.workers import beat
from tests.builders import WEDNESDAY, an_interaction, only_reading, save, score_all
from tests.clients import PROTOBUF, otlp_protobuf

TRENDS = "/api/v1/trends"


def a_rude_week(engine: Engine, criteria: Criteria, settings: Settings) -> None:
    rows = [
        an_interaction(
            trace_id=f"{index + 1:032x}",
            response="You idiot." if index % 4 == 0 else "Fine.",
            started_at=WEDNESDAY + timedelta(days=index // 4),
            segments={"language": "de" if index % 2 else "en"},
        )
        for index in range(8)
    ]
    save(engine, rows)
    score_all(engine, criteria, settings)


def test_trends_count_failures_with_their_interval(
    client: TestClient, engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    a_rude_week(engine, criteria, settings)
    answer = client.get(TRENDS, params={"criterion": "toxicity", "bucket": "day"})
    points = TrendShape.model_validate(answer.json()).points
    assert [(point.n, point.failing, point.rate) for point in points] == [(4, 1, 0.25)] * 2
    assert points[0].low is not None
    assert points[0].high is not None
    assert 0 < points[0].low < 0.25 < points[0].high < 1
    week = client.get(TRENDS, params={"criterion": "toxicity", "bucket": "week"}).json()["points"]
    assert [point["n"] for point in week] == [8]


def test_trends_can_be_split_and_narrowed(
    client: TestClient, engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    a_rude_week(engine, criteria, settings)
    asked = {"criterion": "toxicity", "bucket": "week", "by": "language"}
    split = client.get(TRENDS, params=asked).json()["points"]
    assert {point["segment"]: point["failing"] for point in split} == {"de": 0, "en": 2}
    later = client.get(TRENDS, params={"criterion": "toxicity", "from": "2026-11-19"}).json()
    assert [point["n"] for point in later["points"]] == [4]
    other = client.get(TRENDS, params={"criterion": "toxicity", "application": "bank"}).json()
    assert other["points"] == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"criterion": "tone"}, 422),
        ({}, 422),
        ({"criterion": "bias", "bucket": "year"}, 422),
        ({"criterion": "bias", "from": "soon"}, 400),
    ],
)
def test_a_wrong_question_about_trends_is_refused(
    client: TestClient, query: dict[str, str], status: int
) -> None:
    answer = client.get(TRENDS, params=query)
    assert (answer.status_code, set(answer.json())) == (status, {"error", "detail"})


def test_coverage_tells_every_status_and_how_long_the_oldest_waits(
    client: TestClient, engine: Engine
) -> None:
    empty = CoverageShape.model_validate(client.get("/api/v1/coverage").json())
    assert (empty.criteria, empty.oldest_pending_seconds) == ({}, None)
    save(engine, [an_interaction(contexts=[])])
    client.app.dependency_overrides[current_time] = lambda: WEDNESDAY + timedelta(seconds=30)  # type: ignore[attr-defined]
    told = CoverageShape.model_validate(client.get("/api/v1/coverage").json())
    assert told.criteria["groundedness"] == {"abstained": 1}
    assert told.criteria["toxicity"] == {"pending": 1}
    assert (told.oldest_pending_at, told.oldest_pending_seconds) == (WEDNESDAY, 30)


def test_a_report_is_told_as_json_and_a_wrong_week_is_refused(client: TestClient) -> None:
    assert client.get("/api/v1/reports/2026-W47").json()["week"] == "2026-W47"
    wrong = client.get("/api/v1/reports/2026-W60")
    assert (wrong.status_code, wrong.json()["error"]) == (422, "UnknownField")


def readiness(client: TestClient) -> tuple[int, ReadinessShape]:
    answer = client.get("/readyz")
    return answer.status_code, ReadinessShape.model_validate(answer.json())


def test_readiness_tells_whether_a_worker_was_seen(
    client: TestClient, engine: Engine, now: datetime
) -> None:
    client.app.dependency_overrides[current_time] = lambda: now  # type: ignore[attr-defined]
    status, told = readiness(client)
    assert (status, told.ready) == (200, True)
    assert "no worker" in told.checks["worker"]
    with transaction(engine) as session:
        beat(session, "w1", [], {}, now=now - timedelta(seconds=61))
    assert "61 s ago" in readiness(client)[1].checks["worker"]
    with transaction(engine) as session:
        beat(session, "w2", [], {}, now=now - timedelta(seconds=59))
    assert readiness(client)[1].checks["worker"] == "ok"


def test_a_database_that_takes_no_more_is_told_and_goes_on_by_itself(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    spans, headers = otlp_protobuf(2), {"Content-Type": PROTOBUF}
    with only_reading(client.app.state.engine):  # type: ignore[attr-defined]
        for _ in range(2):
            refused = client.post("/v1/traces", content=spans, headers=headers)
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        status, told = readiness(client)
        assert (status, told.ready) == (503, False)
        assert "can be read but not be written" in told.checks["database"]
        assert client.get("/api/v1/interactions").status_code == 200
    # The first try may meet a connection that was opened meanwhile, and drops all of these.
    assert [readiness(client)[1].ready for _ in range(2)][-1]
    assert client.post("/v1/traces", content=spans, headers=headers).status_code == 200
    away, back = (one.getMessage() for one in caplog.records if "used" in one.getMessage())
    assert "senders are asked to send again" in away
    assert "can be used again" in back


def test_an_old_schema_is_not_ready(client: TestClient, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    status, told = readiness(client)
    assert (status, told.ready) == (503, False)
    assert "touchstone migrate" in told.checks["migrations"]


def test_a_database_that_does_not_answer_is_not_ready_but_the_process_is_alive(
    client: TestClient,
) -> None:
    lost = open_database("postgresql+psycopg://127.0.0.1:9/nothing")
    client.app.state.engine.dispose()  # type: ignore[attr-defined]
    client.app.state.engine = lost  # type: ignore[attr-defined]
    status, told = readiness(client)
    assert (status, told.ready) == (503, False)
    assert "database" in told.checks["database"]
    assert client.get("/healthz").json() == {"status": "ok"}
    busy = client.get("/api/v1/coverage")
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")


def test_an_unexpected_fault_tells_nothing_of_the_inside(client: TestClient) -> None:
    client.app.state.engine.dispose()  # type: ignore[attr-defined]
    client.app.state.engine, kept = None, client.app.state.engine  # type: ignore[attr-defined]
    quiet = TestClient(client.app, "http://127.0.0.1", raise_server_exceptions=False)
    answer = quiet.get("/api/v1/coverage")
    client.app.state.engine = kept  # type: ignore[attr-defined]
    assert (answer.status_code, answer.json()["error"]) == (500, "TouchstoneError")
    assert "NoneType" not in answer.text


def test_every_path_is_documented_and_every_reference_leads_somewhere(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    parts = schema["components"]["schemas"]
    references = re.findall(r'"\$ref": ?"([^"]+)"', client.get("/openapi.json").text)
    assert references
    assert all(one.removeprefix("#/components/schemas/") in parts for one in references)
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            assert operation.get("description"), path


def test_the_page_of_the_api_asks_for_nothing_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/docs")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r"https?://|<script|\bon\w+=|style=", answer.text)
    for word in ("/api/v1/score", "segment.KEY", "ScoreOut", "inclusion_probability"):
        assert word in answer.text


def test_numbers_that_json_lacks_become_null() -> None:
    assert finite({"a": [float("nan"), 1.5, float("inf")]}) == {"a": [None, 1.5, None]}
