"""What arrives as JSON is stored item by item, and nothing is lost in silence."""

import json
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select
from starlette.testclient import TestClient

from app.api.shapes import SavedShape, StoredShape
from app.tables import Evaluation, Feedback, Interaction
from tests.clients import TRACE_ID

GOOD = {"id": "1", "prompt": "When?", "response": "Soon.", "contexts": ["Soon."]}
NDJSON = {"Content-Type": "application/x-ndjson"}


def rows(engine: Engine, table: Any) -> list[Any]:
    with Session(engine) as session:
        return list(session.exec(select(table)))


def test_one_object_and_a_list_are_stored(client: TestClient, engine: Engine) -> None:
    one = client.post("/api/v1/interactions", json=GOOD)
    two = client.post("/api/v1/interactions", json=[GOOD, {**GOOD, "id": "2"}])
    assert SavedShape.model_validate(one.json()).created == 1
    assert (two.json()["created"], two.json()["unchanged"]) == (1, 1)
    assert len(rows(engine, Interaction)) == 2


def test_the_same_interaction_again_changes_nothing(client: TestClient, engine: Engine) -> None:
    client.post("/api/v1/interactions", json=GOOD)
    again = client.post("/api/v1/interactions", json=GOOD).json()
    assert (again["created"], again["changed"], again["unchanged"]) == (0, 0, 1)
    assert len(rows(engine, Evaluation)) == 5


def test_changed_words_are_a_change(client: TestClient, engine: Engine) -> None:
    client.post("/api/v1/interactions", json=GOOD)
    changed = client.post("/api/v1/interactions", json={**GOOD, "response": "Later."}).json()
    assert changed["changed"] == 1
    assert [row.response for row in rows(engine, Interaction)] == ["Later."]


def test_a_bad_line_is_answered_with_its_number_and_stops_nothing(
    client: TestClient, engine: Engine
) -> None:
    lines = [json.dumps(GOOD), "", "{broken", '{"prompt": "no response"}', "[NaN]"]
    content = "\n".join(lines).encode() + b'\n{"response": "\xff"}\n'
    answer = client.post("/api/v1/interactions", content=content, headers=NDJSON)
    body = answer.json()
    assert (answer.status_code, body["created"], body["rejected_count"]) == (200, 1, 4)
    assert [one["line"] for one in body["rejected"]] == [3, 4, 5, 6]
    assert all(one["error"].startswith(f"line {one['line']}: ") for one in body["rejected"])
    assert len(rows(engine, Interaction)) == 1


def test_a_bad_item_of_a_list_is_answered_with_its_index(client: TestClient) -> None:
    answer = client.post("/api/v1/interactions", json=[GOOD, 7, {**GOOD, "contexts": "no list"}])
    assert answer.status_code == 200
    assert [one["index"] for one in answer.json()["rejected"]] == [1, 2]


def test_a_body_without_anything_valid_is_400(client: TestClient, engine: Engine) -> None:
    answer = client.post("/api/v1/interactions", json=[{}, {"response": 7}])
    body = answer.json()
    assert (answer.status_code, body["error"], body["rejected_count"]) == (400, "BadRequest", 2)
    assert "index 0" in body["detail"]
    assert rows(engine, Interaction) == []


@pytest.mark.parametrize("path", ["/api/v1/interactions", "/api/v1/feedback", "/api/v1/score"])
@pytest.mark.parametrize(
    ("content", "kind", "status", "error"),
    [
        (b"{broken", "application/json", 400, "BadRequest"),
        (b'{"value": NaN}', "application/json", 400, "BadRequest"),
        (b"\xff", "application/json", 400, "BadRequest"),
        (b"[" * 100_000, "application/json", 400, "BadRequest"),
        (b"1" * 5_000, "application/json", 400, "BadRequest"),
        (b"<x/>", "text/xml", 415, "UnsupportedMediaType"),
    ],
)
def test_a_body_that_is_no_json_gets_a_sentence(
    client: TestClient, path: str, content: bytes, kind: str, status: int, error: str
) -> None:
    answer = client.post(path, content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert set(answer.json()) == {"error", "detail"}


def test_hostile_text_is_stored_on_both_databases(client: TestClient) -> None:
    words = '{"id": "x", "prompt": "a\\u0000b", "response": "\\ud800 </script>", "contexts": []}'
    headers = {"Content-Type": "application/json"}
    assert client.post("/api/v1/interactions", content=words, headers=headers).status_code == 200
    listed = client.get("/api/v1/interactions").json()["interactions"]
    assert (listed[0]["prompt"], listed[0]["response"]) == ("a\ufffdb", "\ufffd </script>")


def test_feedback_is_stored_once(client: TestClient, engine: Engine) -> None:
    thumb = {"trace_id": TRACE_ID, "name": "thumb", "value": 1, "user_id": "anna"}
    first = client.post("/api/v1/feedback", json=thumb).json()
    again = client.post("/api/v1/feedback", json=[thumb, {**thumb, "value": 0}, {}]).json()
    assert StoredShape.model_validate(first).stored == 1
    assert (again["stored"], again["duplicate"], again["rejected_count"]) == (1, 1, 1)
    assert {row.user_hash for row in rows(engine, Feedback)}.isdisjoint({"anna", None})


def test_langfuse_scores_become_feedback(client: TestClient, engine: Engine) -> None:
    score = {
        "traceId": TRACE_ID,
        "name": "helpful",
        "value": 0.5,
        "dataType": "NUMERIC",
        "comment": "so so",
    }
    one = client.post("/api/public/scores", json=score)
    several = client.post("/api/public/scores", json=[{**score, "value": "bad"}, {"name": "x"}])
    assert one.json()["id"]
    assert (several.status_code, several.json()["rejected_count"]) == (200, 1)
    assert sorted(str(row.value) for row in rows(engine, Feedback)) == ["0.5", "None"]


def test_a_langfuse_batch_takes_scores_and_says_what_it_leaves_out(client: TestClient) -> None:
    score = {"traceId": TRACE_ID, "name": "helpful", "value": 1}
    batch = [
        {"id": "a", "type": "score-create", "body": score},
        {"id": "b", "type": "trace-create", "body": {}},
        "nonsense",
    ]
    answer = client.post("/api/public/ingestion", json={"batch": batch})
    assert answer.status_code == 207
    assert answer.json()["successes"] == [{"id": "a", "status": 201}]
    assert [one["id"] for one in answer.json()["errors"]] == ["b", None]
    assert client.post("/api/public/ingestion", json=[]).status_code == 400
