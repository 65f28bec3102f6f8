"""A conversation is shown in the order in which it happened, with what is wrong in it."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from app.criteria import Criteria
from app.settings import Settings
from tests.builders import WEDNESDAY, an_interaction, save, score_all

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

NAME = "c/1 & <b>"


@pytest.fixture
def turns(engine: Engine, criteria: Criteria, settings: Settings) -> None:
    """Three turns that arrived in another order, and one of another conversation."""
    rows = [
        an_interaction(
            trace_id=f"{number + 1:032x}",
            conversation_id=NAME if number < 3 else "other",
            prompt=f"question {number}",
            response="We open at nine, an invented time." if number == 1 else "At nine.",
            started_at=WEDNESDAY + timedelta(minutes=number),
        )
        for number in (2, 0, 3, 1)
    ]
    save(engine, rows)
    score_all(engine, criteria, settings)


def test_turns_stand_in_order_and_say_what_evaluators_object_to(
    client: TestClient, turns: None
) -> None:
    html = client.get("/conversation", params={"id": NAME}).text
    places = [html.index(f"question {number}") for number in range(3)]
    assert places == sorted(places)
    assert "question 3" not in html
    assert "evaluators object to 1 of the answers" in html
    assert html.count("Groundedness: Ungrounded") == 1


def test_an_interaction_leads_to_its_conversation(client: TestClient, turns: None) -> None:
    listed = client.get("/interactions?text=question+1").text
    address = listed.split('href="/interactions/')[1].split('"')[0]
    html = client.get(f"/interactions/{address}").text
    link = html.split('href="/conversation?id=')[1].split('"')[0]
    assert client.get(f"/conversation?id={link}").status_code == 200


def test_a_conversation_that_does_not_exist_is_not_found(client: TestClient, turns: None) -> None:
    assert client.get("/conversation?id=nobody").status_code == 404
    assert client.get("/conversation").status_code == 404
