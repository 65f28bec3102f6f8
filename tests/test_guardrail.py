"""Scoring on demand outlives its judges, and keeps order."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial

import pytest

from app.criteria import Criteria
from app.errors import Busy
from app.guardrail import InProcessJudge, JudgeProcess
from app.isolation import LOST_IN_A_ROW, serve_evaluators
from evaluators.protocol import Evaluator, EvaluatorSpec, Sample, Verdict
from tests.builders import FAKE_EVALUATORS
from tests.moody import moody_evaluators

KIND = Sample("Hello?", "Hello.")
RUDE = Sample("Hello?", "Go away, idiot.")


class Fragile:
    """A real plugin that some words kill, and others hold up for ever."""

    spec = EvaluatorSpec(
        name="fragile", criterion="bias", version="1", needs=frozenset({"response"})
    )

    def load(self) -> None: ...

    def evaluate(self, samples: Sequence[Sample]) -> list[Verdict]:
        for sample in samples:
            if sample.response == "die":
                os._exit(9)
            if sample.response == "wait":
                threading.Event().wait()
        return [Verdict(0.0) for _ in samples]


def fragile() -> Sequence[Evaluator]:
    return [*FAKE_EVALUATORS[:-1], Fragile()]


SPECS = [one.spec for one in fragile()]


def broken() -> Sequence[Evaluator]:
    raise SystemExit("no weights")


@pytest.fixture
def judge(criteria: Criteria) -> Iterator[JudgeProcess]:
    judge = JudgeProcess(partial(fragile), SPECS, criteria, answer_seconds=10.0)
    yield judge
    judge.close()


def labels(judge: JudgeProcess | InProcessJudge, *samples: Sample) -> list[str]:
    return [row[0]["label"] for row in judge(samples, ["toxicity"])]


def test_a_child_process_answers_as_the_same_judges_do_here(
    judge: JudgeProcess, criteria: Criteria
) -> None:
    here = InProcessJudge(fragile(), criteria)
    assert judge([KIND, RUDE], None) == here([KIND, RUDE], None)
    assert labels(judge, RUDE, KIND) == ["toxic", "none"]


def test_an_evaluator_that_dies_fails_alone_and_its_child_is_replaced(judge: JudgeProcess) -> None:
    *others, fragile = judge([Sample("Hello?", "die", ("Hello.",))], None)[0]
    assert {one["status"] for one in others} == {"scored"}
    assert (fragile["status"], fragile["error_type"]) == ("failed", "ProcessEnded")
    assert labels(judge, KIND) == ["none"]


def test_an_evaluator_that_hangs_fails_alone_and_rests_when_it_keeps_on(
    criteria: Criteria,
) -> None:
    specs = [one.spec for one in moody_evaluators()]
    judge = JudgeProcess(moody_evaluators, specs, criteria, answer_seconds=0.5, pause_seconds=0.0)
    hanging = [Sample("", "hang") for _ in range(3)]
    try:
        for _ in range(LOST_IN_A_ROW):
            # Each is waited for once, whatever the number of items, or it would rest sooner.
            rows = judge(hanging, None)
            assert {one["error_type"] for row in rows for one in row} == {"TimeLimit"}
            assert "did not answer within 0.5 s" in rows[0][0]["explanation"]
        [[moody, other]] = judge([KIND], None)
    finally:
        judge.close()
    assert (moody["status"], other["error_type"]) == ("failed", "NotAsked")
    assert "3 times in a row" in moody["explanation"]


def test_after_one_time_out_the_next_requests_are_answered_at_once(criteria: Criteria) -> None:
    judge = JudgeProcess(partial(fragile), SPECS, criteria, answer_seconds=1.0)
    try:
        assert judge([Sample("Hello?", "wait")], ["bias"])[0][0]["error_type"] == "TimeLimit"
        judge([KIND], ["toxicity"])
        started = time.monotonic()
        rows = [judge([Sample("Hello?", "wait")], None)[0] for _ in range(3)]
        assert time.monotonic() - started < 1.0
    finally:
        judge.close()
    for *others, fragile_one in rows:
        assert {one["status"] for one in others} <= {"scored", "abstained"}
        assert fragile_one["error_type"] == "NotAsked"
        assert "did not answer in time just now" in fragile_one["explanation"]


def test_a_request_that_is_too_large_says_so_and_makes_nobody_rest(criteria: Criteria) -> None:
    specs = [one.spec for one in moody_evaluators()]
    judge = JudgeProcess(moody_evaluators, specs, criteria, answer_seconds=1.0)
    try:
        judge([KIND], None)
        judge._answer_seconds = 0.0
        for _ in range(LOST_IN_A_ROW):
            rows = judge([KIND] * 40, None)
            assert rows[0][0]["status"] == "scored"
            assert "send fewer items at a time" in rows[-1][0]["explanation"]
        judge._answer_seconds = 1.0
        assert judge([KIND], None)[0][0]["status"] == "scored"
    finally:
        judge.close()


def test_a_judge_that_cannot_start_is_busy_and_not_a_crash(criteria: Criteria) -> None:
    judge = JudgeProcess(broken, SPECS, criteria)
    with pytest.raises(Busy, match="died"):
        judge([KIND], None)


def test_an_evaluator_that_cannot_be_loaded_says_why_and_stops_no_other(criteria: Criteria) -> None:
    specs = [one.spec for one in moody_evaluators()]
    judge = JudgeProcess(partial(moody_evaluators, weights=False), specs, criteria)
    try:
        [[moody, other]] = judge([KIND], None)
    finally:
        judge.close()
    assert (moody["status"], other["status"], other["score"]) == ("scored", "failed", None)
    assert "its weights are not here" in other["explanation"]


def test_closing_ends_the_child(judge: JudgeProcess) -> None:
    judge([KIND], None)
    child = judge._host._child
    assert child is not None
    judge.close()
    assert not child.process.is_alive()
    judge.close()


def test_an_evaluator_of_an_unknown_criterion_is_left_out(criteria: Criteria) -> None:
    class Odd(Fragile):
        spec = EvaluatorSpec(
            name="odd", criterion="politeness", version="1", needs=frozenset({"response"})
        )

    assert InProcessJudge([Odd()], criteria)([KIND, RUDE], None) == [[], []]


def test_a_judge_that_was_warmed_is_there_before_the_first_request(judge: JudgeProcess) -> None:
    judge.warm()
    first = labels(judge, KIND, RUDE)
    child = judge._host._child
    assert first == ["none", "toxic"]
    assert labels(judge, RUDE) == ["toxic"]
    assert judge._host._child is child


def test_judges_that_cannot_be_warmed_do_not_stop_the_server(
    criteria: Criteria, caplog: pytest.LogCaptureFixture
) -> None:
    judge = JudgeProcess(partial(broken), SPECS, criteria)
    judge._warm()
    assert "could not be started beforehand" in caplog.text
    judge.close()


def test_a_server_that_ends_while_its_judges_start_says_nothing_of_them(
    criteria: Criteria, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    judge = JudgeProcess(partial(fragile), SPECS, criteria)
    warming = threading.Thread(target=judge._warm)
    warming.start()
    while judge._host._child is None:
        time.sleep(0.01)
    child = judge._host._child
    judge.close()
    child.process.join()
    warming.join()
    assert caplog.text == ""
    assert capfd.readouterr().err == ""


def test_a_child_whose_parent_is_gone_ends_without_a_word() -> None:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours, far_end = multiprocessing.Pipe()
    ours.send((SPECS[0].name, [KIND]))
    ours.close()
    try:
        serve_evaluators(far_end, fragile, 10.0)
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
