"""The reports of the demo's weeks name what was planted, in its week and in no other.

The judges are played by the truth with some errors, so that no model runs here and the test holds
whatever the judges' thresholds are.
"""

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert
from sqlmodel import Session

from app.criteria import Criteria, Criterion
from app.database import open_database, reading, transaction
from app.demo.events import EVENTS, WEEKS, Event
from app.demo.issue import issue_reports
from app.demo.library import planted
from app.demo.review import labels
from app.demo.traffic import DemoInteraction, demo_traffic
from app.migrate import migrate
from app.reports import build_report
from app.store.reports import list_reports, save_report
from app.store.rollups import Contribution, roll_up
from app.tables import Annotation, Evaluation, Interaction
from tests.builders import an_interaction

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
MISSES, FALSE_ALARMS = 0.12, 0.02
SEEDS = (1, 2)


@pytest.fixture(scope="module")
def reports(
    tmp_path_factory: pytest.TempPathFactory, criteria: Criteria
) -> dict[int, dict[str, dict[str, Any]]]:
    """The reports of all weeks, for evaluators that err in three different ways."""
    found = {}
    for seed in SEEDS:
        engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('demo') / 'demo.db'}")
        migrate(engine)
        fill(engine, criteria, seed)
        found[seed] = {week: issued(engine, criteria, week) for week in WEEKS}
        engine.dispose()
    return found


def issued(engine: Engine, criteria: Criteria, week: str) -> dict[str, Any]:
    """The report of a week, kept so that the next one can look back at it."""
    report = report_of(engine, criteria, week)
    with transaction(engine) as session:
        save_report(session, report, now=NOW)
    return report


def report_of(engine: Engine, criteria: Criteria, week: str) -> dict[str, Any]:
    with reading(engine) as session:
        return build_report(
            session,
            project="default",
            criteria=criteria,
            week=week,
            application=None,
            now=NOW,
            time_zone="UTC",
        )


def fill(engine: Engine, criteria: Criteria, seed: int) -> None:
    rng, traffic = random.Random(seed), list(demo_traffic())
    with transaction(engine) as session:
        rows = {f"{one.trace_id:032x}": interaction(one) for one in traffic}
        session.execute(insert(Interaction), [row.model_dump() for row in rows.values()])
        evaluations = [
            verdict(one, rows[f"{one.trace_id:032x}"], criterion, rng)
            for one in traffic
            for criterion in criteria
        ]
        rows_of = [one.model_dump(exclude={"id"}) for one in evaluations]
        session.execute(insert(Evaluation), rows_of)
        by_id = {row.id: row for row in rows.values()}
        roll_up(session, [Contribution(by_id[one.interaction_id], one) for one in evaluations])
        label(session, criteria, rows)


def interaction(one: DemoInteraction) -> Interaction:
    segments = {
        "language": one.language,
        "channel": one.channel,
        "user_group": one.user_group,
        "release": one.release,
        "prompt_version": one.prompt_version,
    }
    return an_interaction(
        trace_id=f"{one.trace_id:032x}",
        application=one.application,
        model=one.model,
        conversation_id=one.conversation,
        prompt=one.prompt,
        response=one.response,
        contexts=list(one.contexts),
        segments=segments,
        started_at=one.started_at,
        received_at=one.started_at,
    )


def verdict(
    one: DemoInteraction, row: Interaction, criterion: Criterion, rng: random.Random
) -> Evaluation:
    fields: dict[str, Any] = {
        "project": "default",
        "interaction_id": row.id,
        "criterion": criterion.name,
        "evaluator": f"{criterion.name}-truth",
        "version": "1",
        "input_hash": "h",
        "created_at": one.started_at,
        "started_at": one.started_at,
    }
    truth = criterion.label(one.truth[criterion.name]).fails
    if truth is None and not one.contexts:
        words = "There are no contexts."
        return Evaluation(**fields, status="abstained", explanation=words)
    fails = rng.random() >= MISSES if truth else rng.random() < FALSE_ALARMS
    score = (
        rng.uniform(0.05, 0.2) if fails == criterion.higher_is_better else rng.uniform(0.8, 0.95)
    )
    return Evaluation(
        **fields,
        status="scored",
        score=score,
        passed=not fails,
        threshold=criterion.threshold,
        label=criterion.failing if fails else criterion.passing,
    )


def label(session: Session, criteria: Criteria, rows: dict[str, Interaction]) -> None:
    known = {one.name: [label.name for label in one.labels] for one in criteria}
    for one in labels(demo_traffic(), known):
        body: dict[str, Any] = one.body(rows[one.trace_id].id)
        chosen = body.pop("label")
        body.pop("blind")
        session.add(
            Annotation(
                project="default",
                guideline_version="g",
                blind_label=chosen,
                final_label=chosen,
                created_at=rows[one.trace_id].started_at,
                **body,
            )
        )


def headings(report: dict[str, Any]) -> Iterator[str]:
    yield report["verdict"]
    yield from (section["heading"] for section in report["sections"])


def test_the_file_of_the_truth_and_the_planted_events_agree() -> None:
    assert {event.week: (event.what, event.criterion) for event in EVENTS} == {
        week: (one.what, one.criterion) for week, one in planted().items()
    }


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("event_week", sorted(planted()))
def test_each_planted_event_is_in_a_heading_of_its_week_and_of_no_other(
    reports: dict[int, dict[str, dict[str, Any]]], event_week: str, seed: int
) -> None:
    pattern = re.compile(planted()[event_week].heading)
    for week, report in reports[seed].items():
        told = [words for words in headings(report) if pattern.search(words)]
        assert bool(told) == (week == event_week), (week, told, list(headings(report)))


@pytest.mark.parametrize("seed", SEEDS)
def test_weeks_without_an_event_are_quiet_and_the_others_name_the_place(
    reports: dict[int, dict[str, dict[str, Any]]], seed: int
) -> None:
    for week, report in reports[seed].items():
        worse = [one for one in report["findings"] if one["kind"] == "worse"]
        truth = planted().get(week)
        if truth is None:
            assert not worse, (week, worse)
            continue
        assert truth.criterion in {one["criterion"] for one in worse}
        told = " ".join([*headings(report), *report["sentences"]])
        assert any(place.replace("=", " ") in told for place in truth.slices), (week, told)


def test_every_section_has_something_to_say(
    reports: dict[int, dict[str, dict[str, Any]]],
) -> None:
    report = reports[1][WEEKS[-1]]
    silent = {one["id"] for one in report["sections"] if not one["blocks"]}
    assert silent <= {"clusters", "actions"}
    said = {one["id"]: one["heading"] for one in report["sections"]}
    assert "too few" not in said["fairness"]
    assert "too few" not in said["drift"]
    assert "too few" not in said["trust"].lower()


def test_the_demo_keeps_its_reports_so_that_the_list_of_weeks_says_what_happened(
    engine: Engine,
    reports: dict[int, dict[str, dict[str, Any]]],
    tmp_path: Path,
) -> None:
    made = reports[SEEDS[0]]
    issue_reports(made.__getitem__, engine, WEEKS, tmp_path, NOW)
    with reading(engine) as session:
        kept = {row.week: row.body["verdict"] for row in list_reports(session, "default")}
    assert kept == {week: report["verdict"] for week, report in made.items()}
    assert {path.name for path in tmp_path.glob("*.json")} == {f"{week}.json" for week in WEEKS}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("event", EVENTS[:-1], ids=lambda event: event.week)
def test_the_week_after_a_planted_event_says_what_became_of_it(
    reports: dict[int, dict[str, dict[str, Any]]], event: Event, seed: int
) -> None:
    after = reports[seed][WEEKS[WEEKS.index(event.week) + 1]]
    first = after["last_actions"][0]
    assert first["what"] == reports[seed][event.week]["actions"][0]["what"]
    assert event.criterion in first["cause"]["criteria"]
    # The bad release was rolled back, but in the next week other answers lacked their contexts.
    lasts = event is EVENTS[0]
    assert first["state"] == ("still" if lasts else "over"), first
    assert ("no answer of release 2.4.0" in first["words"]) == lasts


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.week)
def test_the_heading_of_the_actions_says_what_to_do_first(
    reports: dict[int, dict[str, dict[str, Any]]], event: Event
) -> None:
    for found in reports.values():
        (section,) = [one for one in found[event.week]["sections"] if one["id"] == "actions"]
        first = section["blocks"][0]["rows"][0][0]["text"]
        assert section["heading"].endswith(f": {first[0].lower()}{first[1:]}")
