"""What a sample looks harder at, and that its stored probabilities make up for it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import sqrt
from statistics import mean, stdev
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.criteria import Criteria
from app.database import transaction
from app.errors import UnknownField
from app.store.alerts import open_alerts, within_alert
from app.store.interactions import InteractionFilter, list_interactions
from app.store.reviews import Plan, create_queue
from app.store.strata import MIXED, strata_of
from app.tables import Evaluation, Feedback, Interaction, Report, ReviewItem
from tests.builders import an_interaction, save

DAY = timedelta(days=1)
RUNS = 500


def add_feedback(session: Session, row: Interaction, **said: Any) -> None:
    fields: dict[str, Any] = {"project": "default", "trace_id": row.trace_id, "name": "thumb"}
    key = f"{row.id} {said}"
    session.add(Feedback(**fields | said, content_hash=key, received_at=row.received_at))


def rows_in(engine: Engine, now: datetime, n: int, **changes: Any) -> list[Interaction]:
    rows = [
        an_interaction(
            **{"trace_id": f"{number + 1:032x}", "started_at": now - DAY, "segments": {}, **changes}
        )
        for number in range(n)
    ]
    save(engine, rows, evaluators=())
    return rows


def found(engine: Engine, **filters: Any) -> set[str]:
    with transaction(engine) as session:
        page = list_interactions(session, "default", InteractionFilter(**filters), limit=1000)
    return {row.id for row in page.rows}


def test_interactions_are_found_by_what_their_users_said(engine: Engine, now: datetime) -> None:
    rows = rows_in(engine, now, 6)
    with transaction(engine) as session:
        add_feedback(session, rows[0], value=0.0)
        add_feedback(session, rows[1], label="thumbs_down")
        add_feedback(session, rows[2], name="Flag", value=1.0)
        add_feedback(session, rows[3], name="stars", value=2.0, span_id=rows[3].span_id)
        add_feedback(session, rows[4], name="stars", value=2.0, span_id="f" * 16)
    ids = [row.id for row in rows]
    assert found(engine, feedback="unhappy") == set(ids[:3])
    assert found(engine, feedback="given") == set(ids[:4])
    assert found(engine, feedback_below=3.0) == {ids[0], ids[3]}
    assert found(engine, feedback_below=1.0) == {ids[0]}
    assert found(engine, feedback="given", feedback_below=3.0, application="shop") == {
        ids[0],
        ids[3],
    }
    with pytest.raises(UnknownField, match="unhappy, given"):
        found(engine, feedback="sad")


def a_report(now: datetime, *findings: dict[str, Any], **changes: Any) -> Report:
    fields: dict[str, Any] = {
        "project": "default",
        "week": "2026-W47",
        "sha256": "",
        "created_at": now,
        "body": {
            "from": (now - 7 * DAY).isoformat(),
            "to": now.isoformat(),
            "findings": list(findings),
        },
    }
    return Report(**fields | changes)


def a_finding(**changes: Any) -> dict[str, Any]:
    fields = {"kind": "worse", "about": "failing", "criterion": "answer_relevance", "slice": None}
    return fields | changes


def test_what_the_newest_report_found_worse_is_an_alert_that_narrows_a_filter(
    engine: Engine, now: datetime
) -> None:
    in_german = {"key": "language", "value": "de"}
    with transaction(engine) as session:
        session.add(a_report(now, a_finding(criterion="bias"), week="2026-W46"))
        session.add(a_report(now, a_finding(criterion="toxicity")))
        session.add(
            a_report(
                now,
                a_finding(slice=in_german),
                a_finding(kind="better"),
                a_finding(about="unjudged"),
                a_finding(kind="gap", slice={"key": "model", "value": "m2"}),
                revision=2,
            )
        )
    with transaction(engine) as session:
        names = [alert.name for alert in open_alerts(session, "default")]
        assert names == [
            "2026-W47: answer relevance worse than usual, language=de",
            "2026-W47: answer relevance worse than the rest, model=m2",
        ]
        assert not open_alerts(session, "other")
        mine = InteractionFilter(application="shop", from_at=now - DAY)
        narrowed = within_alert(session, "default", mine, names[0])
        assert narrowed == InteractionFilter(
            application="shop", segments={"language": "de"}, from_at=now - DAY, to_at=now
        )
        assert within_alert(session, "default", mine, names[1]).model == "m2"
        with pytest.raises(UnknownField, match="not open any more"):
            within_alert(session, "default", mine, "2026-W46: bias worse than usual")


def test_complaints_alerts_rare_segments_and_doubtful_verdicts_have_strata_of_their_own(
    engine: Engine, now: datetime
) -> None:
    languages = ["en"] * 60 + ["de"] * 6 + ["es"] * 2
    rows = [
        an_interaction(
            trace_id=f"{number + 1:032x}",
            segments={"language": language},
            model="m2" if number == 5 else "m1",
            started_at=now - DAY,
        )
        for number, language in enumerate(languages)
    ]
    save(engine, rows, evaluators=())
    with transaction(engine) as session:
        add_feedback(session, rows[0], value=-1.0)
        session.add(a_report(now, a_finding(slice={"key": "model", "value": "m2"})))
        session.add_all(judged(row, now, 0.5 + number / 200) for number, row in enumerate(rows))
    with transaction(engine) as session:
        strata = strata_of(session, "default", InteractionFilter(), ["groundedness"])
    ids = [row.id for row in rows]
    assert set(strata["complaints"]) == {ids[0], ids[5]}
    assert set(strata["rare segment"]) == set(ids[66:])
    assert set(strata["uncertain"]) == set(ids[1:14]) - {ids[5]}
    assert sorted(one for members in strata.values() for one in members) == sorted(ids)


def judged(row: Interaction, now: datetime, score: float) -> Evaluation:
    return Evaluation(
        project="default",
        interaction_id=row.id,
        criterion="groundedness",
        evaluator="e",
        version="1",
        status="scored",
        score=score,
        threshold=0.5,
        passed=score >= 0.5,
        input_hash="",
        created_at=now,
        started_at=row.started_at,
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_labels_weighted_by_the_probabilities_in_the_database_give_the_true_failure_rate(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    rows = rows_in(engine, now, 120)
    with transaction(engine) as session:
        session.add_all(judged(row, now, 0.5 + number / 200) for number, row in enumerate(rows))
        for row in rows[-12:]:
            add_feedback(session, row, value=0.0)
    # Where the evaluator is unsure and where users complain, more answers fail.
    failing = {row.id for row in (*rows[:12], *rows[40:80:10], *rows[-8:])}
    truth = len(failing) / len(rows)
    weighted, plain = [], []
    with transaction(engine) as session:
        for seed in range(RUNS):
            labelled = draw(session, criteria, now, seed)
            total = sum(1 / item.inclusion_probability for item in labelled if fails(item, failing))
            weighted.append(total / len(rows))
            plain.append(mean(fails(item, failing) for item in labelled))
    tolerance = 3 * stdev(weighted) / sqrt(RUNS)
    assert abs(mean(weighted) - truth) < tolerance
    assert mean(plain) - truth > 5 * tolerance


def fails(item: ReviewItem, failing: set[str]) -> bool:
    return item.interaction_id in failing


def draw(session: Session, criteria: Criteria, now: datetime, seed: int) -> Sequence[ReviewItem]:
    """A queue's items, as they stand in the database."""
    queue = create_queue(
        session,
        project="default",
        name=f"sample {seed}",
        filters=InteractionFilter(),
        plan=Plan(size=24, shares=MIXED, seed=seed),
        criteria=criteria,
        criterion_names=["groundedness"],
        created_by="lea",
        now=now,
    )
    queue_id = queue.id
    session.expunge_all()
    return session.exec(select(ReviewItem).where(ReviewItem.queue_id == queue_id)).all()
