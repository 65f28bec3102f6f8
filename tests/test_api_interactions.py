"""What was said and judged can be found, page by page, and only by its own project."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from app.api.shapes import InteractionDetail, InteractionList, TraceShape
from app.criteria import Criteria
from app.database import transaction
from app.settings import Settings
from tests.builders import (
    WEDNESDAY,
    a_span,
    an_interaction,
    save,
    score_all,
    some_interactions,
)
from tests.clients import a_key, an_app
from tests.telemetry import put_spans

LIST = "/api/v1/interactions"


def found(client: TestClient, **filters: Any) -> list[str]:
    answer = client.get(LIST, params=filters)
    assert answer.status_code == 200, answer.text
    shown = InteractionList.model_validate(answer.json())
    return [one.response for one in shown.interactions]


@pytest.fixture
def judged(engine: Engine, criteria: Criteria, settings: Settings) -> None:
    rows = [
        an_interaction(trace_id="1" * 32, response="All is well."),
        an_interaction(trace_id="2" * 32, response="You idiot.", application="bank"),
        an_interaction(trace_id="3" * 32, response="It is invented.", segments={"language": "de"}),
        an_interaction(trace_id="4" * 32, response="", contexts=[]),
    ]
    save(engine, rows)
    score_all(engine, criteria, settings)


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize(
    ("filters", "responses"),
    [
        ({"application": "bank"}, ["You idiot."]),
        ({"criterion": "toxicity", "label": "toxic"}, ["You idiot."]),
        ({"label": "ungrounded"}, ["It is invented."]),
        ({"criterion": "groundedness", "status": "abstained"}, [""]),
        ({"segment.language": "de"}, ["It is invented."]),
        ({"segment.language": "fr"}, []),
        ({"segment.quo\"te'": "de"}, []),
        ({"segment.a.b": "de"}, []),
        ({"text": "IDIOT"}, ["You idiot."]),
        ({"text": "100%_"}, []),
        ({"from": "2026-11-19"}, []),
        ({"to": "2026-11-18"}, []),
        ({"from": "2026-11-18T13:00:00+01:00", "application": "bank"}, ["You idiot."]),
        ({"from": "2026-11-18T12:00:01Z"}, []),
    ],
)
def test_filters_narrow_the_list(
    client: TestClient, filters: dict[str, str], responses: list[str]
) -> None:
    assert found(client, **filters) == responses


@pytest.mark.parametrize(
    ("filters", "status", "word"),
    [
        ({"aplication": "bank"}, 422, "aplication"),
        ({"criterion": "tone"}, 422, "groundedness"),
        ({"label": "great"}, 422, "ungrounded"),
        ({"status": "done"}, 422, "scored"),
        ({"limit": "many"}, 422, "limit"),
        ({"limit": "0"}, 422, "limit"),
        ({"from": "yesterday"}, 400, "2026-11-18"),
        ({"to": "2026-13-01"}, 400, "2026-11-18"),
        ({"cursor": "nonsense"}, 400, "cursor"),
        ({"application": "a\0b"}, 400, "NUL"),
    ],
)
def test_a_wrong_filter_is_refused_with_a_sentence(
    client: TestClient, filters: dict[str, str], status: int, word: str
) -> None:
    answer = client.get(LIST, params=filters)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "detail"}
    assert word in answer.json()["detail"]


def test_a_date_without_a_zone_is_in_the_zone_of_the_settings(
    settings: Settings, criteria: Criteria, engine: Engine
) -> None:
    save(engine, [an_interaction(started_at=WEDNESDAY.replace(hour=23, minute=30))])
    app = an_app(settings, criteria, time_zone="Europe/Berlin")
    with TestClient(app, "http://127.0.0.1") as client:
        assert found(client, **{"from": "2026-11-19"}) != []


def test_pages_follow_each_other_without_gaps_or_repeats(
    client: TestClient, engine: Engine
) -> None:
    save(engine, some_interactions(7))
    seen: list[str] = []
    cursor = ""
    for expected in (3, 3, 1):
        page = client.get(LIST, params={"limit": 3, "cursor": cursor}).json()
        assert len(page["interactions"]) == expected
        seen += [one["id"] for one in page["interactions"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert len(set(seen)) == 7


@pytest.mark.usefixtures("judged")
def test_one_interaction_tells_all_that_is_known(client: TestClient) -> None:
    one = an_interaction(trace_id="3" * 32)
    client.post("/api/v1/feedback", json={"trace_id": "3" * 32, "name": "thumb", "value": 0})
    label = {"interaction_id": one.id, "criterion": "groundedness", "label": "ungrounded"}
    client.post("/api/v1/annotations", json=label)
    detail = InteractionDetail.model_validate(client.get(f"{LIST}/{one.id}").json())
    by_criterion = {evaluation.criterion: evaluation for evaluation in detail.evaluations}
    assert by_criterion["groundedness"].score == 0.1
    assert by_criterion["groundedness"].evidence[0].kind == "unsupported"
    assert detail.contexts == one.contexts
    assert [annotation.final_label for annotation in detail.annotations] == ["ungrounded"]
    assert [feedback.value for feedback in detail.feedback] == [0.0]


@pytest.mark.usefixtures("judged")
def test_an_empty_response_is_abstained_and_never_scored_zero(client: TestClient) -> None:
    one = an_interaction(trace_id="4" * 32)
    evaluations = client.get(f"{LIST}/{one.id}").json()["evaluations"]
    assert len(evaluations) == 5
    assert {(one["status"], one["score"], one["passed"]) for one in evaluations} == {
        ("abstained", None, None)
    }
    assert all(one["explanation"] for one in evaluations)


def test_a_trace_shows_its_spans_and_interactions(client: TestClient, engine: Engine) -> None:
    span = a_span()
    save(engine, [an_interaction(trace_id=span.trace_id)])
    with transaction(engine) as session:
        put_spans(session, [span], now=WEDNESDAY)
    answer = client.get(f"/api/v1/traces/{span.trace_id.upper()}")
    trace = TraceShape.model_validate(answer.json())
    assert trace.spans[0].start_ns == 1_795_435_200_000_000_000
    assert [one.trace_id for one in trace.interactions] == [span.trace_id]


@pytest.mark.parametrize("path", [f"{LIST}/nothing", "/api/v1/traces/nothing", "/api/v1/nothing"])
def test_what_is_not_there_is_404(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]) == (404, "NotFound")


def test_another_projects_interaction_is_not_there(
    settings: Settings, criteria: Criteria, engine: Engine, now: datetime
) -> None:
    mine = an_interaction()
    save(engine, [mine])
    other = a_key(engine, ["read", "review"], now=now, project="other")
    label = {"interaction_id": mine.id, "criterion": "bias", "label": "none"}
    with TestClient(an_app(settings, criteria, open_access=False)) as client:
        assert client.get(LIST, headers=other).json()["interactions"] == []
        assert client.get(f"{LIST}/{mine.id}", headers=other).status_code == 404
        assert client.get(f"/api/v1/traces/{mine.trace_id}", headers=other).status_code == 404
        assert client.post("/api/v1/annotations", json=label, headers=other).status_code == 404


def test_another_method_is_405_with_what_is_allowed(client: TestClient) -> None:
    answer = client.delete("/api/v1/coverage")
    assert (answer.status_code, answer.json()["error"]) == (405, "MethodNotAllowed")
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/", "/api/v1/coverage", "/nowhere"])
def test_head_is_answered_as_get_without_the_body(client: TestClient, path: str) -> None:
    asked, whole = client.head(path), client.get(path)
    assert (asked.status_code, asked.content) == (whole.status_code, b"")
    assert asked.headers["content-type"] == whole.headers["content-type"]
    assert client.head("/v1/traces").status_code == 405
