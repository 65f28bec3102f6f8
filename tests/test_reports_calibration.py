"""The report asks for a calibration where scores are off for sure and labels suffice to mend it."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from app.criteria import Criteria
from app.database import transaction
from app.reports import build_report
from app.tables import Evaluation
from tests.report_world import RATES, Plan, a_label, write_weeks

WEEK = "2026-W46"
HALF = Plan(n=160, rate=lambda name, _: 0.5 if name == "groundedness" else RATES[name])


def actions(engine: Engine, criteria: Criteria, now: datetime) -> list[list[Any]]:
    with transaction(engine) as session:
        report = build_report(
            session,
            project="default",
            criteria=criteria,
            week=WEEK,
            application=None,
            now=now,
            time_zone="UTC",
        )
    found = next(one for one in report["sections"] if one["id"] == "actions")
    tables = [block for block in found["blocks"] if block["block"] == "table"]
    return [row for table in tables for row in table["rows"]]


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
        labels = [a_label(one, 0 if id in wrong else 1) for id, one in written.items()]
        session.add_all(labels)
    found = [row for row in actions(engine, criteria, now) if "calibrate" in row[0]["text"]]
    assert [row[0]["text"] for row in found] == ["Run touchstone calibrate for groundedness"] * asks
    if asks:
        assert "On 160 labels the scores of groundedness are off by 30 points" in str(found[0][1])


def test_few_failing_labels_ask_for_no_calibration(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    with transaction(engine) as session:
        written = write_weeks(session, {WEEK: HALF})
        session.add_all([a_label(one, 0 if n % 16 == 0 else 1) for n, one in enumerate(written)])
    assert not [row for row in actions(engine, criteria, now) if "calibrate" in row[0]["text"]]
