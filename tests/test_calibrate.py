"""`touchstone calibrate`: labels change scores and thresholds, or it says why they do not."""

import os
from collections.abc import Sequence
from datetime import date, datetime
from math import exp
from pathlib import Path
from random import Random
from typing import Any

import pytest
import typer
from sqlalchemy import Engine
from sqlmodel import select
from typer.testing import CliRunner, Result

from app.calibrate import Fitted, answers_of, fit
from app.commands import calibrate
from app.commands.quality.run import ece_own_labels
from app.criteria import Criteria
from app.database import transaction
from app.errors import NotFound, SetupError
from app.measures import read_said
from app.outcomes import judge_batch
from app.quality import calibration_error
from app.recalibrated import (
    Calibration,
    Recalibrated,
    calibrations_text,
    read_calibrations,
    recalibrate,
)
from app.refit import Answer
from app.selection import find_criteria
from app.settings import Settings, read_settings
from app.store.annotations import add_annotations
from app.tables import Annotation, Evaluation
from evaluators.protocol import Sample, Verdict, check_evaluator
from tests.builders import FAKE_EVALUATORS, save, score_all, some_interactions

TODAY = date(2026, 11, 18)
JUDGE = FAKE_EVALUATORS[0]
CALIBRATION = Calibration(
    evaluator=JUDGE.spec.name,
    version=JUDGE.spec.version,
    slope=0.5,
    offset=-1.0,
    threshold=0.3,
    labels=200,
    failing=40,
    made=TODAY,
)


def chance(odds: float) -> float:
    return 1 / (1 + exp(-odds))


def labelled(n: int, slope: float, offset: float, *, higher: bool = True) -> list[Answer]:
    """Answers of which the criterion holds with the probability of a curve over their scores.

    Those that the evaluator doubts are labelled four times as often as the others.
    """
    random, found = Random(5), []
    while len(found) < n:
        odds = random.gauss(0.5, 2)
        share = 0.8 if odds < 0 else 0.2
        if random.random() < share:
            holds = random.random() < chance(slope * odds + offset)
            found.append(Answer(f"c{len(found)}", chance(odds), holds != higher, 1 / share))
    return found


def fitted(
    criteria: Criteria, answers: Sequence[Answer], *, name: str = "groundedness", **changes: Any
) -> Fitted:
    criterion = criteria.get(name).model_copy(update=changes)
    return fit(criterion, JUDGE.spec, answers, None, today=TODAY)


@pytest.mark.parametrize(("name", "higher"), [("groundedness", True), ("toxicity", False)])
def test_an_evaluator_that_is_too_sure_learns_what_its_scores_mean(
    criteria: Criteria, name: str, higher: bool
) -> None:
    found = fitted(criteria, labelled(1200, 0.5, 1.0, higher=higher), name=name)
    assert found.calibration is not None
    assert found.after is not None
    assert found.calibration.slope == pytest.approx(0.5, abs=0.1)
    assert found.calibration.offset == pytest.approx(1.0, abs=0.25)
    assert found.after.error < 0.5 * found.before.error
    assert found.after.brier < found.before.brier
    assert abs(found.before.flagged - found.before.failing) > 0.05
    assert found.after.flagged == pytest.approx(found.after.failing, abs=0.02)


def test_an_evaluator_whose_scores_are_right_already_stays_as_it_is(criteria: Criteria) -> None:
    found = fitted(criteria, labelled(1200, 1.0, 0.0))
    assert found.calibration is None
    assert found.refusal == "it would be no better on unseen conversations"


def test_too_few_labels_of_a_kind_are_told_and_not_fitted(criteria: Criteria) -> None:
    found = fitted(criteria, labelled(60, 0.5, 4.0))
    assert found.calibration is None
    assert found.after is None
    assert found.refusal == f"20 failing labels are needed, not {found.failing}"


def test_labels_of_few_conversations_cannot_be_measured_on_others(criteria: Criteria) -> None:
    answers = [one._replace(conversation="c") for one in labelled(400, 0.5, 0.0)]
    assert fitted(criteria, answers).refusal == "20 conversations are needed, not 1"


def test_an_evaluator_whose_scores_say_the_opposite_is_not_turned_round(criteria: Criteria) -> None:
    found = fitted(criteria, labelled(400, -0.5, 0.0))
    assert found.calibration is None
    assert found.refusal == "higher scores do not go with better answers here"


def test_what_was_calibrated_keeps_the_contract_and_says_so_in_its_version() -> None:
    judge = Recalibrated(JUDGE, CALIBRATION)
    sample = Sample("When?", "It was invented.", ("Today.",))
    (plain,), (through,) = JUDGE.evaluate([sample]), judge.evaluate([sample])
    assert check_evaluator(judge) == []
    assert isinstance(plain, Verdict)
    assert isinstance(through, Verdict)
    assert through.score == pytest.approx(CALIBRATION.curve.of(plain.score), abs=1e-4)
    assert [one.score for one in through.evidence] == [through.score]
    assert [(one.start, one.end, one.kind) for one in through.evidence] == [
        (one.start, one.end, one.kind) for one in plain.evidence
    ]
    assert through.explanation == plain.explanation
    assert judge.spec.version == f"1+{CALIBRATION.mark}"
    assert judge.spec.calibration == f"none, own labels of 2026-11-18 {CALIBRATION.mark}"
    assert judge.computation == JUDGE.computation  # type: ignore[attr-defined]


def test_a_file_says_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(calibrations_text({"groundedness": CALIBRATION}))
    assert read_calibrations(path) == {"groundedness": CALIBRATION}
    assert read_calibrations(None) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read"),
        ("[groundedness", "is not what `touchstone calibrate` writes"),
        ("groundedness = 3", "is not what `touchstone calibrate` writes"),
        ("[groundedness]\nslope = -1", "is not what `touchstone calibrate` writes"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_at_the_start(
    tmp_path: Path, text: str | None, message: str
) -> None:
    path = tmp_path / "own.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SetupError, match=f"TOUCHSTONE_CALIBRATION.*{message}"):
        read_calibrations(path)


def test_a_calibration_of_another_version_is_refused_and_others_are_left_alone() -> None:
    other = CALIBRATION.model_copy(update={"version": "0"})
    with pytest.raises(SetupError, match="version 0 of the evaluator 'groundedness-words'"):
        recalibrate(FAKE_EVALUATORS, {"groundedness": other})
    made = recalibrate(FAKE_EVALUATORS, {"groundedness": CALIBRATION})
    assert [one.spec.version for one in made] == [f"1+{CALIBRATION.mark}", "1", "1", "1", "1"]
    assert made[1:] == list(FAKE_EVALUATORS[1:])


def test_a_calibration_of_an_unknown_criterion_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(calibrations_text({"politeness": CALIBRATION}))
    with pytest.raises(SetupError, match="there is no criterion 'politeness'"):
        find_criteria(read_settings(calibration=path))


def store_labels(
    engine: Engine, criteria: Criteria, settings: Settings, now: datetime, n: int = 60
) -> None:
    """Labels on so many answers: half of those that the judge flags fail, of the others none."""
    rows = some_interactions(n)
    for number, row in enumerate(rows):
        row.response = "It was invented." if number % 2 else "It was today."
        row.conversation_id = f"c{number}"
    save(engine, rows)
    score_all(engine, criteria, settings)
    with transaction(engine) as session:
        labels = [
            label(row.id, number, "ungrounded" if number % 4 == 1 else "grounded", now)
            for number, row in enumerate(rows)
        ]
        again = label(rows[1].id, n, "grounded", now, occasion=2)
        chosen = label(rows[3].id, n + 1, "grounded", now, inclusion_probability=None)
        add_annotations(session, [*labels, again, chosen], criteria=criteria)


def label(interaction_id: str, number: int, name: str, now: datetime, **changes: Any) -> Annotation:
    fields: dict[str, Any] = {
        "project": "default",
        "interaction_id": interaction_id,
        "criterion": "groundedness",
        "reviewer": "anna" if changes.get("inclusion_probability", 1) else "ben",
        "blind_label": name,
        "final_label": name,
        "inclusion_probability": 0.5,
        "guideline_version": "g",
        "idempotency_key": f"own{number}",
        "created_at": now,
        **changes,
    }
    return Annotation(**fields)


def test_first_labels_on_sampled_answers_count_beside_the_score_as_it_ships(
    engine: Engine, criteria: Criteria, settings: Settings, now: datetime
) -> None:
    store_labels(engine, criteria, settings, now)
    with transaction(engine) as session:
        said = read_said(session, "default", criteria)["groundedness"]
        plain = answers_of(session, JUDGE.spec, said, None)
        # As if half of them had been judged with the calibration in force.
        rows = session.exec(select(Evaluation).where(Evaluation.evaluator == JUDGE.spec.name))
        for row in sorted(rows, key=lambda row: row.id or 0)[::2]:
            assert row.score is not None
            row.version = CALIBRATION.spec_of(JUDGE.spec).version
            row.score = CALIBRATION.curve.of(row.score)
        session.flush()
        back = answers_of(session, JUDGE.spec, said, CALIBRATION)
        left = answers_of(session, JUDGE.spec, said, None)
    assert len(plain) == len(back) == 60
    assert sum(one.fails for one in plain) == 15
    assert {one.weight for one in plain} == {2.0}
    assert {round(one.score, 6) for one in plain} == {0.1, 0.9}
    assert [one.score for one in back] == pytest.approx([one.score for one in plain], abs=1e-6)
    assert 0 < len(left) < 60


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Any:
    """Runs the command with fake evaluators in place of those with weights."""
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", database_url)

    def found(settings: Settings) -> list[Any]:
        return recalibrate(FAKE_EVALUATORS, read_calibrations(settings.calibration))

    monkeypatch.setattr(calibrate, "find_evaluators", found)
    line = typer.Typer()
    line.command()(calibrate.command)

    def _run(*arguments: str) -> Result:
        return CliRunner(env={"COLUMNS": "200"}).invoke(line, list(arguments))

    return _run


def test_the_command_says_what_it_is_worth_and_its_file_changes_verdicts_and_threshold(
    run: Any,
    tmp_path: Path,
    engine: Engine,
    criteria: Criteria,
    settings: Settings,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store_labels(engine, criteria, settings, now, n=120)
    out = tmp_path / "own.toml"
    result = run("--out", str(out))
    assert result.exit_code == 0, result.output
    assert "groundedness-words" in result.output
    assert "TOUCHSTONE_CALIBRATION=" in result.output
    own = read_calibrations(out)["groundedness"]
    assert (own.labels, own.failing) == (120, 30)
    # Half of the flagged answers fail, and none of the others.
    assert own.curve.of(0.1) == pytest.approx(0.5, abs=0.05)
    assert own.curve.of(0.9) > 0.95
    monkeypatch.setenv("TOUCHSTONE_CALIBRATION", str(out))
    settings = read_settings()
    criterion = find_criteria(settings).get("groundedness")
    (judge, *_) = recalibrate(FAKE_EVALUATORS, read_calibrations(settings.calibration))
    (outcome,) = judge_batch(judge, criterion, [Sample("When?", "It was invented.", ("Today.",))])
    assert (outcome.threshold, outcome.score) == (own.threshold, round(own.curve.of(0.1), 4))
    again = run("--out", str(out))
    assert again.exit_code == 1
    assert "groundedness-words stays as it is: it would be no better" in again.output


def test_a_project_without_labels_is_told_what_is_missing(run: Any, engine: Engine) -> None:
    result = run()
    assert isinstance(result.exception, NotFound)
    assert "make a queue" in str(result.exception)
    assert not os.path.exists("calibration.toml")


def test_the_bench_tells_what_labels_of_its_own_would_leave_of_an_error() -> None:
    answers = labelled(600, 0.5, 1.0)
    scores, labels = [one.score for one in answers], [int(not one.fails) for one in answers]
    sources = [one.conversation for one in answers]
    left = ece_own_labels(scores, labels, sources)["value"]
    off = calibration_error(scores, labels, sources)["value"]
    assert left is not None
    assert off is not None
    assert left < 0.6 * off
    assert ece_own_labels(scores[:30], [1] * 30, sources[:30])["value"] is None
