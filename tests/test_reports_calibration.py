"""The report asks for a calibration where scores are off for sure and labels suffice to mend it."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.calibrate import fit_all
from app.criteria import Criteria
from app.database import transaction
from app.tables import Evaluation
from tests.builders import FAKE_EVALUATORS
from tests.report_world import RATES, Plan, a_label, report_of, write_weeks

WEEK = "2026-W46"
HALF = Plan(n=160, rate=lambda name, _: 0.5 if name == "groundedness" else RATES[name])


def section(session: Session, criteria: Criteria, now: datetime) -> dict[str, Any]:
    report = report_of(session, criteria, WEEK, now)
    found: dict[str, Any] = next(one for one in report["sections"] if one["id"] == "actions")
    return found


def advice(section: dict[str, Any]) -> list[list[dict[str, Any]]]:
    tables = [block for block in section["blocks"] if block["block"] == "table"]
    rows = [row for table in tables for row in table["rows"]]
    return [row for row in rows if "calibrate" in row[0]["text"]]


def notes(section: dict[str, Any]) -> list[str]:
    texts = [block["text"] for block in section["blocks"] if block["block"] == "text"]
    return [words for words in texts if "calibrate" in words]


def command_says(session: Session, criteria: Criteria, now: datetime) -> str | None:
    """Why `touchstone calibrate` would not write a curve, None where it would."""
    spec = FAKE_EVALUATORS[0].spec
    (found,) = fit_all(session, "default", criteria, [spec], {}, today=now.date())
    return found.refusal


@pytest.mark.parametrize(("share", "asks"), [(0.2, True), (0.8, False)])
def test_scores_that_are_off_for_sure_are_to_be_calibrated(
    engine: Engine, criteria: Criteria, now: datetime, share: float, asks: bool
) -> None:
    with transaction(engine) as session:
        written = {one.id: one for one in write_weeks(session, {WEEK: HALF})}
        failing = select(Evaluation.interaction_id).where(Evaluation.label == "ungrounded")
        flagged = sorted(session.exec(failing))
        # The scores say that 80 % of the flagged answers fail, and 10 % of the others.
        wrong = {*flagged[: round(share * len(flagged))], *sorted({*written} - {*flagged})[::10]}
        session.add_all(a_label(one, 0 if id in wrong else 1) for id, one in written.items())
        found = section(session, criteria, now)
        assert not asks or command_says(session, criteria, now) is None
    rows = advice(found)
    assert [row[0]["text"] for row in rows] == ["Run touchstone calibrate for groundedness"] * asks
    assert not notes(found)
    if asks:
        assert "On 160 labels the scores of groundedness are off by 30 points" in str(rows[0][1])


def test_few_failing_labels_ask_for_no_calibration_and_the_report_says_what_is_missing(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    with transaction(engine) as session:
        written = write_weeks(session, {WEEK: HALF})
        session.add_all([a_label(one, 0 if n % 16 == 0 else 1) for n, one in enumerate(written)])
        found, refusal = section(session, criteria, now), command_says(session, criteria, now)
    assert not advice(found)
    assert refusal == "20 failing labels are needed, not 10"
    assert notes(found)[0].endswith(f"; touchstone calibrate would leave them so: {refusal}.")


def test_what_the_command_would_refuse_for_another_reason_is_not_advised_either(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    together = replace(HALF, words={"conversation_id": "c1"})
    with transaction(engine) as session:
        written = write_weeks(session, {WEEK: together})
        session.add_all(
            [a_label(one, 0 if n % 10 in (0, 2) else 1) for n, one in enumerate(written)]
        )
        found, refusal = section(session, criteria, now), command_says(session, criteria, now)
    assert not advice(found)
    assert refusal == "20 conversations are needed, not 1"
    assert notes(found)[0].endswith(f"would leave them so: {refusal}.")


def test_labels_of_rare_draws_decide_whether_scores_are_off(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    with transaction(engine) as session:
        written = write_weeks(session, {WEEK: HALF})
        # Where few were drawn the scores are right; where all were drawn, a few answers, off.
        for n, one in enumerate(written):
            is_flagged, is_rare = n % 2 == 0, n < 100
            right = (n // 2 % 5 > 0) if is_flagged else (n // 2 % 10 == 0)
            label = a_label(one, 0 if (right if is_rare else not is_flagged) else 1)
            label.inclusion_probability = 0.02 if is_rare else 1.0
            session.add(label)
        found = section(session, criteria, now)
    assert not advice(found)
    assert not notes(found)
