"""A lead decides without names; new reviewers measure themselves by what is known."""

import re
from datetime import datetime

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select
from starlette.testclient import TestClient

from app.criteria import Criteria
from app.database import transaction
from app.errors import UnknownField
from app.settings import Settings
from app.store.adjudications import decide, open_cases
from app.store.gold import gold_labels
from app.store.interactions import InteractionFilter
from app.store.reviewers import add_reviewer
from app.store.reviewing import next_calibration
from app.store.reviews import Plan, create_calibration, create_queue, get_item
from app.store.turns import claim_turn, finish_turn
from app.tables import Adjudication, Annotation, ReviewItem, ReviewQueue
from tests.builders import save, some_interactions
from tests.clients import an_app

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def queue(engine: Engine, criteria: Criteria, now: datetime) -> ReviewQueue:
    save(engine, some_interactions(21))
    with transaction(engine) as session:
        return create_queue(
            session,
            project="default",
            name="week 47",
            filters=InteractionFilter(),
            plan=Plan(size=21, need=2, seed=1),
            criteria=criteria,
            criterion_names=["groundedness", "toxicity"],
            created_by="lea",
            now=now,
        )


def label_all(engine: Engine, queue: ReviewQueue, reviewer: str, now: datetime, odd: str) -> None:
    """Everything is grounded but the first item, on which the reviewer says `odd`."""
    assert queue.id is not None
    with transaction(engine) as session:
        while (turn := claim_turn(session, queue.id, reviewer=reviewer, now=now)) is not None:
            item = get_item(session, queue.id, turn.item_id)
            finish_turn(session, item, reviewer=reviewer, status="stored", now=now)
            label = odd if item.position == 0 else "grounded"
            for criterion, said in (("groundedness", label), ("toxicity", "none")):
                session.add(
                    Annotation(
                        project="default",
                        interaction_id=item.interaction_id,
                        criterion=criterion,
                        reviewer=reviewer,
                        blind_label=said,
                        final_label=said,
                        guideline_version="g",
                        queue_id=queue.id,
                        turn_id=turn.id,
                        comment="a note" if item.position == 0 else None,
                        idempotency_key=f"{turn.id}.{criterion}",
                        created_at=now,
                    )
                )
            session.flush()


def test_only_what_differs_waits_for_a_lead_and_the_labels_stay(
    engine: Engine, queue: ReviewQueue, criteria: Criteria, now: datetime
) -> None:
    label_all(engine, queue, "anna", now, "grounded")
    with transaction(engine) as session:
        assert open_cases(session, queue) == []
    label_all(engine, queue, "ben", now, "partly")
    with transaction(engine) as session:
        (case,) = open_cases(session, queue)
        assert set(case.disputed) == {"groundedness"}
        with pytest.raises(UnknownField):
            decide_on(session, queue, case.item, {"groundedness": "partly"}, criteria, now, "moon")
        decide_on(session, queue, case.item, {"groundedness": "ungrounded"}, criteria, now, "slip")
        assert open_cases(session, queue) == []
        labels = session.exec(select(Annotation.blind_label)).all()
        assert sorted(set(labels)) == ["grounded", "none", "partly"]
        known = gold_labels(session, "default", criteria)
        assert known[case.item.interaction_id] == {"groundedness": "ungrounded", "toxicity": "none"}
        assert len(known) == 21


def decide_on(
    session: Session,
    queue: ReviewQueue,
    item: ReviewItem,
    labels: dict[str, str],
    criteria: Criteria,
    now: datetime,
    cause: str,
) -> None:
    decide(
        session,
        queue,
        item,
        labels,
        cause=cause,
        comment=None,
        criteria=criteria,
        decided_by="lea",
        now=now,
    )


def test_a_question_waits_for_a_lead_too(engine: Engine, queue: ReviewQueue, now: datetime) -> None:
    assert queue.id is not None
    with transaction(engine) as session:
        turn = claim_turn(session, queue.id, reviewer="anna", now=now)
        assert turn is not None
        item = get_item(session, queue.id, turn.item_id)
        finish_turn(session, item, reviewer="anna", status="asked", reason="privacy", now=now)
        (case,) = open_cases(session, queue)
        assert [one.reason for one in case.asked] == ["privacy"]


def test_a_lead_sees_no_name_and_decides_on_the_page(
    client: TestClient, engine: Engine, queue: ReviewQueue, now: datetime
) -> None:
    label_all(engine, queue, "anna", now, "grounded")
    label_all(engine, queue, "ben", now, "partly")
    html = client.get(f"/adjudicate/{queue.id}").text
    assert "Partly" in html
    assert "Evaluator" not in html
    body = html.split("<main", 1)[1]
    assert not re.search(r"\b(anna|ben)\b", body)
    (address,) = re.findall(r'action="(/adjudicate/\d+/items/\d+)"', html)
    form = {"label.groundedness": "partly", "comment": "clear"}
    assert client.post(address, data=form).status_code == 422
    answer = client.post(address, data={**form, "cause": "slip"})
    assert "Nothing waits" in answer.text
    with transaction(engine) as session:
        (row,) = session.exec(select(Adjudication)).all()
        assert (row.label, row.cause, row.comment) == ("partly", "slip", "clear")


def test_a_lead_who_slipped_decides_again(
    client: TestClient, engine: Engine, queue: ReviewQueue, now: datetime
) -> None:
    label_all(engine, queue, "anna", now, "grounded")
    label_all(engine, queue, "ben", now, "partly")
    html = client.get(f"/adjudicate/{queue.id}").text
    (address,) = re.findall(r'action="(/adjudicate/\d+/items/\d+)"', html)
    form = {"label.groundedness": "partly", "cause": "slip", "comment": "clear"}
    stored = client.post(address, data=form).text
    assert f'Your decision is stored. <a href="{address}">' in stored
    again = client.get(address).text
    assert re.search(r'value="partly"[^>]* checked>', again)
    assert '<option value="slip" selected>' in again
    assert ">clear</textarea>" in again
    assert not re.search(r"\b(anna|ben)\b", again.split("<main", 1)[1])
    client.post(address, data={**form, "label.groundedness": "grounded"})
    with transaction(engine) as session:
        (row,) = session.exec(select(Adjudication)).all()
        assert row.label == "grounded"


def test_a_calibration_round_needs_known_labels_and_comes_first_for_a_new_reviewer(
    engine: Engine, queue: ReviewQueue, criteria: Criteria, now: datetime
) -> None:
    with pytest.raises(UnknownField, match="there are 0 so far"), transaction(engine) as session:
        a_round(session, criteria, now)
    label_all(engine, queue, "anna", now, "grounded")
    label_all(engine, queue, "ben", now, "grounded")
    with transaction(engine) as session:
        calibration = a_round(session, criteria, now)
        assert calibration.id is not None

        def first(reviewer: str, role: str = "reviewer") -> int | None:
            return next_calibration(session, queue, reviewer=reviewer, role=role)

        assert first("carla") == calibration.id
        assert first("carla", "lead") is None
        assert first("anna") is None
        for reviewer in ("carla", "dora"):
            done = 0
            while turn := claim_turn(session, calibration.id, reviewer=reviewer, now=now):
                item = get_item(session, calibration.id, turn.item_id)
                assert item.gold == {"groundedness": "grounded", "toxicity": "none"}
                finish_turn(session, item, reviewer=reviewer, status="stored", now=now)
                done += 1
            assert done == 20
        assert first("carla") is None


def a_round(session: Session, criteria: Criteria, now: datetime) -> ReviewQueue:
    return create_calibration(
        session,
        project="default",
        name="first steps",
        size=20,
        criteria=criteria,
        created_by="lea",
        seed=1,
        now=now,
    )


def test_a_reviewer_decides_nothing_and_draws_nothing(
    settings: Settings, criteria: Criteria, engine: Engine, queue: ReviewQueue, now: datetime
) -> None:
    app = an_app(settings, criteria, open_access=False)
    with transaction(engine) as session:
        link = add_reviewer(session, name="anna", now=datetime.now(now.tzinfo))
    with TestClient(app, headers={"Origin": "http://testserver"}) as client:
        client.post("/sign-in", data={"link": link})
        assert client.get(f"/adjudicate/{queue.id}").status_code == 403
        assert client.post("/review", data={"name": "mine", "size": "1"}).status_code == 403
        assert client.post("/calibration", data={"name": "mine"}).status_code == 403
        assert client.get("/review").status_code == 200
