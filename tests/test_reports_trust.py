"""The Trust section speaks of all answers: labels count for those that they stand for."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from app.criteria import Criteria
from app.database import transaction
from app.tables import Annotation, Interaction, ReviewQueue
from tests.report_world import RATES, Plan, a_label, report_of, write_weeks

WEEK = "2026-W46"
HALF = Plan(n=160, rate=lambda name, _: 0.5 if name == "groundedness" else RATES[name])


def trust(session: Session, criteria: Criteria, now: datetime) -> dict[str, Any]:
    report = report_of(session, criteria, WEEK, now)
    found: dict[str, Any] = next(one for one in report["sections"] if one["id"] == "trust")
    return found


def row_of(section: dict[str, Any]) -> dict[str, dict[str, Any]]:
    table = next(
        one for one in section["blocks"] if one.get("caption") == "Evaluator and reviewers"
    )
    return dict(zip(table["columns"], table["rows"][0], strict=True))


def drawn(one: Interaction, chance: float | None, *, fails: bool) -> Annotation:
    found = a_label(one, 0 if fails else 1)
    found.inclusion_probability = chance
    return found


def is_flagged(place: int) -> bool:
    """Failures are spread evenly: every second answer."""
    return place % 2 == 0


@pytest.mark.parametrize(
    ("chance", "agrees"),
    # Forty labels agree and forty do not; the scores say 80 % and 10 %.
    [(0.1, 400 / 440), (1.0, 0.5), (None, 0.5)],
)
def test_agreement_and_error_are_weighted_like_precision_and_recall(
    engine: Engine, criteria: Criteria, now: datetime, chance: float | None, agrees: float
) -> None:
    with transaction(engine) as session:
        written = write_weeks(session, {WEEK: HALF})[:80]
        rare = None if chance is None else 1.0
        right = [drawn(one, chance, fails=is_flagged(n)) for n, one in enumerate(written[:40])]
        wrong = [drawn(one, rare, fails=not is_flagged(n)) for n, one in enumerate(written[40:])]
        session.add_all([*right, *wrong])
        found = trust(session, criteria, now)
    row = row_of(found)
    assert row["Agrees"]["rate"] == pytest.approx(agrees)
    assert row["Precision"]["rate"] == pytest.approx(agrees)
    assert row["Recall"]["rate"] == pytest.approx(agrees)
    # Of the flagged answers, which score 0.8, this share fails; of the others one minus it.
    off = (abs(0.8 - agrees) + abs(0.1 - (1 - agrees))) / 2
    assert row["Calibration error"]["value"] == pytest.approx(off)
    assert ("Groundedness: not weighted" in found["note"]) == (chance is None)
    chart = next(one for one in found["blocks"] if one["block"] == "calibration_chart")
    assert chart["bins"][-1]["rate"] == pytest.approx(agrees)


def test_labels_that_all_agree_leave_room_for_those_that_would_not(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    with transaction(engine) as session:
        written = write_weeks(session, {WEEK: HALF})[:40]
        labels = [drawn(one, 0.5, fails=is_flagged(n)) for n, one in enumerate(written)]
        session.add_all(labels)
        agrees = row_of(trust(session, criteria, now))["Agrees"]
    assert agrees["rate"] == 1
    # Wilson's interval of 40 in 40.
    assert agrees["low"] == pytest.approx(0.912, abs=0.001)


def test_two_labels_of_one_answer_share_its_weight(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    with transaction(engine) as session:
        written = write_weeks(session, {WEEK: HALF})[:40]
        labels = [drawn(one, 0.5, fails=is_flagged(n) == (n < 30)) for n, one in enumerate(written)]
        twice = [drawn(one, 0.5, fails=is_flagged(n)) for n, one in enumerate(written[:10])]
        for one in twice:
            one.reviewer, one.idempotency_key = "ben", f"ben{one.interaction_id}"
        session.add_all([*labels, *twice])
        row = row_of(trust(session, criteria, now))
    assert row["Agrees"]["rate"] == pytest.approx(30 / 40)
    assert row["Agrees"]["n"] == 50


def test_reviewers_who_differ_are_told_beside_how_far_they_agree_with_the_evaluator(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    with transaction(engine) as session:
        written = write_weeks(session, {WEEK: HALF})[:40]
        labels = [drawn(one, 0.5, fails=is_flagged(n)) for n, one in enumerate(written)]
        twice = [drawn(one, 0.5, fails=is_flagged(n) == (n < 20)) for n, one in enumerate(written)]
        for one in twice:
            one.reviewer, one.idempotency_key = "ben", f"ben{one.interaction_id}"
        session.add_all([*labels, *twice])
        found = trust(session, criteria, now)
    assert found["heading"].replace("\N{NARROW NO-BREAK SPACE}", " ") == (
        "Reviewers agree with the evaluator in 75.0 % of verdicts, and with each other in 50.0 %"
    )


@pytest.mark.parametrize("fails", [True, False])
def test_labels_of_one_kind_have_no_kappa(
    engine: Engine, criteria: Criteria, now: datetime, fails: bool
) -> None:
    with transaction(engine) as session:
        written = write_weeks(session, {WEEK: HALF})[:40]
        session.add_all([drawn(one, 0.5, fails=fails) for one in written])
        row = row_of(trust(session, criteria, now))
    assert row["Kappa"]["value"] is None
    assert row["Agrees"]["rate"] == 0.5


def test_answers_that_a_queue_chose_by_their_verdict_measure_no_evaluator(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    """Of flagged answers alone an evaluator would seem to find all that fail."""
    with transaction(engine) as session:
        written = write_weeks(session, {WEEK: HALF})[:80:2]
        queue = ReviewQueue(
            project="default",
            name="flagged",
            criteria=["groundedness"],
            filters={"filter": {"label": "ungrounded"}},
            created_by="ann",
            created_at=now,
        )
        session.add(queue)
        session.flush()
        labels = [drawn(one, None, fails=True) for one in written]
        for one in labels:
            one.queue_id = queue.id
        session.add_all(labels)
        found = trust(session, criteria, now)
    assert found["heading"] == (
        "Reviewers labelled 40 answers, chosen by how they turned out, which measures nothing"
    )
    assert [one.get("caption") for one in found["blocks"] if one["block"] == "table"] == [
        "Rates of this week, corrected by its labels"
    ]
