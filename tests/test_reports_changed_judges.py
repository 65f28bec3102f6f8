"""Weeks in which what judges changed: no difference of judges is told as one of the chatbot."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from app.criteria import Criteria
from tests.report_world import RATES, Plan, World, section

WEEKS = [f"2026-W{number}" for number in range(40, 46)]
THIS = WEEKS[-1]
SEVERE = Plan(n=60, rate=lambda name, _: 0.5 if name == "groundedness" else RATES[name])
FIRST_HALF, SECOND_HALF = (0, 3), (3, 7)
CHANGES: Mapping[str, dict[str, Any]] = {
    "version": {"version": "2"},
    "threshold": {"threshold": 0.7},
    "evaluator": {"evaluator": "sentences"},
}


@pytest.fixture
def world(engine: Engine, criteria: Criteria, now: datetime) -> World:
    return World(engine, criteria, now)


def headings(report: Mapping[str, Any]) -> dict[str, str]:
    return {one["id"]: one["heading"] for one in report["sections"]}


def changed(world: World, **change: Any) -> dict[str, Any]:
    """The report of a week whose second half was judged in another way and so fails oftener."""
    world.write({**dict.fromkeys(WEEKS[:-1], Plan()), THIS: Plan(n=40, days=FIRST_HALF)})
    later = replace(SEVERE, days=SECOND_HALF, release="2.0", **change)
    world.write({THIS: later}, seed=2)
    return world.report(THIS)


@pytest.mark.parametrize("what", CHANGES)
def test_what_another_judge_flags_within_a_week_is_not_told_as_a_change(
    world: World, what: str
) -> None:
    report = changed(world, **CHANGES[what])
    kinds = {(one["kind"], one["criterion"]) for one in report["findings"]}
    assert not kinds
    found = headings(report)
    assert found["scorecard"] == (
        "Five measures cannot be compared, as evaluators or thresholds changed"
    )
    assert report["verdict"].endswith("evaluators or thresholds have changed")
    assert "2.0" not in " ".join(found.values())


@pytest.mark.parametrize("what", ["version", "threshold"])
def test_slices_that_two_judges_judged_are_not_held_against_each_other(
    world: World, what: str
) -> None:
    report = changed(world, **CHANGES[what])
    assert headings(report)["slices"] == (
        "Slices are not compared: evaluators or thresholds changed within this week"
    )
    assert headings(report)["fairness"] == (
        "Groups of people are not compared: evaluators or thresholds changed within this week"
    )
    assert "the rates mix the verdicts of both and cannot be compared" in report["sentences"][1]


def test_the_scorecard_tells_the_thresholds_that_were_in_force(world: World) -> None:
    report = changed(world, **CHANGES["threshold"])
    name = section(report, "scorecard")["blocks"][0]["rows"][0][0]
    assert name["small"] == "score below 0.5 or 0.7"


def test_weeks_that_two_versions_judged_are_not_compared_for_having_the_same_two(
    world: World,
) -> None:
    """Of the old version's answers fewer fail, and each week has fewer of them."""
    for place, week in enumerate(WEEKS):
        old = Plan(n=100 - 15 * place, days=FIRST_HALF)
        world.write({week: old}, seed=2 * place)
        new = replace(SEVERE, n=10 + 15 * place, days=SECOND_HALF, version="2")
        world.write({week: new}, seed=2 * place + 1)
    assert not world.report(THIS)["findings"]


def test_a_week_after_the_change_says_why_nothing_is_usual_yet(world: World) -> None:
    world.write({**dict.fromkeys(WEEKS[:-1], Plan()), THIS: replace(SEVERE, version="2")})
    report = world.report(THIS)
    assert not report["findings"]
    assert headings(report)["trend"] == (
        "What is usual is not known yet, as evaluators or thresholds have changed"
    )
    assert "as another evaluator or threshold judged earlier weeks" in report["sentences"][1]


def test_a_new_criterion_is_not_said_to_be_judged_by_another_evaluator(world: World) -> None:
    without = Plan(criteria=[name for name in RATES if name != "bias"])
    world.write({**dict.fromkeys(WEEKS[:-1], without), THIS: Plan()})
    report = world.report(THIS)
    assert (
        headings(report)["scorecard"] == "Four measures vary as usual, one cannot be compared yet"
    )
    assert "evaluator or threshold" not in " ".join(report["sentences"])


def test_a_criterion_that_was_switched_off_is_not_said_to_wait_for_its_verdicts(
    world: World,
) -> None:
    without = Plan(criteria=[name for name in RATES if name != "bias"])
    world.write({**dict.fromkeys(WEEKS[:-1], Plan()), THIS: without})
    assert "no verdict on bias was asked for." in world.report(THIS)["sentences"][1]
