"""The review desk without JavaScript: blind first, then revealed, once per item."""

import re
from dataclasses import replace

import pytest
from sqlalchemy import Engine
from sqlmodel import select
from starlette.testclient import TestClient

from app.criteria import Criteria
from app.database import transaction
from app.main import create_app
from app.measures import read_said
from app.settings import Settings
from app.tables import Annotation, Interaction, ReviewItem
from tests.builders import FAKE_EVALUATORS, WEDNESDAY, an_interaction, save, score_all
from tests.test_strata import DAY, a_finding, a_report, add_feedback

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

GOOD = {
    "label.groundedness": "grounded",
    "label.answer_relevance": "relevant",
    "label.context_relevance": "relevant",
    "label.toxicity": "none",
    "label.bias": "none",
}
UNGROUNDED = {"label.groundedness": "ungrounded", "mark.0-34": "unsupported"}


@pytest.fixture
def queue(client: TestClient, engine: Engine, criteria: Criteria, settings: Settings) -> str:
    rows = [
        an_interaction(
            trace_id=f"{number + 1:032x}",
            prompt=f"question {number}",
            response="We open at nine, an invented time. Come early.",
            model="secret-model-7",
            segments={"release": "secret-release"},
        )
        for number in range(3)
    ]
    save(engine, rows)
    score_all(engine, criteria, settings)
    form = {"name": "week 47", "size": "3"}
    return client.post("/review", data=form, follow_redirects=False).headers["location"]


def item_in(html: str) -> str:
    found = re.search(r'action="(/review/\d+/items/\d+)"', html)
    assert found is not None
    return found[1]


def annotations(engine: Engine) -> list[Annotation]:
    with transaction(engine) as session:
        return list(session.exec(select(Annotation)))


def label(client: TestClient, item: str, key: str = "k", **changes: str) -> str:
    form = {**GOOD, "key": key, **changes}
    answer = client.post(item, data=form, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_a_blind_page_holds_no_score_label_or_model_name(
    client: TestClient, queue: str, engine: Engine
) -> None:
    first = item_in(client.get(queue).text)
    label(client, first, **UNGROUNDED)
    html = client.get(queue).text
    assert 'data-desk="blind"' in html
    # The moment until which the item is held may end in any fraction of a second.
    body = re.sub(r"T\d\d:\d\d:\d\d\.\d+", "", html.split("<main", 1)[1])
    for secret in ("0.1", "0.9", "words@", "-words", "secret-model-7", "secret-release", "mark>"):
        assert secret not in body, secret
    for word in ("Evaluator:", 'class="tag n', "random", "Differs", " checked", "agrees"):
        assert word not in body, word
    assert 'class="ev' not in body


def test_a_blind_page_splits_sentences_as_if_nobody_had_judged_them(
    client: TestClient, queue: str
) -> None:
    body = client.get(queue).text
    assert re.findall(r'class="tx">([^<]+)<', body) == [
        "We open at nine, an invented time.",
        "Come early.",
    ]


def test_reviewers_are_told_of_other_rules_and_not_of_other_thresholds(
    client: TestClient, queue: str, settings: Settings, criteria: Criteria
) -> None:
    label(client, item_in(client.get(queue).text))
    told = "The rules have changed since your last label"
    other = criteria.get("groundedness").model_copy(update={"threshold": 0.1, "target": 0.05})
    stricter = other.model_copy(update={"guideline": "A guess is not grounded."})
    for criterion, is_told in ((other, False), (stricter, True)):
        changed = replace(criteria, by_name={**criteria.by_name, "groundedness": criterion})
        app = create_app(settings, evaluators=FAKE_EVALUATORS, criteria=changed)
        with TestClient(app, base_url="http://127.0.0.1") as again:
            assert (told in again.get(queue).text) == is_told


def test_labels_are_stored_blind_with_their_probability_and_revealed_where_they_differ(
    client: TestClient, queue: str, engine: Engine, criteria: Criteria
) -> None:
    item = item_in(client.get(queue).text)
    assert label(client, item) == item
    rows = annotations(engine)
    assert len(rows) == 5
    for row in rows:
        assert row.blind_label == row.final_label
        assert row.inclusion_probability == 1.0
        assert row.stratum == "random"
        assert row.guideline_version == criteria.get(row.criterion).guideline_version
    revealed = client.get(item).text
    assert "Evaluator: Ungrounded, 0.10" in revealed
    assert "Differs from you" in revealed
    assert "<mark>invented</mark>" in revealed


def test_an_item_that_no_evaluator_disputes_leads_straight_to_the_next(
    client: TestClient, queue: str
) -> None:
    item = item_in(client.get(queue).text)
    then = label(client, item, **UNGROUNDED)
    assert then == f"{queue}?stored={item.rsplit('/', 1)[1]}"
    page = client.get(then).text
    assert item_in(page) != item
    assert f'href="{item}"' in page


def test_a_second_delivery_changes_nothing(client: TestClient, queue: str, engine: Engine) -> None:
    item = item_in(client.get(queue).text)
    for _ in range(3):
        label(client, item)
    assert len(annotations(engine)) == 5


def test_a_change_after_the_reveal_keeps_the_blind_label(
    client: TestClient, queue: str, engine: Engine
) -> None:
    item = item_in(client.get(queue).text)
    label(client, item)
    label(client, item, key="k2", **UNGROUNDED)
    rows = [row for row in annotations(engine) if row.criterion == "groundedness"]
    assert [(row.blind_label, row.final_label) for row in rows] == [
        ("grounded", "grounded"),
        ("grounded", "ungrounded"),
    ]
    assert rows[1].replaces_id == rows[0].id
    assert len(annotations(engine)) == 6


def test_a_corrected_answer_that_says_the_same_is_none(
    client: TestClient, queue: str, engine: Engine
) -> None:
    first = item_in(client.get(queue).text)
    same = "We open at nine, an invented time. Come early. "
    label(client, first, corrected_response=same, comment="unsure about Sundays", seconds="12.5")
    second = item_in(client.get(queue).text)
    label(client, second, key="k2", corrected_response="We open at ten.", seconds="nan")
    rows = [row for row in annotations(engine) if row.criterion == "groundedness"]
    assert [row.corrected_response for row in rows] == [None, "We open at ten."]
    assert [row.comment for row in rows] == ["unsure about Sundays", None]
    assert [row.seconds for row in rows] == [12.5, None]


def test_nothing_is_revealed_before_a_label_is_stored(client: TestClient, queue: str) -> None:
    item = item_in(client.get(queue).text)
    answer = client.get(item, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == queue


def test_a_missing_or_unknown_label_stores_nothing(
    client: TestClient, queue: str, engine: Engine
) -> None:
    item = item_in(client.get(queue).text)
    incomplete = {name: value for name, value in GOOD.items() if name != "label.bias"}
    assert client.post(item, data={**incomplete, "key": "k"}).status_code == 422
    wrong = {**GOOD, "label.bias": "nice", "key": "k"}
    assert client.post(item, data=wrong).status_code == 422
    assert not annotations(engine)
    with transaction(engine) as session:
        assert not [one for one in session.exec(select(ReviewItem)) if one.done_at]


def test_skipping_leads_on_and_an_empty_queue_says_why(client: TestClient, queue: str) -> None:
    item = item_in(client.get(queue).text)
    assert client.post(f"{item}/skip").status_code == 422
    client.post(f"{item}/skip", data={"reason": "Not my field"})
    for number in range(2):
        label(client, item_in(client.get(queue).text), key=f"k{number}")
    page = client.get(queue).text
    assert "nothing is free right now" in page
    assert "You skipped 1" in page
    client.post(f"{queue}/skipped")
    assert item_in(client.get(queue).text) == item
    label(client, item, key="last")
    assert "all 3 items are labelled" in client.get(queue).text


def test_progress_counts_what_i_have_labelled_though_others_are_still_to_come(
    client: TestClient, queue: str
) -> None:
    form = {"name": "by two", "size": "3", "need": "2"}
    twice = client.post("/review", data=form, follow_redirects=False).headers["location"]
    for number in range(3):
        html = client.get(twice).text
        assert f"<b>{number}</b> of 3</span>" in html
        label(client, item_in(html), key=f"k{number}")
    assert "you have labelled all that is yours" in client.get(twice).text
    assert "3 by you that others still have to label" in client.get("/review").text


def test_a_queue_asks_only_what_it_was_made_for(client: TestClient, queue: str) -> None:
    form = {"name": "toxic only", "size": "1", "ask.toxicity": "1"}
    html = client.post("/review", data=form).text
    assert 'name="label.toxicity"' in html
    assert 'name="label.bias"' not in html


@pytest.mark.parametrize(
    ("filtered", "chance"),
    [
        ({}, 1.0),
        ({"application": "shop"}, 1.0),
        ({"from": "2026-01-01", "segment": "release=secret-release"}, 1.0),
        ({"text": "question"}, None),
        ({"criterion": "bias", "label": "none"}, None),
        ({"criterion": "bias", "status": "scored"}, None),
    ],
)
def test_labels_of_a_sample_that_was_filtered_by_outcome_stand_for_no_others(
    client: TestClient, queue: str, engine: Engine, filtered: dict[str, str], chance: float | None
) -> None:
    form = {"name": "some", "size": "2", "draw": "random", "repeat": "0", **filtered}
    some = client.post("/review", data=form, follow_redirects=False).headers["location"]
    label(client, item_in(client.get(some).text))
    assert {one.inclusion_probability for one in annotations(engine)} <= {chance, 2 / 3}
    assert ("labels correct no rate</span>" in client.get("/review").text) == (chance is None)


def test_a_sample_that_cannot_be_drawn_says_why(client: TestClient, queue: str) -> None:
    for form in ({"name": "week 47", "size": "3"}, {"name": "x", "size": "many"}, {"name": "y"}):
        answer = client.post("/review", data={"application": "missing", **form})
        assert answer.status_code in (409, 422)
        assert 'role="alert"' in answer.text


def test_a_failing_label_needs_a_marked_sentence(
    client: TestClient, queue: str, engine: Engine
) -> None:
    item = item_in(client.get(queue).text)
    failing = {**GOOD, "label.groundedness": "partly", "key": "k"}
    answer = client.post(item, data=failing)
    assert answer.status_code == 422
    assert "mark at least one sentence" in answer.text
    outside = {**failing, "mark.0-999": "unsupported"}
    assert client.post(item, data=outside).status_code == 422
    label(client, item, **{**UNGROUNDED, "mark.35-46": "no_claim"})
    (row,) = [row for row in annotations(engine) if row.criterion == "groundedness"]
    assert row.details["marks"] == [
        {"start": 0, "end": 34, "mark": "unsupported"},
        {"start": 35, "end": 46, "mark": "no_claim"},
    ]


def test_a_mark_may_say_where_its_evidence_is(
    client: TestClient, queue: str, engine: Engine
) -> None:
    html = client.get(queue).text
    assert '<option value="A1">Refunds are issued within 5 to 7 working days.</option>' in html
    item = item_in(html)
    for wrong in ("Z", "A9", "the second"):
        form = {**GOOD, **UNGROUNDED, "evidence.0-34": wrong, "key": "k"}
        answer = client.post(item, data=form)
        assert answer.status_code == 422
        assert "like A, or A2" in answer.text
    client.post(f"{item}/draft", data={"mark.0-34": "unsupported", "evidence.0-34": "a1"})
    assert 'name="evidence.0-34" value="a1"' in client.get(queue).text
    label(client, item, **UNGROUNDED, **{"evidence.0-34": "a1", "evidence.35-46": "A"})
    (row,) = [row for row in annotations(engine) if row.criterion == "groundedness"]
    place = {"place": "A1", "context": 0, "context_start": 0, "context_end": 46}
    assert row.details["marks"] == [{"start": 0, "end": 34, "mark": "unsupported", **place}]
    client.post(f"{queue}/undo")
    assert 'name="evidence.0-34" value="A1"' in client.get(queue).text


def test_groups_and_the_size_of_a_correction_are_kept(
    client: TestClient, queue: str, engine: Engine
) -> None:
    item = item_in(client.get(queue).text)
    said = {"label.bias": "clear", "group.bias.age": "1", "group.bias.religion": "1"}
    label(client, item, corrected_response="We open at ten. Come early.", **said)
    rows = {row.criterion: row for row in annotations(engine)}
    assert rows["bias"].details == {"groups": ["religion", "age"]}
    assert rows["groundedness"].details == {"words_out": 4, "words_in": 1}


def test_whether_words_were_matched_is_kept_with_the_label_and_is_no_change(
    client: TestClient, queue: str, engine: Engine
) -> None:
    item = item_in(client.get(queue).text)
    label(client, item, matching="off")
    label(client, item, key="k2", matching="on")
    assert {row.criterion: row.details for row in annotations(engine)} == {
        **{name.removeprefix("label."): {} for name in GOOD},
        "groundedness": {"matching": "off"},
    }
    assert len(annotations(engine)) == 5


def test_the_script_gets_the_next_page_in_the_answer_that_stores(
    client: TestClient, queue: str, engine: Engine
) -> None:
    headers = {"accept": "application/json", "prefer": "return=representation"}
    item = item_in(client.get(queue).text)
    answer = client.post(item, data={**GOOD, "key": "k"}, headers=headers).json()
    assert answer["next"] == item
    assert "Differs from you" in answer["page"]
    item = item_in(client.get(queue).text)
    told = client.post(item, data={**GOOD, **UNGROUNDED, "key": "k2"}, headers=headers).json()
    assert told["next"] == f"{queue}?stored={item.rsplit('/', 1)[1]}"
    assert item_in(told["page"]) != item
    assert 'data-desk="blind"' in told["page"]
    assert "Evaluator:" not in told["page"]
    assert f'href="{item}"' in told["page"]
    plain = client.post(item, data={**GOOD, "key": "k2"}, headers={"accept": "application/json"})
    assert "page" not in plain.json()


def test_a_draft_is_found_again_and_a_foreign_field_is_not_kept(
    client: TestClient, queue: str
) -> None:
    item = item_in(client.get(queue).text)
    form = {"label.bias": "clear", "comment": "half a thought", "key": "k", "project": "other"}
    assert client.post(f"{item}/draft", data=form).status_code == 204
    html = client.get(queue).text
    assert "half a thought</textarea>" in html
    assert html.count(" checked") == 1


def test_undo_takes_the_last_label_back_and_opens_the_item_with_its_answers(
    client: TestClient, queue: str, engine: Engine
) -> None:
    item = item_in(client.get(queue).text)
    label(client, item, comment="first thought")
    second = item_in(client.get(queue).text)
    assert second != item
    client.post(f"{queue}/undo")
    html = client.get(queue).text
    assert item_in(html) == item
    assert html.count(" checked") == 5
    assert "first thought" in html
    assert "Evaluator:" not in html
    label(client, item, key="k2", **UNGROUNDED)
    rows = [row for row in annotations(engine) if row.criterion == "groundedness"]
    assert [(row.is_withdrawn, row.blind_label, row.final_label) for row in rows] == [
        (False, "grounded", "grounded"),
        (True, "grounded", "grounded"),
        (False, "grounded", "ungrounded"),
    ]
    assert [row.replaces_id for row in rows[1:]] == [row.id for row in rows[:2]]
    assert label(client, item, key="k") == queue
    assert len(client.get(f"{queue}/history").text.split("/withdraw")) == 2


def test_a_queue_that_never_reveals_takes_a_second_thought_as_blind(
    client: TestClient, queue: str, engine: Engine
) -> None:
    form = {"name": "quiet", "size": "1", "reveal": "never"}
    quiet = client.post("/review", data=form, follow_redirects=False).headers["location"]
    item = item_in(client.get(quiet).text)
    assert label(client, item) == quiet
    assert "Evaluator:" not in client.get(item).text
    client.post(f"{quiet}/undo")
    label(client, item, key="k2", **UNGROUNDED)
    rows = [row for row in annotations(engine) if row.criterion == "groundedness"]
    assert rows[-1].blind_label == "ungrounded"


def test_a_lease_is_renewed_and_given_back_by_its_page(client: TestClient, queue: str) -> None:
    html = client.get(queue).text
    item = item_in(html)
    until = client.post(f"{item}/lease").json()["until"]
    assert until > re.findall(r'data-until="([^"]+)"', html)[0]
    assert client.post(f"{item}/release", data={"until": "soon"}).status_code == 400
    assert client.post(f"{item}/release", data={"until": until}).status_code == 204
    assert item_in(client.get(queue).text) == item


def test_a_question_leaves_the_item_to_the_lead(client: TestClient, queue: str) -> None:
    item = item_in(client.get(queue).text)
    assert client.post(f"{item}/ask", data={"reason": "whatever"}).status_code == 422
    client.post(f"{item}/ask", data={"reason": "privacy"})
    assert item_in(client.get(queue).text) != item


def test_hostile_text_is_text_in_every_field(
    client: TestClient, engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    bad = "<script>alert(1)</script>![x](http://evil.example/x.png)<img src=x onerror=alert(1)>"
    row = an_interaction(prompt=bad, response=bad, contexts=[bad], application=bad, model=bad)
    save(engine, [row])
    score_all(engine, criteria, settings)
    form = {"name": bad[:90], "size": "1"}
    queue = client.post("/review", data=form, follow_redirects=False).headers["location"]
    item = item_in(client.get(queue).text)
    client.post(f"{item}/draft", data={"comment": f"</textarea>{bad}", "label.bias": bad})
    pages = [client.get(queue).text, client.get("/review").text, client.get("/interactions").text]
    label(client, item, comment=f"</textarea>{bad}")
    pages += [client.get(one).text for one in (item, f"{queue}/history", f"/interactions/{row.id}")]
    for html in pages:
        assert "<script>alert" not in html
        assert "<img" not in html


def test_a_sample_is_drawn_from_what_users_disliked_or_an_alert_points_at(
    client: TestClient, queue: str, engine: Engine
) -> None:
    with transaction(engine) as session:
        rows = session.exec(select(Interaction).order_by(Interaction.prompt)).all()
        add_feedback(session, rows[1], name="stars", value=2.0)
        finding = a_finding(slice={"key": "release", "value": "secret-release"})
        session.add(a_report(WEDNESDAY + DAY, finding))
    page = client.get("/review").text
    alert = "2026-W47: answer relevance worse than usual, release=secret-release"
    assert f"<option>{alert}</option>" in page
    for number, (form, size) in enumerate(
        [({"feedback": "given", "feedback_below": "3"}, 1), ({"alert": alert}, 3)]
    ):
        made = client.post("/review", data={"name": f"n{number}", **form}, follow_redirects=False)
        html = client.get(made.headers["location"]).text
        assert f"of {size}<" in html
    for wrong in ({"alert": "gone"}, {"feedback": "sad"}, {"feedback_below": "low"}):
        answer = client.post("/review", data={"name": "x", **wrong})
        assert answer.status_code == 422
        assert 'role="alert"' in answer.text


def test_an_assisted_queue_fills_the_verdicts_in_and_its_labels_count_in_no_measure(
    client: TestClient, queue: str, engine: Engine, criteria: Criteria
) -> None:
    form = {"name": "triage", "size": "1", "kind": "assisted"}
    made = client.post("/review", data=form, follow_redirects=False).headers["location"]
    html = client.get(made).text
    assert 'data-desk="assisted"' in html
    assert "they count in no measure" in html
    assert html.count(" checked") == 6
    assert "Evaluator agrees, 0.10" in html
    filled = dict(re.findall(r'name="(label\.\w+)" value="(\w+)"[^>]* checked', html))
    assert filled == {**GOOD, "label.groundedness": "ungrounded"}
    assert label(client, item_in(html), **{**filled, "mark.0-34": "unsupported"}) == made
    rows = annotations(engine)
    assert {row.blind_label for row in rows} == {None}
    assert {row.inclusion_probability for row in rows} == {None}
    assert all(row.details["assisted"] for row in rows)
    with transaction(engine) as session:
        assert read_said(session, "default", criteria) == {}
    assert "assisted, counts in no measure" in client.get("/review").text
    wrong = client.post("/review", data={"name": "x", "size": "1", "kind": "quick"})
    assert wrong.status_code == 422


def test_people_choose_when_to_stop_at_verdicts_where_the_queue_shows_them(
    client: TestClient, queue: str
) -> None:
    client.post("/me/keys", data={"reveal": "never"})
    item = item_in(client.get(queue).text)
    then = label(client, item)
    assert then == f"{queue}?stored={item.rsplit('/', 1)[1]}"
    assert "No evaluator differs" not in client.get(then).text
    client.post("/me/keys", data={"reveal": "always"})
    second = item_in(client.get(queue).text)
    assert label(client, second, key="k2", **UNGROUNDED) == second
    assert 'value="always" selected' in client.get("/me").text
    form = {"name": "quiet", "size": "3", "reveal": "never"}
    quiet = client.post("/review", data=form, follow_redirects=False).headers["location"]
    assert label(client, item_in(client.get(quiet).text), key="k3") == quiet
    assert client.post("/me/keys", data={"reveal": "sometimes"}).status_code == 422


def test_every_rule_has_an_example_each_way(client: TestClient, queue: str) -> None:
    html = client.get(queue).text
    assert html.count("\nPasses: ") == html.count("\nFails: ") == 2 * len(GOOD)


def test_a_label_on_an_item_whose_verdicts_came_in_view_meanwhile_is_not_blind(
    client: TestClient, queue: str, engine: Engine
) -> None:
    held = item_in(client.get(queue).text)
    form = {"name": "triage", "size": "3", "kind": "assisted"}
    assisted = client.post("/review", data=form, follow_redirects=False).headers["location"]
    for number in range(3):
        label(client, item_in(client.get(assisted).text), key=f"t{number}")
    label(client, held, key="late")
    late = [row for row in annotations(engine) if row.idempotency_key.startswith("late")]
    assert {row.blind_label for row in late} == {None}
    assert "another reviewer, who has not seen the verdicts" in client.get(queue).text
