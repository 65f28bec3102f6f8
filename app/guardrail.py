"""Scoring on demand, outside the web process, so that it stays light and outlives a dying judge.

One child process loads the evaluators, at the start of the server or at the first request, and
keeps them. It is asked one request at a time. A child that dies or takes too long is replaced; the
request that saw it gets Busy.
"""

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from app.child import Child, answer_all
from app.criteria import Criteria
from app.errors import Busy
from app.judge import NotJudged, evaluation_json, judge_batch, make_ready
from app.verdicts import Fault
from evaluators.protocol import Abstention, Evaluator, Sample, Verdict

EvaluationJson: TypeAlias = dict[str, Any]
Load: TypeAlias = Callable[[], Sequence[Evaluator]]
"""Makes the evaluators; a module-level function, or a partial of one, that a child can import."""
START_SECONDS = 120.0
ANSWER_SECONDS = 30.0
WARM_UP = Sample("How long do refunds take?", "Five days.", ("Refunds take five days.",))

logger = logging.getLogger("touchstone.guardrail")


class InProcessJudge:
    """Judges in the calling process, one request at a time, with evaluators that are here."""

    def __init__(self, evaluators: Sequence[Evaluator], criteria: Criteria) -> None:
        self._evaluators, self._criteria = evaluators, criteria
        self._lock = threading.Lock()
        for evaluator in evaluators:
            evaluator.load()

    def __call__(
        self, samples: Sequence[Sample], criteria: Sequence[str] | None
    ) -> list[list[EvaluationJson]]:
        """The evaluations of each sample, in the order of the samples."""
        with self._lock:
            return judge_samples(self._evaluators, self._criteria, samples, criteria)

    def close(self) -> None:
        """Nothing to end here."""


class JudgeProcess:
    """Judges in a child process that is started by `warm` or when it is first needed."""

    def __init__(
        self,
        load: Load,
        criteria: Criteria,
        *,
        start_seconds: float = START_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._load, self._criteria = load, criteria
        self._start_seconds, self._answer_seconds = start_seconds, answer_seconds
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._is_ready = self._is_closed = False

    def __call__(
        self, samples: Sequence[Sample], criteria: Sequence[str] | None
    ) -> list[list[EvaluationJson]]:
        """The evaluations of each sample, in the order of the samples, or Busy."""
        patience = self._answer_seconds if self._is_ready else self._start_seconds
        if not self._lock.acquire(timeout=patience):
            raise Busy("the judges are busy with other requests; send the same request again")
        try:
            return self._ask(samples, criteria)
        finally:
            self._lock.release()

    def warm(self) -> None:
        """Start the child in the background, so that the first request need not wait for it."""
        threading.Thread(target=self._warm, name="warm the judges", daemon=True).start()

    def close(self) -> None:
        """End the child, if there is one, for good."""
        self._is_closed = True
        self._end()

    def _end(self) -> None:
        child, self._child, self._is_ready = self._child, None, False
        if child is not None:
            child.end()

    def _warm(self) -> None:
        try:
            self([WARM_UP], None)
        except Busy as error:
            if self._is_closed:
                return
            logger.warning("the judges could not be started beforehand: %s", error.detail)

    def _ask(
        self, samples: Sequence[Sample], criteria: Sequence[str] | None
    ) -> list[list[EvaluationJson]]:
        try:
            child = self._child or self._start()
            child.pipe.send((list(samples), criteria))
            answer: list[list[EvaluationJson]] = self._receive(child, self._answer_seconds)
        except (EOFError, OSError):
            self._end()
            raise Busy(
                "the judge process died and is replaced; send the same request again"
            ) from None
        return answer

    def _start(self) -> Child:
        self._child = Child(serve_judge, self._load, self._criteria)
        self._receive(self._child, self._start_seconds)
        self._is_ready = True
        return self._child

    def _receive(self, child: Child, seconds: float) -> Any:
        try:
            return child.receive(seconds)
        except TimeoutError:
            self._end()
            raise Busy(
                f"the judges did not answer within {seconds:g} s; send fewer items at a time"
            ) from None


def serve_judge(pipe: Connection, load: Load, criteria: Criteria) -> None:
    """Answer requests from the pipe until its other end is closed; runs in the child."""
    # Ctrl-C reaches the whole group; the parent decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    evaluators = [ready_or_not(one) for one in load()]
    answer_all(pipe, "ready", lambda asked: judge_samples(evaluators, criteria, *asked))


class NotLoaded:
    """An evaluator that cannot be loaded: it says why of every sample, and stops no other."""

    def __init__(self, evaluator: Evaluator, fault: Fault) -> None:
        self.spec, self._fault = evaluator.spec, fault

    def load(self) -> None:
        """Nothing to load."""

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        """No verdict, but the fault that was made."""
        raise NotJudged(self._fault)


def ready_or_not(evaluator: Evaluator) -> Evaluator:
    """The evaluator, loaded, or one in its place that tells why it cannot be."""
    fault = make_ready(evaluator)
    return evaluator if fault is None else NotLoaded(evaluator, fault)


def judge_samples(
    evaluators: Sequence[Evaluator],
    criteria: Criteria,
    samples: Sequence[Sample],
    names: Sequence[str] | None,
) -> list[list[EvaluationJson]]:
    """For each sample its evaluations, by the evaluators of the criteria named or by all."""
    wanted = set(criteria.by_name if names is None else names)
    chosen = [one for one in evaluators if one.spec.criterion in wanted]
    rows: list[list[EvaluationJson]] = [[] for _ in samples]
    for evaluator in chosen:
        outcomes = judge_batch(evaluator, criteria.get(evaluator.spec.criterion), samples)
        for row, outcome in zip(rows, outcomes, strict=True):
            row.append(evaluation_json(evaluator.spec, outcome))
    return rows
