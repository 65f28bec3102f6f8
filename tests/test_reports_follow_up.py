"""A report says what became of last week's actions, by the rules that found them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from sqlalchemy import Engine
from sqlmodel import select

from app.criteria import Criteria
from app.database import transaction
from app.reports import render_html, render_markdown, render_slack, report_schema
from app.reports.sections.actions import LAST_ACTIONS
from app.store.reports import save_report
from app.tables import Report
from tests.report_world import RATES, Plan, a_label, report_of, write_weeks

WEEKS = [f"2026-W{number}" for number in range(36, 46)]
LAST, WEEK = WEEKS[-2:]


def ungrounded(rate: float, **changes: Any) -> Plan:
    def rate_of(criterion: str, _: Mapping[str, str]) -> float:
        return rate if criterion == "groundedness" else RATES[criterion]

    return Plan(rate=rate_of, **changes)


class World:
    """Eight usual weeks, a week whose report was issued, and the week after it."""

    def __init__(self, engine: Engine, criteria: Criteria, now: datetime) -> None:
        self.engine, self.criteria, self.now = engine, criteria, now

    def write(self, last: Plan, now: Plan, *, labels: bool = False) -> None:
        plans = {week: Plan() for week in WEEKS[:-2]} | {LAST: last}
        plans |= {WEEK: now} if now.n else {}
        with transaction(self.engine) as session:
            written = write_weeks(session, plans)
            this_week = written[-now.n :] if now.n else []
            if labels:
                session.add_all(a_label(one, place) for place, one in enumerate(this_week))

    def build(self, week: str) -> dict[str, Any]:
        with transaction(self.engine) as session:
            return report_of(session, self.criteria, week, self.now)

    def issue(self, week: str, **changes: Any) -> dict[str, Any]:
        report = {**self.build(week), **changes}
        with transaction(self.engine) as session:
            save_report(session, report, now=self.now)
        return report


@pytest.fixture
def world(engine: Engine, criteria: Criteria, now: datetime) -> World:
    return World(engine, criteria, now)


def followed(report: Mapping[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one for one in report["last_actions"] if one["cause"]["kind"] == kind
    )
    return found


@pytest.mark.parametrize(
    ("plan", "state", "words"),
    [
        # Lasting trouble is no action any more, only an alert: it is still so all the same.
        (ungrounded(0.4), "still", "ungrounded answers, usually 12"),
        (Plan(), "over", "ungrounded answers, usually 12"),
        (Plan(n=6), "unknown", "6 answers to compare"),
        (ungrounded(0.4, version="2"), "unknown", "too few comparable weeks"),
        (Plan(n=0), "unknown", "nothing was received"),
    ],
)
def test_a_rise_is_still_so_or_not_as_this_weeks_numbers_say(
    world: World, plan: Plan, state: str, words: str
) -> None:
    world.write(ungrounded(0.4, release="2.0"), plan)
    last = world.issue(LAST)
    found = followed(world.build(WEEK), "worse")
    first = last["actions"][0]
    assert (found["what"], found["owner"], found["by"]) == (
        first["what"],
        first["owner"],
        first["by"],
    )
    assert (found["state"], words in found["words"]) == (state, True), found
    assert plan.n < 20 or found["words"].endswith("; no answer of release 2.0")


@pytest.mark.parametrize(("labels", "state"), [(True, "over"), (False, "still")])
def test_an_action_to_label_is_done_once_labels_are_there(
    world: World, labels: bool, state: str
) -> None:
    world.write(Plan(), Plan(), labels=labels)
    world.issue(LAST)
    assert followed(world.build(WEEK), "unlabelled")["state"] == state


def test_an_interval_is_to_become_half_as_wide(world: World) -> None:
    world.write(Plan(), Plan(n=300), labels=True)
    for size, state in ((0.02, "still"), (0.9, "over")):
        cause = {"kind": "wide", "criteria": ["groundedness"], "slice": None, "size": size}
        action = {"what": "Label", "owner": "review team", "by": "2026-11-07", "cause": cause}
        world.issue(LAST, actions=[action], sha256=f"{size}")
        found = followed(world.build(WEEK), "wide")
        assert found["state"] == state
        assert found["words"].endswith(f"points, was ±{100 * size:.1f}")


def test_a_slice_that_is_not_seen_any_more_is_not_said_to_be_well(world: World) -> None:
    def rate(criterion: str, known: Mapping[str, str]) -> float:
        hit = criterion == "groundedness" and known["application"] == "health"
        return 0.6 if hit else RATES[criterion] / 2

    world.write(Plan(rate=rate), Plan(applications=("shop", "city")))
    world.issue(LAST)
    states = {
        (one["cause"]["slice"] or {}).get("value"): one["state"]
        for one in world.build(WEEK)["last_actions"]
        if one["cause"]["kind"] == "slice"
    }
    assert states.get("health", "unknown") == "unknown"


def test_without_a_report_of_last_week_or_with_an_older_one_nothing_is_said(world: World) -> None:
    world.write(ungrounded(0.4), Plan())
    assert world.build(WEEK)["last_actions"] == []
    report = world.issue(LAST)
    with transaction(world.engine) as session:
        stored = session.exec(select(Report)).one()
        older = {name: value for name, value in report.items() if name != "actions"}
        stored.body = {**older, "schema_version": 3}
        session.add(stored)
    report = world.build(WEEK)
    assert report["last_actions"] == []
    assert LAST_ACTIONS not in render_html(report)


def test_all_formats_say_what_became_of_last_weeks_actions_and_an_older_report_is_readable(
    world: World,
) -> None:
    world.write(ungrounded(0.4), ungrounded(0.4))
    world.issue(LAST)
    report = world.build(WEEK)
    assert not list(Draft202012Validator(report_schema()).iter_errors(report))
    html, markdown, slack = render_html(report), render_markdown(report), render_slack(report)
    message = "\n".join(block["text"]["text"] for block in slack["blocks"] if "text" in block)
    for one in report["last_actions"]:
        for text in (html, markdown.replace("\\", ""), message):
            assert one["what"] in text
            assert one["words"] in text
    older = {k: v for k, v in report.items() if k not in ("actions", "last_actions")}
    assert render_html({**older, "schema_version": 3})
    assert render_markdown(older)
    assert render_slack(older)
