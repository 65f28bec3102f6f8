"""Unusual weeks: no sentence of a report claims what its numbers do not support."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from app.criteria import Criteria
from app.database import reading, transaction
from app.reports.material import Material, read_material
from app.reports.sections import clusters
from app.store.erasing import erase_trace
from app.store.rollups import Contribution, roll_up
from app.tables import Evaluation, Interaction
from tests.report_world import RATES, Plan, World, a_label, section

WEEKS = [f"2026-W{number}" for number in range(36, 46)]
BERLIN = "Europe/Berlin"


class OddWorld(World):
    """A world whose weeks are given in order."""

    def write_in_order(self, *plans: Plan) -> list[Interaction]:
        """A plan per week, from the first week on; no week without a number of answers."""
        return self.write({week: plan for week, plan in zip(WEEKS, plans, strict=False) if plan.n})


@pytest.fixture
def world(engine: Engine, criteria: Criteria, now: datetime) -> OddWorld:
    return OddWorld(engine, criteria, now)


def headings(report: Mapping[str, Any]) -> dict[str, str]:
    return {one["id"]: one["heading"] for one in report["sections"]}


def alerts(report: Mapping[str, Any]) -> str:
    texts = [one["text"] for one in section(report, "actions")["blocks"] if one["block"] == "text"]
    return " ".join(texts)


def ungrounded(rate: float) -> Plan:
    return Plan(rate=lambda name, _: rate if name == "groundedness" else RATES[name])


def test_a_single_interaction_is_told_in_the_singular(world: OddWorld) -> None:
    world.write_in_order(Plan(), Plan(), Plan(), Plan(n=1))
    report = world.report(WEEKS[3])
    assert (
        report["sentences"][0] == "1 interaction came in, too few to compare with 3 earlier weeks."
    )
    assert headings(report)["drift"] == "Too little came in to compare it with the weeks before"
    assert headings(report)["trend"] == "Too little is known of this week to compare it"
    advice = next(one for one in section(report, "trust")["blocks"])["text"]
    assert "label about 1 answer drawn" in advice


def test_a_single_interaction_that_waits_is_not_said_to_have_passed(world: OddWorld) -> None:
    world.write_in_order(Plan(), Plan(), Plan(), Plan(n=1, status="pending"))
    report = world.report(WEEKS[3])
    assert report["sentences"][0] == "1 interaction came in and could not be compared with " + (
        "earlier weeks."
    )
    assert "bias have not been judged yet." in report["sentences"][1]
    assert headings(report)["coverage"] == "The one interaction has not been judged yet"
    assert headings(report)["examples"] == "No answer has a score"


def test_one_verdict_that_is_still_to_come_is_told_in_the_singular(world: OddWorld) -> None:
    written = world.write_in_order(Plan(), Plan(n=30))
    late = {"version": "2", "status": "pending", "input_hash": "h", "started_at": world.now}
    with transaction(world.engine) as session:
        session.add(
            Evaluation(
                **{**late, "started_at": written[-1].started_at},
                project="default",
                interaction_id=written[-1].id,
                criterion="bias",
                evaluator="bias-words",
                created_at=world.now,
            )
        )
    report = world.report(WEEKS[1])
    assert headings(report)["coverage"] == "1 verdict of this week is still to come"
    assert "1 verdict of this week is still to come." in alerts(report)


def test_criteria_that_lack_different_shares_of_verdicts_are_not_told_as_one(
    world: OddWorld,
) -> None:
    without = {"groundedness": ("city",), "context_relevance": ("city", "health")}
    outage = Plan(abstains=lambda name, known: known["application"] in without.get(name, ()))
    world.write_in_order(Plan(), Plan(), Plan(), outage)
    report = world.report(WEEKS[3])
    told = [report["verdict"], report["sentences"][2]]
    assert told[0].startswith("Groundedness could not be judged in 33.0")
    assert told[1].startswith("Also: context relevance could not be judged in 65.9")


def test_verdicts_that_lack_for_weeks_are_not_called_a_worse_criterion(world: OddWorld) -> None:
    outage = Plan(abstains=lambda name, _: name == "groundedness")
    world.write_in_order(Plan(), Plan(), Plan(), outage, outage)
    report = world.report(WEEKS[4])
    assert "Groundedness has lacked more verdicts than usual since 2026-W39." in alerts(report)


def test_what_was_scored_at_most_is_told_of_one_criterion(world: OddWorld) -> None:
    """Half of the answers have a score on one criterion, half on another: all of them have one."""

    def one_each(name: str, known: Mapping[str, str]) -> bool:
        is_shop = known["application"] == "shop"
        return name not in ("groundedness", "toxicity") or (name == "toxicity") == is_shop

    world.write_in_order(Plan(n=90, abstains=one_each))
    report = world.report(WEEKS[0])
    figures = section(report, "coverage")["blocks"][0]["items"]
    assert {"label": "scored on any one criterion, at most", "value": 60} in figures
    assert headings(report)["slices"] == "Too few answers fail for slices to be told apart"


def test_what_stays_better_than_usual_is_said_so_everywhere(world: OddWorld) -> None:
    world.write_in_order(*[ungrounded(0.5)] * 4, ungrounded(0.1), ungrounded(0.1))
    report = world.report(WEEKS[5])
    assert report["verdict"] == "A quiet week: groundedness stays better than usual"
    assert headings(report)["trend"] == "Ungrounded answers are still below the usual in W41"
    assert headings(report)["scorecard"] == (
        "One measure stayed better than usual, four vary as usual"
    )


def test_labels_of_earlier_weeks_alone_are_no_labels_of_this_week(world: OddWorld) -> None:
    written = world.write_in_order(Plan(n=30), Plan(n=30))
    with transaction(world.engine) as session:
        session.add_all([a_label(one, place) for place, one in enumerate(written[:9])])
    report = world.report(WEEKS[1])
    assert headings(report)["trust"] == "Nobody has labelled answers of this week yet"
    assert "limits" not in section(report, "scorecard")["note"]


def test_a_week_after_a_long_silence_is_not_called_the_first_of_all(world: OddWorld) -> None:
    world.write_in_order(Plan(n=30), Plan(n=0))
    world.write({"2026-W51": Plan(n=30)}, seed=2)
    assert world.report("2026-W51")["verdict"] == (
        "The first week with data of the last 13: 30 interactions, and nothing to compare with yet"
    )


def test_a_last_week_that_another_version_judged_is_not_said_to_lack_scores(
    world: OddWorld,
) -> None:
    world.write_in_order(Plan(), Plan(), Plan(version="2"))
    report = world.report(WEEKS[2])
    row = section(report, "scorecard")["blocks"][0]["rows"][0]
    assert (row[3]["text"], row[3]["small"]) == ("–", "not compared")
    assert report["sentences"][0].endswith("could not be compared with earlier weeks.")
    assert headings(report)["slices"] == "No slice stands out against the rest"


def test_a_difference_to_a_week_of_a_few_answers_is_not_shown(world: OddWorld) -> None:
    world.write_in_order(Plan(), Plan(), Plan(n=3), Plan())
    row = section(world.report(WEEKS[3]), "scorecard")["blocks"][0]["rows"][0]
    assert row[3]["too_few"]
    assert row[4]["value"] is None


def test_erased_answers_are_no_examples_and_their_days_not_empty(world: OddWorld) -> None:
    written = world.write_in_order(ungrounded(0.5))
    last_day, before = written[-13:], written[40:60]
    with transaction(world.engine) as session:
        session.add_all([a_label(one, place) for place, one in enumerate(before)])
        session.flush()
        for one in (*last_day, *before):
            erase_trace(session, "default", one.trace_id, now=world.now)
    report = world.report(WEEKS[0])
    examples = section(report, "examples")["blocks"][0]["items"]
    assert len(examples) == 6
    assert all(one["prompt"] for one in examples)
    assert report["received"] == 88
    assert "No interaction was received" not in alerts(report)


def material_of(world: OddWorld, week: str, time_zone: str = "UTC") -> Material:
    with reading(world.engine) as session:
        return read_material(
            session,
            project="default",
            criteria=world.criteria,
            week=week,
            application=None,
            time_zone=time_zone,
        )


def test_scores_of_a_version_that_was_replaced_are_not_distributed_again(world: OddWorld) -> None:
    written = world.write_in_order(Plan(n=30), Plan(n=30))
    with transaction(world.engine) as session:
        rows = session.exec(select(Evaluation).where(Evaluation.criterion == "bias")).all()
        whose = {one.id: one for one in written}
        for row in rows:
            again = Evaluation(**{**row.model_dump(exclude={"id"}), "version": "2"})
            session.add(again)
            roll_up(session, [Contribution(whose[row.interaction_id], again)])
    found = material_of(world, WEEKS[1]).histograms
    assert [sum(bins) for _, bins in sorted(found["bias"].items())] == [30, 30]


def test_weeks_of_scores_are_in_order_where_one_lies_in_the_hours_of_a_cut_day(
    world: OddWorld,
) -> None:
    """Days are read before hours; in Berlin a week begins in the last hours of a Sunday in UTC."""
    late = Plan(n=1)
    world.write({WEEKS[0]: late, **dict.fromkeys(WEEKS[1:3], Plan(n=40))}, zone=BERLIN)
    assert list(material_of(world, WEEKS[2], BERLIN).histograms["bias"]) == [10, 11, 12]


def test_a_second_label_of_an_answer_makes_no_rate_surer(world: OddWorld) -> None:
    written = world.write_in_order(Plan(n=88))
    with reading(world.engine) as session:
        failing = select(Evaluation.interaction_id).where(Evaluation.label == "ungrounded")
        flagged = set(session.exec(failing))

    def add(reviewer: str) -> tuple[float, float]:
        with transaction(world.engine) as session:
            for place, one in enumerate(written):
                label = a_label(one, 0 if one.id in flagged or place % 20 == 7 else 1)
                label.reviewer, label.idempotency_key = reviewer, f"{reviewer} {one.id}"
                session.add(label)
        row = section(world.report(WEEKS[0]), "trust")["blocks"][0]["rows"][0]
        return row[4]["low"], row[4]["high"]

    assert add("ann") == add("ben")


def test_a_label_stands_when_another_of_the_same_reviewer_is_withdrawn(world: OddWorld) -> None:
    (one, *_) = world.write_in_order(Plan(n=20))
    with transaction(world.engine) as session:
        first, second = a_label(one, 1), a_label(one, 0)
        second.idempotency_key = "second"
        session.add_all([first, second])
        session.flush()
        taken = a_label(one, 0)
        taken.idempotency_key, taken.replaces_id, taken.is_withdrawn = "taken", second.id, True
        session.add(taken)
    (label,) = material_of(world, WEEKS[0]).labels
    assert not label.fails


def test_failures_beyond_the_largest_topics_are_not_said_to_fit_no_topic(world: OddWorld) -> None:
    world.write_in_order(Plan(n=20))
    found = {"failures": 30, "is_sample": False, "was_studied": False, "items": []}
    topic = {"name": "refunds", "n": 20, "last_n": None, "ids": []}
    topic["example"] = {"interaction_id": "0123456789"}
    study = {"clusters": {"groundedness": found | {"items": [topic]}}}
    content = clusters.section(replace(material_of(world, WEEKS[0]), study=study))["blocks"]
    assert content[1]["text"] == "30 ungrounded answers in all; 10 in none of these groups."


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "12 more than last week"),
        ({"threshold": 0.7}, "last week was judged otherwise"),
        ({"evaluator": "sentences"}, "last week was judged otherwise"),
    ],
)
def test_a_topic_that_another_judge_finds_larger_is_not_said_to_have_grown(
    world: OddWorld, change: Mapping[str, Any], words: str
) -> None:
    world.write_in_order(Plan(n=20), Plan(n=20, **change))
    topic = {"name": "refunds", "n": 20, "last_n": 8, "ids": []}
    topic["example"] = {"interaction_id": "0123456789"}
    found = {"failures": 30, "is_sample": False, "was_studied": True, "items": [topic]}
    study = {"clusters": {"groundedness": found}}
    content = clusters.section(replace(material_of(world, WEEKS[1]), study=study))["blocks"]
    assert content[0]["items"][0]["change"] == words


def test_scores_of_an_hour_that_a_week_ends_in_count_for_the_week_they_came_in(
    world: OddWorld,
) -> None:
    """In India a week ends half an hour after an hour of UTC."""
    world.write(dict.fromkeys(WEEKS[:2], Plan(n=30)), zone="Asia/Kolkata")
    for zone in ("Asia/Yangon", "Asia/Kathmandu"):
        world.write({WEEKS[1]: Plan(n=1)}, zone=zone, seed=len(zone))
    found = material_of(world, WEEKS[1], "Asia/Kolkata")
    scored = [tally.scored for tally in found.tallies.of("bias")][-2:]
    assert scored == [31, 31]
    assert [sum(bins) for _, bins in sorted(found.histograms["bias"].items())] == scored


def test_a_week_of_few_answers_is_quiet_only_as_far_as_they_can_tell(world: OddWorld) -> None:
    world.write_in_order(*[Plan(n=30)] * 4)
    report = world.report(WEEKS[3])
    assert report["verdict"] == (
        "A quiet week, as far as 30 answers can tell: no measure left its usual variation"
    )


@pytest.mark.parametrize(
    ("n", "heading"),
    [
        (15, "There are too few answers per slice to compare them"),
        (60, "Too few answers fail for slices to be told apart"),
    ],
)
def test_slices_in_which_nothing_could_be_seen_are_not_said_to_be_alike(
    world: OddWorld, n: int, heading: str
) -> None:
    world.write_in_order(Plan(n=n, rate=lambda name, _: RATES[name] / 4))
    assert headings(world.report(WEEKS[0]))["slices"] == heading


def test_a_week_without_an_interaction_after_weeks_with_some_is_an_alert(
    world: OddWorld,
) -> None:
    world.write_in_order(*[Plan(n=30)] * 4)
    report = world.report(WEEKS[4])
    assert report["alerts"] == ["No interaction was received this week."]
    assert headings(report)["actions"] == "No actions and one open alert"
    assert headings(report)["trend"] == "Too little is known of this week to compare it"


def test_what_varies_as_usual_in_a_lasting_outage_is_not_said_of_all_answers(
    world: OddWorld,
) -> None:
    def one_place(name: str, known: Mapping[str, str]) -> float:
        return 0.7 if name == "bias" and known["application"] == "city" else RATES[name]

    half = Plan(n=180, abstains=lambda name, known: known["channel"] == "web")
    world.write_in_order(*[Plan()] * 4, half, replace(half, rate=one_place))
    told = " ".join(world.report(WEEKS[5])["sentences"])
    assert "vary as usual where answers could be judged" in told


def test_labels_that_correct_no_rate_leave_something_to_do(world: OddWorld) -> None:
    written = world.write_in_order(*[Plan(n=30)] * 4)
    with transaction(world.engine) as session:
        session.add(a_label(written[-1], 0))
    (action,) = world.report(WEEKS[3])["actions"]
    assert action["why"] == (
        "No rate is corrected by labels of 1 answer, so every rate is the evaluator's alone."
    )
