"""Scoring on demand, outside the web process, so that it stays light and outlives a dying judge.

One child process loads the evaluators, at the start of the server or at the first request, and
keeps them. It is asked one request at a time. An evaluator that dies or does not answer in time
fails alone and says so: the child is replaced, and the others answer. One that hangs is left alone
for a minute, so that no second request waits for it, and for longer where it keeps on.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from app.criteria import Criteria
from app.errors import Busy
from app.ingest.thoughts import without_thoughts
from app.isolation import LOST, Isolated, JudgeHost, Load
from app.outcomes import NotAsked, NotJudged, Outcome, evaluation_json, judge_batch
from app.verdicts import Fault
from evaluators.protocol import Computation, Evaluator, EvaluatorSpec, Sample

EvaluationJson: TypeAlias = dict[str, Any]
START_SECONDS = 120.0
ANSWER_SECONDS = 30.0
PAUSE_SECONDS = 60.0
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
        specs: Sequence[EvaluatorSpec],
        criteria: Criteria,
        *,
        start_seconds: float = START_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._host = JudgeHost(load, answer_seconds=answer_seconds, start_seconds=start_seconds)
        self._evaluators = [
            Isolated(spec, self._host, pause_seconds=pause_seconds) for spec in specs
        ]
        self._criteria = criteria
        self._start_seconds, self._answer_seconds = start_seconds, answer_seconds
        self._lock = threading.Lock()
        self._is_closed = False

    def __call__(
        self, samples: Sequence[Sample], criteria: Sequence[str] | None
    ) -> list[list[EvaluationJson]]:
        """The evaluations of each sample, in the order of the samples, or Busy."""
        patience = self._answer_seconds if self._host.is_ready else self._start_seconds
        if not self._lock.acquire(timeout=patience):
            raise Busy("the judges are busy with other requests; send the same request again")
        try:
            self._start()
            asked = [AskedOnce(one, seconds=self._answer_seconds) for one in self._evaluators]
            return judge_samples(asked, self._criteria, samples, criteria)
        finally:
            self._lock.release()

    def warm(self) -> None:
        """Start the child in the background, so that the first request need not wait for it."""
        threading.Thread(target=self._warm, name="warm the judges", daemon=True).start()

    def close(self) -> None:
        """End the child, if there is one, for good."""
        self._is_closed = True
        self._host.end()

    def _warm(self) -> None:
        try:
            self([WARM_UP], None)
        except Busy as error:
            if self._is_closed:
                return
            logger.warning("the judges could not be started beforehand: %s", error.detail)

    def _start(self) -> None:
        try:
            if not self._host.is_ready:
                self._host.start()
        except TimeoutError:
            self._host.end()
            raise Busy(
                f"the judges did not start within {self._start_seconds:g} s; send the same request "
                "again"
            ) from None
        except (EOFError, OSError):
            self._host.end()
            raise Busy(
                "the judge process died and is replaced; send the same request again"
            ) from None


class AskedOnce:
    """An evaluator for one request: what it says of each sample, or why it says nothing.

    One that hangs or dies is asked nothing more in this request, so that the others need not wait.
    """

    def __init__(self, evaluator: Isolated, *, seconds: float) -> None:
        self.spec, self._evaluator, self._seconds = evaluator.spec, evaluator, seconds
        self._ends_at: float | None = None
        self._lost: Fault | None = None

    def load(self) -> None:
        """Nothing to do: the host loads when it starts."""

    def evaluate(self, samples: Sequence[Sample]) -> list[Any]:
        """What the evaluator says; NotJudged with the reason when it says nothing."""
        now = time.monotonic()
        self._ends_at = self._ends_at or now + self._seconds
        if now > self._ends_at and self._lost is None:
            words = f"it needs more than {self._seconds:g} s; send fewer items at a time."
            self._lost = Fault("TimeLimit", words)
        if self._lost is not None:
            raise NotJudged(self._lost)
        try:
            return self._evaluator.evaluate(samples)
        except NotAsked as error:
            raise NotJudged(self._evaluator.fault or Fault("NotAsked", str(error))) from None
        except NotJudged as error:
            self._lost = error.fault if error.fault.kind in LOST else None
            raise

    @property
    def computation(self) -> Computation | None:
        """How its last answer was computed, if it tells."""
        return self._evaluator.computation


def judge_samples(
    evaluators: Sequence[Evaluator],
    criteria: Criteria,
    samples: Sequence[Sample],
    names: Sequence[str] | None,
) -> list[list[EvaluationJson]]:
    """For each sample its evaluations, by the evaluators of the criteria named or by all.

    What a reasoning model thinks aloud before its answer is not judged; evidence is told by its
    place in the response as it was sent.
    """
    wanted = set(criteria.by_name if names is None else names)
    chosen = [one for one in evaluators if one.spec.criterion in wanted]
    answers = [replace(one, response=without_thoughts(one.response)) for one in samples]
    rows: list[list[EvaluationJson]] = [[] for _ in samples]
    for evaluator in chosen:
        outcomes = judge_batch(evaluator, criteria.get(evaluator.spec.criterion), answers)
        for row, outcome, sent, answer in zip(rows, outcomes, samples, answers, strict=True):
            moved = _moved(outcome, len(sent.response) - len(answer.response))
            row.append(evaluation_json(evaluator.spec, moved))
    return rows


def _moved(outcome: Outcome, n: int) -> Outcome:
    """The outcome with its evidence so many characters further on in the response."""
    evidence = [
        {**piece, "start": piece["start"] + n, "end": piece["end"] + n}
        for piece in outcome.evidence
    ]
    return replace(outcome, evidence=evidence) if n else outcome
