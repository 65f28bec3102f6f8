"""A database of the first release, with people's work in it, is migrated and the desk goes on."""

import re
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, insert
from sqlmodel import select
from starlette.testclient import TestClient

from app.criteria import Criteria
from app.database import transaction
from app.main import create_app
from app.migrate import migrate, migrate_down
from app.settings import Settings
from app.tables import Annotation, Evaluation, ReviewTurn
from tests.builders import FAKE_EVALUATORS, an_interaction


@pytest.fixture
def old(engine: Engine, now: datetime) -> Engine:
    """Two answers, one of them labelled in a queue by Anna, in the tables of the first release."""
    migrate_down(engine, "base")
    migrate(engine, "0001")
    tables = MetaData()
    tables.reflect(engine)
    rows = [an_interaction(trace_id=f"{n + 1:032x}", prompt=f"Tariff {n}?") for n in range(2)]
    shared = {"project": "default", "created_at": now}
    with engine.begin() as connection:

        def add(name: str, *values: dict[str, Any]) -> None:
            columns = set(tables.tables[name].columns.keys())
            kept = [{key: one[key] for key in one if key in columns} for one in values]
            connection.execute(insert(tables.tables[name]), kept)

        add("interaction", *(row.model_dump() for row in rows))
        add("evaluation", a_verdict(rows[0].id) | shared)
        queue = {"id": 1, "name": "week 30", "criteria": ["groundedness"], "filters": {}}
        add("review_queue", queue | shared | {"created_by": "lea"})
        items = [
            {"id": 1, "position": 0, "interaction_id": rows[0].id, "done_at": now},
            {"id": 2, "position": 1, "interaction_id": rows[1].id, "done_at": None},
        ]
        drawn = {"queue_id": 1, "stratum": "random", "inclusion_probability": 0.25}
        add("review_item", *(item | drawn for item in items))
        add("annotation", a_label(rows[0].id) | shared)
    return engine


def a_verdict(interaction_id: str) -> dict[str, Any]:
    return {
        "interaction_id": interaction_id,
        "criterion": "groundedness",
        "evaluator": "old",
        "version": "1",
        "input_hash": "x",
        "status": "scored",
        "score": 0.2,
        "label": "ungrounded",
        "passed": False,
        "threshold": 0.5,
        "evidence": [],
        "attempts": 1,
    }


def judged_before(engine: Engine) -> str:
    with transaction(engine) as session:
        return session.exec(select(Evaluation.interaction_id)).one()


def a_label(interaction_id: str) -> dict[str, Any]:
    return {
        "interaction_id": interaction_id,
        "criterion": "groundedness",
        "reviewer": "anna",
        "blind_label": "partly",
        "final_label": "ungrounded",
        "stratum": "random",
        "inclusion_probability": 0.25,
        "guideline_version": "old",
        "queue_id": 1,
        "idempotency_key": "old",
    }


def test_old_labels_stay_and_the_queue_goes_on_where_it_was(
    old: Engine, settings: Settings, criteria: Criteria
) -> None:
    migrate(old)
    app = create_app(settings, evaluators=FAKE_EVALUATORS, criteria=criteria)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        html = client.get("/review/1").text
        assert "Tariff 1?" in html
        assert ">1</b> of 2<" in html
        item = re.findall(r'action="(/review/1/items/\d+)"', html)[0]
        form = {"label.groundedness": "grounded", "key": "new"}
        assert client.post(item, data=form, follow_redirects=False).status_code == 303
        assert "all 2 items are labelled" in client.get("/review/1").text
        told = client.get(f"/api/v1/interactions/{judged_before(old)}").json()["evaluations"][0]
        assert (told["status"], told["precision"], told["backend"]) == ("scored", None, None)
        assert "Tariff 0?" in client.get("/interactions?text=tariff&label=ungrounded").text
        labels = client.get("/annotations.csv").text
    assert "partly,ungrounded" in labels
    with transaction(old) as session:
        rows = session.exec(select(Annotation).order_by("id")).all()
        turns = {turn.id: turn for turn in session.exec(select(ReviewTurn))}
    assert [(row.reviewer, row.blind_label) for row in rows] == [
        ("anna", "partly"),
        ("open access", "grounded"),
    ]
    assert [turns[row.turn_id].reviewer for row in rows] == ["anna", "open access"]
