"""What waits for a version of an evaluator that nobody runs is judged by the one that is run."""

import threading
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlmodel import col, select

from app.criteria import Criteria
from app.database import reading, transaction
from app.settings import Settings
from app.store.adopting import adopt
from app.store.evaluations import claim
from app.store.workers import beat
from app.tables import Evaluation
from app.worker import run_worker
from tests.builders import FAKE_EVALUATORS, WordJudge, save, some_interactions

OLD = [one for one in FAKE_EVALUATORS if one.spec.criterion == "toxicity"]
NEW = [WordJudge("toxicity", "idiot", score_with=0.97, version="2")]
SPECS = [NEW[0].spec]


def versions(engine: Engine) -> list[tuple[str, str]]:
    with reading(engine) as session:
        rows = session.exec(select(Evaluation).order_by(col(Evaluation.id)))
        return [(row.version, row.status) for row in rows]


def test_a_worker_judges_what_waited_for_the_version_before(
    engine: Engine, criteria: Criteria, settings: Settings, now: datetime
) -> None:
    save(engine, some_interactions(3, response="Go away, idiot."), evaluators=OLD)
    stop, rounds = threading.Event(), iter(range(12))

    def clock() -> datetime:
        if next(rounds, None) is None:
            stop.set()
        return now

    run_worker(engine, NEW, criteria, settings, now=clock, stop=stop)
    assert versions(engine) == [("2", "scored")] * 3


def test_what_a_living_worker_runs_is_left_to_it(engine: Engine, now: datetime) -> None:
    save(engine, some_interactions(2), evaluators=OLD)
    with transaction(engine) as session:
        beat(session, "old", ["toxicity-words@1"], {}, now=now)
        assert adopt(session, SPECS, now=now) == 0
        assert adopt(session, SPECS, now=now + timedelta(minutes=2)) == 2


def test_what_a_dead_worker_held_is_taken_over_when_its_lease_is_over(
    engine: Engine, now: datetime
) -> None:
    save(engine, some_interactions(1), evaluators=OLD)
    with transaction(engine) as session:
        specs = [OLD[0].spec]
        claim(session, specs=specs, now=now, interactions=9, lease_seconds=60, max_attempts=3)
        assert adopt(session, SPECS, now=now) == 0
        later = now + timedelta(minutes=2)
        assert adopt(session, SPECS, now=later) == 1
        found = claim(
            session, specs=SPECS, now=later, interactions=9, lease_seconds=60, max_attempts=3
        )
        assert [(one.evaluation.version, one.evaluation.attempts) for one in found] == [("2", 2)]


def test_an_answer_that_the_new_version_has_already_is_not_judged_twice(
    engine: Engine, now: datetime
) -> None:
    made = some_interactions(1)
    save(engine, made, evaluators=OLD)
    save(engine, some_interactions(1), evaluators=NEW)
    assert versions(engine) == [("1", "pending"), ("2", "pending")]
    with transaction(engine) as session:
        assert adopt(session, SPECS, now=now) == 1
    assert versions(engine) == [("2", "pending")]


def test_verdicts_of_the_version_before_stay_as_they_are(
    engine: Engine, criteria: Criteria, settings: Settings, now: datetime
) -> None:
    save(engine, some_interactions(2), evaluators=OLD)
    with transaction(engine) as session:
        for row in session.exec(select(Evaluation)):
            row.status, row.score = "scored", 0.1
    with transaction(engine) as session:
        assert adopt(session, SPECS, now=now) == 0
    assert versions(engine) == [("1", "scored")] * 2
