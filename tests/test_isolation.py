"""Judges in a process apart: a hang, a death or a fault costs its own sample and nothing else."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from app.criteria import Criteria
from app.database import reading
from app.isolation import LOST_IN_A_ROW, REST_SECONDS, Isolated, JudgeHost, isolate
from app.outcomes import NotJudged, judge_batch
from app.settings import Settings
from app.tables import Evaluation
from app.verdicts import Fault
from app.worker import troubles_of, work_once
from evaluators.protocol import Computation, Sample, Verdict
from tests.builders import WEDNESDAY, save, some_interactions
from tests.moody import Moody, dead_on_arrival, moody_alone, moody_evaluators

BOTH = moody_evaluators()


class Clock:
    """A clock that stands still until it is set."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def host() -> Iterator[JudgeHost]:
    host = JudgeHost(moody_evaluators, answer_seconds=1.0)
    yield host
    host.end()


def test_what_happens_to_one_sample_costs_only_that_sample(
    host: JudgeHost, criteria: Criteria
) -> None:
    said = ["Hello.", "hang", "Hello.", "die", "Hello.", "raise", "odd", "memory", "device", "End."]
    moody, _ = isolate(moody_evaluators(), host)
    outcomes = judge_batch(moody, criteria.get("bias"), [Sample("", one) for one in said])
    assert {one: outcome.error_type for one, outcome in zip(said, outcomes, strict=True)} == {
        "Hello.": None,
        "hang": "TimeLimit",
        "die": "ProcessEnded",
        "raise": "ValueError",
        "odd": "TypeError",
        "memory": "MemoryError",
        "device": "RuntimeError",
        "End.": None,
    }
    assert [one.status for one in outcomes if one.error_type is None] == ["scored"] * 4
    explanations = {one.error_type: one.explanation or "" for one in outcomes}
    assert "did not answer within 1 s" in explanations["TimeLimit"]
    assert "ended by SIGKILL" in explanations["ProcessEnded"]
    assert "got lock, not a Verdict" in explanations["TypeError"]


def test_the_host_tells_how_every_answer_was_computed(host: JudgeHost, criteria: Criteria) -> None:
    moody, other = isolate(moody_evaluators(), host)
    assert moody.computation is None
    for n in (1, 2):
        (outcome,) = judge_batch(moody, criteria.get("bias"), [Sample("", "Hello.")])
        assert outcome.computation == Computation("bf16", f"moody {n}")
    assert other.computation is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_evaluator_that_hangs_on_and_on_rests_and_what_it_should_judge_waits(
    engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    host, clock = JudgeHost(moody_evaluators, answer_seconds=0.3), Clock()
    moody = Isolated(Moody().spec, host, clock=clock)
    n_bad = LOST_IN_A_ROW - 1
    rows = some_interactions(n_bad + 2)
    for row in rows[:n_bad]:
        row.response = "hang"
    save(engine, rows, evaluators=[moody])

    def work() -> list[str]:
        work_once(engine, [moody], criteria, settings, now=lambda: WEDNESDAY)
        with reading(engine) as session:
            return [row.status for row in session.exec(select(Evaluation).order_by("id"))]

    assert work() == ["failed"] * n_bad + ["pending"] * 2
    assert "did not answer" in troubles_of([moody])["moody@1"]
    assert work() == ["failed"] * n_bad + ["pending"] * 2
    clock.seconds = REST_SECONDS + 1
    assert work() == ["failed"] * n_bad + ["scored"] * 2
    assert troubles_of([moody]) == {}
    host.end()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_evaluator_that_hung_is_asked_after_the_others_and_rests_after_one_time_more(
    engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    host, clock = JudgeHost(moody_evaluators, answer_seconds=0.5), Clock()
    first, last = isolate(moody_evaluators(), host)
    first = Isolated(first.spec, host, clock=clock)
    for _ in range(LOST_IN_A_ROW):
        with pytest.raises(NotJudged):
            first.evaluate([Sample("", "hang")])
    clock.seconds = REST_SECONDS + 1
    rows = some_interactions(2)
    rows[0].response = "hang"
    save(engine, rows, evaluators=[first, last])
    asked: list[str] = []

    def note(name: str, samples: Sequence[Sample]) -> list[Verdict] | Fault:
        asked.append(name)
        return Fault("TimeLimit", "it hangs.") if name == "moody" else [Verdict(0.5)] * len(samples)

    host.ask = note  # type: ignore[method-assign]
    work_once(engine, [first, last], criteria, settings, now=lambda: WEDNESDAY)
    assert asked == ["other", "moody"]
    assert "3 times in a row" in troubles_of([first, last])["moody@1"]
    host.end()


def test_a_hang_costs_the_others_one_time_limit_and_then_they_are_asked_first(
    engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    host, clock = JudgeHost(moody_evaluators, answer_seconds=1), Clock()
    first, last = (Isolated(one.spec, host, pause_seconds=5, clock=clock) for one in BOTH)
    asked: list[tuple[str, int]] = []

    def note(name: str, samples: Sequence[Sample]) -> list[Verdict] | Fault:
        asked.append((name, len(samples)))
        return Fault("TimeLimit", "it hangs.") if name == "moody" else [Verdict(0.5)] * len(samples)

    def work(seconds: float) -> list[tuple[str, int]]:
        clock.seconds, asked[:] = seconds, []
        work_once(engine, [first, last], criteria, settings, now=lambda: WEDNESDAY)
        return asked

    host.ask = note  # type: ignore[method-assign]
    save(engine, some_interactions(3), evaluators=BOTH)
    assert work(0) == [("moody", 3), ("other", 3)]
    save(engine, some_interactions(5)[3:], evaluators=BOTH)
    assert work(4) == [("other", 2)]
    assert work(6) == [("moody", 1)]
    assert work(12) == [("moody", 1)]
    assert "3 times in a row" in troubles_of([first])["moody@1"]
    with reading(engine) as session:
        rows = session.exec(select(Evaluation).where(Evaluation.evaluator == "moody")).all()
    assert Counter(row.status for row in rows) == {"failed": 2, "pending": 3}
    assert {row.explanation for row in rows} == {None, "The evaluator failed: it hangs."}


def test_what_an_evaluator_hangs_at_is_found_and_its_neighbours_lose_no_attempt(
    engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    host, clock = JudgeHost(moody_alone, answer_seconds=0.3), Clock()
    moody = Isolated(Moody().spec, host, pause_seconds=5, clock=clock)
    rows = some_interactions(4)
    rows[1].response = "hang"
    save(engine, rows, evaluators=[moody])
    seen = []
    for clock.seconds in (0, 6, 12):
        work_once(engine, [moody], criteria, settings, now=lambda: WEDNESDAY)
        with reading(engine) as session:
            found = session.exec(select(Evaluation).order_by("id")).all()
        seen.append([row.status for row in found])
    assert seen == [
        ["pending"] * 4,
        ["scored", "failed", "pending", "pending"],
        ["scored", "failed", "scored", "scored"],
    ]
    assert [row.attempts for row in found] == [1] * 4
    host.end()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_evaluator_that_cannot_be_loaded_leaves_the_others_at_work(
    engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    host = JudgeHost(partial(moody_evaluators, weights=False), answer_seconds=30)
    both = isolate(moody_evaluators(), host)
    host.start()
    save(engine, some_interactions(1), evaluators=both)
    work_once(engine, both, criteria, settings, now=lambda: WEDNESDAY)
    assert troubles_of(both) == {"other@1": "It cannot be loaded: its weights are not here"}
    with reading(engine) as session:
        found = {row.evaluator: row.status for row in session.exec(select(Evaluation))}
    assert found == {"moody": "scored", "other": "pending"}
    host.end()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_evaluators_that_cannot_be_started_again_wait_and_say_so(
    engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    host = JudgeHost(dead_on_arrival, answer_seconds=30)
    moody = Isolated(Moody().spec, host)
    save(engine, some_interactions(2), evaluators=[moody])
    work_once(engine, [moody], criteria, settings, now=lambda: WEDNESDAY)
    assert "could not be started" in troubles_of([moody])["moody@1"]
    assert work_once(engine, [moody], criteria, settings, now=lambda: WEDNESDAY).idle
    with reading(engine) as session:
        assert {row.status for row in session.exec(select(Evaluation))} == {"pending"}
