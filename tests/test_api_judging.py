"""Scoring on demand, labels by people, and what there is to judge by."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select
from starlette.testclient import TestClient

from app.api.judging import MOST_ITEMS
from app.api.shapes import AnnotationShape, CriteriaList, EvaluatorList, ScoreOut
from app.criteria import Criteria
from app.main import create_app
from app.settings import Settings
from app.tables import Annotation, Interaction
from tests.builders import FAKE_EVALUATORS, an_interaction, save
from tests.clients import a_key, an_app

GROUNDED = {"prompt": "When?", "response": "In 5 days.", "contexts": ["Within 5 days."]}
LABEL = {"criterion": "groundedness", "label": "ungrounded"}


def score(client: TestClient, *items: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/v1/score", json={"items": items, **more})
    assert answer.status_code == 200, answer.text
    ScoreOut.model_validate(answer.json())
    return [
        {one["criterion"]: one for one in item["evaluations"]} for item in answer.json()["items"]
    ]


def test_items_are_judged_in_order_and_nothing_is_stored(
    client: TestClient, engine: Engine
) -> None:
    rude = {**GROUNDED, "response": "Read it yourself, idiot."}
    first, second = score(client, GROUNDED, rude)
    assert (first["toxicity"]["label"], second["toxicity"]["label"]) == ("none", "toxic")
    assert (first["toxicity"]["passed"], second["toxicity"]["passed"]) == (True, False)
    assert len(first) == 5
    with Session(engine) as session:
        assert session.exec(select(Interaction)).all() == []


def test_only_the_criteria_asked_for_are_judged(client: TestClient) -> None:
    (only,) = score(client, GROUNDED, criteria=["bias"])
    assert list(only) == ["bias"]


def test_missing_contexts_abstain_and_never_score_zero(client: TestClient) -> None:
    for item in ({"prompt": "a", "response": "b"}, {**GROUNDED, "contexts": ["  "]}):
        (evaluations,) = score(client, item)
        groundedness = evaluations["groundedness"]
        assert (groundedness["status"], groundedness["score"]) == ("abstained", None)
        assert groundedness["passed"] is None
        assert evaluations["toxicity"]["status"] == "scored"


def test_an_empty_response_abstains(client: TestClient) -> None:
    (evaluations,) = score(client, {**GROUNDED, "response": ""}, criteria=["toxicity"])
    assert evaluations["toxicity"]["status"] == "abstained"
    assert "empty" in evaluations["toxicity"]["explanation"]


def test_thoughts_before_an_answer_are_not_judged_and_evidence_keeps_its_place(
    client: TestClient,
) -> None:
    said = "<think>He is an idiot.</think>\n\nSee, idiot: 5 days."
    kind = {**GROUNDED, "response": said.replace("See, idiot: ", "")}
    silent = {**GROUNDED, "response": "<think>Nothing to say.</think>"}
    first, second, third = score(client, kind, {**GROUNDED, "response": said}, silent)
    assert first["toxicity"]["label"] == "none"
    (piece,) = second["toxicity"]["evidence"]
    assert said[piece["start"] : piece["end"]] == "idiot"
    assert piece["start"] == said.rindex("idiot")
    assert "empty" in third["toxicity"]["explanation"]


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"items": [GROUNDED], "criteria": ["tone"]}, 422, "tone"),
        ({"items": [{**GROUNDED, "answer": "x"}]}, 422, "items.0.answer"),
        ({"items": [{**GROUNDED, "contexts": "x"}]}, 422, "items.0.contexts"),
        ({"items": "x"}, 422, "items"),
        ({}, 422, "items"),
        ([], 422, "dictionary"),
        ({"items": [{}] * (MOST_ITEMS + 1)}, 413, str(MOST_ITEMS)),
    ],
)
def test_a_wrong_request_to_score_is_refused(
    client: TestClient, body: Any, status: int, word: str
) -> None:
    answer = client.post("/api/v1/score", json=body)
    assert (answer.status_code, set(answer.json())) == (status, {"error", "detail"})
    assert word in answer.json()["detail"]


def test_a_criterion_that_no_evaluator_judges_is_refused(
    settings: Settings, criteria: Criteria
) -> None:
    app = create_app(settings, evaluators=FAKE_EVALUATORS[:1], criteria=criteria)
    with TestClient(app, "http://127.0.0.1") as client:
        answer = client.post("/api/v1/score", json={"items": [], "criteria": ["bias"]})
    assert (answer.status_code, answer.json()["error"]) == (422, "UnknownField")


def test_a_label_is_stored_with_its_guideline_version(
    client: TestClient, engine: Engine, criteria: Criteria
) -> None:
    one = an_interaction()
    save(engine, [one])
    body = {**LABEL, "interaction_id": one.id, "blind": True, "comment": "a\0b", "seconds": 4}
    stored = AnnotationShape.model_validate(client.post("/api/v1/annotations", json=body).json())
    assert (stored.blind_label, stored.final_label) == ("ungrounded", "ungrounded")
    assert (stored.reviewer, stored.comment) == ("open access", "a\ufffdb")
    assert stored.guideline_version == criteria.get("groundedness").guideline_version


def test_the_same_idempotency_key_stores_one_annotation(client: TestClient, engine: Engine) -> None:
    one = an_interaction()
    save(engine, [one])
    body = {**LABEL, "interaction_id": one.id, "idempotency_key": "k1"}
    answers = [client.post("/api/v1/annotations", json=body).json()["id"] for _ in range(2)]
    assert len(set(answers)) == 1
    with Session(engine) as session:
        assert len(session.exec(select(Annotation)).all()) == 1


@pytest.mark.parametrize(
    ("changes", "status", "word"),
    [
        ({"label": "great"}, 422, "ungrounded"),
        ({"criterion": "tone"}, 422, "groundedness"),
        ({"interaction_id": "nothing"}, 404, "nothing"),
        ({"inclusion_probability": 0}, 422, "inclusion_probability"),
        ({"project": "other"}, 422, "project"),
        ({"label": None}, 422, "label"),
        ({"seconds": -1}, 422, "seconds"),
    ],
)
def test_a_wrong_label_is_refused(
    client: TestClient, engine: Engine, changes: dict[str, Any], status: int, word: str
) -> None:
    one = an_interaction()
    save(engine, [one])
    body = {**LABEL, "interaction_id": one.id, **changes}
    answer = client.post("/api/v1/annotations", json=body)
    assert (answer.status_code, set(answer.json())) == (status, {"error", "detail"})
    assert word in answer.json()["detail"]


def test_a_key_names_its_own_reviewer(
    settings: Settings, criteria: Criteria, engine: Engine, now: datetime
) -> None:
    one = an_interaction()
    save(engine, [one])
    key = a_key(engine, ["review"], now=now)
    body = {**LABEL, "interaction_id": one.id, "reviewer": "anna"}
    with TestClient(an_app(settings, criteria, open_access=False)) as client:
        answer = client.post("/api/v1/annotations", json=body, headers=key)
    assert answer.json()["reviewer"] == "anna"


def test_what_there_is_to_judge_by_is_listed(client: TestClient, criteria: Criteria) -> None:
    evaluators = EvaluatorList.model_validate(client.get("/api/v1/evaluators").json()).evaluators
    assert [one.criterion for one in evaluators] == list(criteria.by_name)
    assert evaluators[0].weights_digest == "ab" * 32
    listed = CriteriaList.model_validate(client.get("/api/v1/criteria").json())
    assert listed.digest == criteria.digest
    for one in listed.criteria:
        assert one.guideline_version == criteria.get(one.name).guideline_version
    assert {label.name for label in listed.criteria[0].labels} >= {"grounded", "unsure"}


def test_a_list_of_labels_is_stored_whole_or_not_at_all(client: TestClient, engine: Engine) -> None:
    row = an_interaction()
    save(engine, [row])
    good = {"interaction_id": row.id, "criterion": "toxicity", "label": "none"}
    reply = client.post("/api/v1/annotations", json=[good, {**good, "label": "no such label"}])
    assert reply.status_code == 422
    assert client.get(f"/api/v1/interactions/{row.id}").json()["annotations"] == []
    reply = client.post("/api/v1/annotations", json=[good, {**good, "label": "mild"}])
    assert [one["final_label"] for one in reply.json()["annotations"]] == ["none", "mild"]
