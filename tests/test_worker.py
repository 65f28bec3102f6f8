"""The worker: leases, fences, poison and death cost only what they touch."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, update
from sqlmodel import select

from app.criteria import Criteria
from app.database import open_database, reading, transaction
from app.migrate import migrate
from app.outcomes import Outcome
from app.settings import Settings
from app.store.evaluations import Claim, claim, coverage, record
from app.store.extractions import empty_traces
from app.store.workers import beat, evaluator_troubles
from app.tables import Evaluation, Heartbeat, Interaction, SpanChunk
from app.worker import run_worker, work_once
from evaluators.protocol import Abstention, EvaluatorSpec, Sample, Verdict
from tests.builders import (
    FAKE_EVALUATORS,
    WEDNESDAY,
    a_span,
    an_interaction,
    save,
    score_all,
    some_interactions,
)
from tests.telemetry import put_spans

TOXICITY = [one for one in FAKE_EVALUATORS if one.spec.criterion == "toxicity"]
SPECS = [one.spec for one in TOXICITY]


class Poisonable:
    """A real plugin that raises on one word, as a plugin with a fault does."""

    spec = EvaluatorSpec(
        name="poisonable", criterion="toxicity", version="1", needs=frozenset({"response"})
    )

    def load(self) -> None: ...

    def evaluate(self, samples: Sequence[Sample]) -> list[Verdict | Abstention]:
        if any("poison" in sample.response for sample in samples):
            raise ValueError("cannot read this")
        return [Verdict(0.25) for _ in samples]


def take(engine: Engine, now: datetime, *, n: int = 100, max_attempts: int = 3) -> list[Claim]:
    with transaction(engine) as session:
        return claim(
            session,
            specs=SPECS,
            now=now,
            interactions=n,
            lease_seconds=60,
            max_attempts=max_attempts,
        )


def give(engine: Engine, claims: Sequence[Claim], now: datetime) -> int:
    outcome = Outcome(status="scored", score=0.1, label="none", passed=True)
    with transaction(engine) as session:
        return record(session, [(one, outcome) for one in claims], specs=SPECS, now=now)


def counts(engine: Engine) -> dict[str, int]:
    with reading(engine) as session:
        return coverage(session, "default").counts.get("toxicity", {})


def test_a_round_judges_what_is_there(
    engine: Engine, criteria: Criteria, settings: Settings, now: datetime
) -> None:
    save(engine, some_interactions(40))
    done = score_all(engine, criteria, settings)
    assert done.judged == done.recorded == 200
    assert counts(engine) == {"scored": 40}


def test_two_workers_never_hold_the_same_item(engine: Engine, now: datetime) -> None:
    save(engine, some_interactions(10), evaluators=TOXICITY)
    first, second = take(engine, now, n=6), take(engine, now, n=6)
    ids = [one.evaluation.id for one in first + second]
    assert len(ids) == len(set(ids)) == 10


def test_a_poisonous_sample_costs_only_itself(
    engine: Engine, criteria: Criteria, settings: Settings, now: datetime
) -> None:
    rows = [*some_interactions(5), an_interaction(trace_id="f" * 32, response="poison")]
    save(engine, rows, evaluators=[Poisonable()])
    work_once(engine, [Poisonable()], criteria, settings, now=lambda: now)
    assert counts(engine) == {"scored": 5, "failed": 1}
    with reading(engine) as session:
        (failed,) = session.exec(select(Evaluation).where(Evaluation.status == "failed"))
    assert (failed.error_type, failed.score) == ("ValueError", None)
    assert "cannot read this" in (failed.explanation or "")


def test_a_dead_workers_items_come_back_one_by_one(engine: Engine, now: datetime) -> None:
    save(engine, some_interactions(4), evaluators=TOXICITY)
    assert len(take(engine, now)) == 4
    assert take(engine, now + timedelta(seconds=59)) == []
    assert len(take(engine, now + timedelta(seconds=61))) == 1


def test_an_item_that_kills_every_worker_is_given_up_and_its_neighbours_are_not(
    engine: Engine, now: datetime
) -> None:
    killer = an_interaction(trace_id="1" * 32)
    save(engine, [killer, *some_interactions(3)], evaluators=TOXICITY)
    for attempt in range(40):
        at = now + timedelta(seconds=61 * attempt)
        claims = take(engine, at)
        if not any(one.interaction.id == killer.id for one in claims):
            give(engine, claims, at)
    assert counts(engine) == {"failed": 1, "scored": 3}
    with reading(engine) as session:
        (failed,) = session.exec(select(Evaluation).where(Evaluation.status == "failed"))
    assert (failed.interaction_id, failed.error_type) == (killer.id, "WorkerDied")


def test_a_late_worker_cannot_record_over_a_newer_claim(engine: Engine, now: datetime) -> None:
    save(engine, some_interactions(1), evaluators=TOXICITY)
    late = take(engine, now)
    newer = take(engine, now + timedelta(seconds=61))
    assert give(engine, late, now) == 0
    assert give(engine, newer, now) == 1
    assert give(engine, newer, now) == 0
    assert counts(engine) == {"scored": 1}


def test_a_late_verdict_on_old_words_is_dropped(engine: Engine, now: datetime) -> None:
    save(engine, [an_interaction()], evaluators=TOXICITY)
    claims = take(engine, now)
    save(engine, [an_interaction(response="Other words.")], evaluators=TOXICITY)
    assert give(engine, claims, now) == 0
    assert counts(engine) == {"pending": 1}


def test_the_worker_outlives_a_round_that_fails(
    engine: Engine, criteria: Criteria, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    calls = 0

    def clock() -> datetime:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("a broken clock")
        stop.set()
        return datetime.fromisoformat("2026-11-18T12:00:00+00:00")

    run_worker(engine, TOXICITY, criteria, settings, now=clock, stop=stop)
    assert "a broken clock" in caplog.text
    assert stop.is_set()


class Waits(threading.Event):
    """Notes how long it is asked to wait instead of waiting, and lets things happen meanwhile."""

    def __init__(self, then: Mapping[int, Callable[[], object]]) -> None:
        super().__init__()
        self._then, self.seconds = then, list[float]()

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        self._then.get(len(self.seconds), lambda: None)()
        return self.is_set()


def test_a_database_that_is_away_is_told_once_and_asked_ever_more_seldom(
    criteria: Criteria, tmp_path: Path, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "away"
    engine = open_database(f"sqlite:///{folder}/touchstone.db")

    def come_back() -> None:
        folder.mkdir()
        migrate(engine)

    stop = Waits({9: come_back, 10: lambda: stop.set()})
    run_worker(engine, TOXICITY, criteria, Settings(), now=lambda: now, stop=stop)
    engine.dispose()
    away, back = (record.getMessage() for record in caplog.records)
    assert away.startswith("the database cannot be used: unable to open database file; its")
    assert back == "the database can be used again; the work goes on"
    assert stop.seconds == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 0.5]


def test_a_trace_that_cannot_be_read_keeps_no_other_back(
    engine: Engine, criteria: Criteria, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction(engine) as session:
        spans = [a_span(trace_id=f"{number:032x}") for number in (1, 2, 3)]
        put_spans(session, spans, now=WEDNESDAY)
        spoiled = SpanChunk.trace_id == spans[1].trace_id
        session.execute(update(SpanChunk).where(spoiled).values(content=b"spoiled"))  # type: ignore[arg-type]
    work_once(engine, TOXICITY, criteria, settings, now=lambda: WEDNESDAY)
    assert f"trace {spans[1].trace_id} cannot be assembled" in caplog.text
    assert work_once(engine, TOXICITY, criteria, settings, now=lambda: WEDNESDAY).idle
    with reading(engine) as session:
        found = set(session.exec(select(Interaction.trace_id)))
        assert [one.trace_id for one in empty_traces(session, "default", limit=9)] == [
            spans[1].trace_id
        ]
    assert found == {spans[0].trace_id, spans[2].trace_id}


def test_a_heartbeat_says_who_lives_what_they_judge_and_what_is_in_trouble(
    engine: Engine, now: datetime
) -> None:
    later = now + timedelta(seconds=10)
    with transaction(engine) as session:
        beat(session, "w1", ["toxicity@1"], {"toxicity@1": "It hangs."}, now=now)
        assert evaluator_troubles(session, later) == {"toxicity@1": "It hangs."}
        beat(session, "w1", ["toxicity@2"], {}, now=later)
    with reading(engine) as session:
        (row,) = session.exec(select(Heartbeat))
        assert evaluator_troubles(session, later) == {}
    assert (row.seen_at, row.evaluators) == (later, ["toxicity@2"])
