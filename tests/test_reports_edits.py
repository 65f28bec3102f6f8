"""Leads edit, pass on and leave out the actions of a report, by name and before it goes."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from sqlalchemy import Engine
from sqlmodel import select

from app.criteria import Criteria
from app.database import reading, transaction
from app.errors import UnknownField
from app.reports import render_html, render_markdown, render_slack, report_schema
from app.reports.edits import DROPPED, Edit, checked, edits_of, with_edits
from app.reports.weekly import sign
from app.schedule import deliver_next
from app.store.deliveries import add_deliveries
from app.store.reports import load_report, save_report
from app.tables import Delivery, Report
from tests.report_world import RATES, Plan, World, section

WEEKS = [f"2026-W{number}" for number in range(41, 46)]
THIS = WEEKS[-1]
ADDRESS = f"/reports/{THIS}/actions"


@pytest.fixture
def world(engine: Engine, criteria: Criteria, now: datetime) -> World:
    world = World(engine, criteria, now)
    bad = Plan(rate=lambda name, _: 0.5 if name == "groundedness" else RATES[name])
    world.write({**dict.fromkeys(WEEKS[:-1], Plan()), THIS: bad})
    return world


@pytest.fixture
def issued(world: World) -> dict[str, Any]:
    report = world.report(THIS)
    with transaction(world.engine) as session:
        stored = save_report(session, report, now=world.now)
        assert stored.id is not None
        later = world.now + timedelta(hours=2)
        add_deliveries(session, stored.id, ["mailto://…1"], now=later)
    return report


def newest(engine: Engine) -> Report:
    with reading(engine) as session:
        report = load_report(session, "default", week=THIS)
        assert report is not None
        session.expunge(report)
        return report


def form_of(report: dict[str, Any], **changes: str) -> dict[str, str]:
    form = {"revision": str(report["revision"])}
    for number, action in enumerate(report["found_actions"]):
        form |= {f"{name}.{number}": action[name] for name in ("what", "owner", "by")}
    return form | {name.replace("_", "."): value for name, value in changes.items()}


def test_what_a_lead_changes_is_a_revision_with_their_name_in_every_format(
    client: TestClient, engine: Engine, issued: dict[str, Any]
) -> None:
    first, second = (one["what"] for one in issued["actions"])
    form = form_of(
        issued,
        what_0="Ask Kim about the <index>",
        owner_0="search team",
        by_0="2026-11-30",
        dropped_1="we label in W47",
    )
    assert client.post(ADDRESS, data=form).status_code == 200
    body = newest(engine).body
    assert body["revision"] == 2
    assert "Changed since revision 1: actions. Actions edited by " in body["change_note"]
    assert [(one["what"], one["owner"], one["by"]) for one in body["actions"]] == [
        ("Ask Kim about the <index>", "search team", "2026-11-30")
    ]
    assert [one["what"] for one in body["found_actions"]] == [first, second]
    html, text = render_html(body), render_markdown(body)
    assert section(body, "actions")["heading"].startswith("One action")
    for words in (
        "search team",
        "30\N{NO-BREAK SPACE}Nov",
        "changed by",
        DROPPED,
        "we label in W47",
    ):
        assert words in html
        assert words in text
    assert "Ask Kim about the &lt;index&gt;" in str(render_slack(body))
    assert not list(Draft202012Validator(report_schema()).iter_errors(body))
    assert sign(body)["sha256"] == body["sha256"]


def test_edits_last_when_the_report_is_made_anew_and_can_be_taken_back(
    client: TestClient, world: World, issued: dict[str, Any]
) -> None:
    client.post(ADDRESS, data=form_of(issued, owner_0="Kim", dropped_1="not now"))
    anew = world.report(THIS)
    assert [one["owner"] for one in anew["actions"]] == ["Kim"]
    assert anew["sha256"] == newest(world.engine).sha256
    page = client.get(ADDRESS).text
    assert 'value="Kim"' in page
    assert 'value="not now"' in page
    client.post(ADDRESS, data=form_of({**issued, "revision": 2}))
    assert newest(world.engine).body["actions"] == issued["actions"]
    assert newest(world.engine).sha256 == issued["sha256"]


def test_an_edit_says_only_what_it_changes_and_the_rest_keeps_up_with_the_rules(
    client: TestClient, engine: Engine, issued: dict[str, Any]
) -> None:
    client.post(ADDRESS, data=form_of(issued, owner_0="Kim"))
    body = newest(engine).body
    assert not list(Draft202012Validator(report_schema()).iter_errors(body))
    (edit,) = edits_of(body)
    assert edit.words == {"owner": "Kim"}
    grown = [{**body["found_actions"][0], "what": "Label 40 more answers"}]
    anew = with_edits({**body, "found_actions": grown}, [edit])["actions"]
    assert [(one["what"], one["owner"]) for one in anew] == [("Label 40 more answers", "Kim")]


def test_what_was_not_sent_yet_goes_out_as_edited(
    client: TestClient, engine: Engine, issued: dict[str, Any], now: datetime
) -> None:
    sent: list[int] = []
    client.post(ADDRESS, data=form_of(issued, owner_0="Kim"))

    def post(_: str, report: Report) -> str:
        sent.append(report.revision)
        return ""

    assert not deliver_next(engine, post, now=lambda: now + timedelta(hours=1))
    assert deliver_next(engine, post, now=lambda: now + timedelta(hours=3))
    assert sent == [2]
    client.post(ADDRESS, data=form_of({**issued, "revision": 2}, owner_0="Lee"))
    with reading(engine) as session:
        assert [one.status for one in session.exec(select(Delivery))] == ["sent"]
    assert "it is not sent again" in client.get(ADDRESS).text


def test_the_next_report_follows_the_actions_as_they_were_edited(
    client: TestClient, world: World, issued: dict[str, Any]
) -> None:
    client.post(ADDRESS, data=form_of(issued, owner_0="Kim", dropped_1="not now"))
    world.write({"2026-W46": Plan()}, seed=2)
    followed = world.report("2026-W46")["last_actions"]
    assert [(one["owner"], one["state"]) for one in followed] == [("Kim", "over")]


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"what_0": "  "}, 422, "an action needs what is to be done"),
        ({"by_0": "soon"}, 422, "is no day"),
        ({"revision": "7"}, 409, "issued again"),
    ],
)
def test_what_cannot_be_is_said_and_what_was_typed_is_kept(
    client: TestClient,
    engine: Engine,
    issued: dict[str, Any],
    changes: dict[str, str],
    status: int,
    words: str,
) -> None:
    answer = client.post(
        ADDRESS,
        data=form_of(issued, owner_0="Kim") | form_of(issued, **changes) | {"owner.0": "Kim"},
    )
    assert answer.status_code == status
    assert words in answer.text
    assert 'value="Kim"' in answer.text
    assert newest(engine).revision == 1


def test_a_report_that_is_not_issued_or_of_an_earlier_release_cannot_be_edited(
    client: TestClient, world: World
) -> None:
    assert client.get(ADDRESS).status_code == 404
    older = {name: value for name, value in world.report(THIS).items() if name != "found_actions"}
    with transaction(world.engine) as session:
        save_report(session, older, now=world.now)
    assert client.get(ADDRESS).status_code == 409


def test_an_edit_waits_while_its_cause_is_not_found(issued: dict[str, Any]) -> None:
    edit = checked(
        Edit(issued["found_actions"][0]["cause"], " Ask  Kim ", "Kim", "2026-11-30", "", "ann")
    )
    found = with_edits(issued, [edit])
    gone = with_edits({**found, "found_actions": issued["found_actions"][1:]}, edits_of(found))
    assert [one["what"] for one in gone["actions"]] == [issued["actions"][1]["what"]]
    back = with_edits({**gone, "found_actions": issued["found_actions"]}, edits_of(gone))
    assert back["actions"] == found["actions"]
    with pytest.raises(UnknownField, match="at most"):
        checked(edit._replace(owner="x" * 301))
