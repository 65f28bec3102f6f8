"""What Prometheus is told is right, and only about the caller's own project."""

from datetime import datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine
from starlette.testclient import TestClient

from app.criteria import Criteria
from app.requests import current_time
from app.settings import Settings
from tests.builders import WEDNESDAY, an_interaction, save, score_all, some_interactions
from tests.clients import JSON, a_key, an_app, otlp_json

Labels = tuple[tuple[str, str], ...]


def scrape(
    client: TestClient, headers: dict[str, str] | None = None
) -> dict[tuple[str, Labels], float]:
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_evaluations_scores_and_the_queue_are_told(
    client: TestClient, engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    save(engine, [an_interaction(response="Fine."), an_interaction(trace_id="2" * 32, contexts=[])])
    score_all(engine, criteria, settings)
    save(engine, some_interactions(3, response="Not yet judged."))
    client.app.dependency_overrides[current_time] = lambda: WEDNESDAY + timedelta(seconds=90)  # type: ignore[attr-defined]
    told = scrape(client)
    by_status = {
        status: told["touchstone_evaluations", (("criterion", "groundedness"), ("status", status))]
        for status in ("pending", "scored", "abstained", "failed")
    }
    assert by_status == {"pending": 3, "scored": 1, "abstained": 1, "failed": 0}
    assert told["touchstone_queue_depth", ()] == 15
    assert told["touchstone_queue_oldest_seconds", ()] == 90


def test_scores_are_a_cumulative_histogram(
    client: TestClient, engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    rows = some_interactions(2, response="Fine.")
    save(engine, [*rows, an_interaction(trace_id="a" * 32, response="You idiot.")])
    score_all(engine, criteria, settings)
    told = scrape(client)
    toxicity = ("criterion", "toxicity")
    buckets = [
        value
        for (name, labels), value in told.items()
        if name == "touchstone_score_bucket" and toxicity in labels
    ]
    assert (len(buckets), buckets[0], buckets[-1]) == (20, 0, 3)
    assert buckets == sorted(buckets)
    assert told["touchstone_score_count", (toxicity,)] == 3
    assert abs(told["touchstone_score_sum", (toxicity,)] - 1.05) < 1e-9


def test_latency_is_told_by_route_and_not_by_path(client: TestClient) -> None:
    for path in ("/api/v1/interactions/secret-id", "/wp-login.php", "/api/v1/criteria"):
        client.get(path)
    told = scrape(client)
    routes = {dict(labels).get("route") for _, labels in told} - {None}
    assert {"/api/v1/interactions/{id}", "/api/v1/criteria", "unmatched"} <= routes
    assert "secret-id" not in client.get("/metrics").text
    missing = (("method", "GET"), ("route", "/api/v1/interactions/{id}"), ("status", "404"))
    assert told["touchstone_request_seconds_count", missing] == 1


def test_a_key_sees_its_own_project_only(
    settings: Settings, criteria: Criteria, engine: Engine, now: datetime
) -> None:
    mine, other = (
        a_key(engine, ["ingest", "read"], now=now, project=name) for name in ("mine", "other")
    )
    save(engine, [an_interaction(project="other")])
    with TestClient(an_app(settings, criteria, open_access=False)) as client:
        for key in (mine, other):
            client.post("/v1/traces", content=otlp_json(2), headers={"Content-Type": JSON, **key})
        told = client.get("/metrics", headers=mine).text
    assert 'touchstone_ingest_stored_total{project="mine",signal="traces"} 2.0' in told
    assert "other" not in told
    assert "touchstone_queue_depth 0.0" in told


def test_two_applications_count_apart(
    client: TestClient, settings: Settings, criteria: Criteria
) -> None:
    client.get("/api/v1/criteria")
    with TestClient(an_app(settings, criteria), "http://127.0.0.1") as second:
        assert 'route="/api/v1/criteria"' not in second.get("/metrics").text
