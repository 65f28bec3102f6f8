"""Run an evaluator on samples and turn whatever happens into outcomes.

A fault of an evaluator is a value here, never an exception: a batch that fails is tried again one
by one, so that a poisonous sample costs only itself.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from app.criteria import Criterion
from app.verdicts import Fault, anchored, fault_of, plain
from evaluators.protocol import (
    Abstention,
    Computation,
    Evaluator,
    EvaluatorSpec,
    Sample,
    TextField,
    missing_fields,
)

MISSING: Mapping[TextField, str] = {
    "prompt": "there is no prompt",
    "response": "the response is empty",
    "contexts": "there are no contexts",
}


class NotJudged(Exception):
    """An evaluator that runs elsewhere brought no verdicts, for the reason told."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.words)
        self.fault = fault


class NotAsked(Exception):
    """The evaluator takes no work now; the samples must wait."""


class NotTogether(Exception):
    """The evaluator takes one sample at a time now, so that a bad one shows itself."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one evaluation; `score`, `label` and `passed` are None unless it is scored.

    `pending` means that it was not asked and waits for another time.
    """

    status: str
    score: float | None = None
    label: str | None = None
    passed: bool | None = None
    threshold: float | None = None
    explanation: str | None = None
    evidence: list[dict[str, Any]] = field(default_factory=list)
    error_type: str | None = None
    seconds: float | None = None
    computation: Computation | None = None
    """How the evaluator computed, if it tells."""

    @property
    def precision(self) -> str | None:
        return None if self.computation is None else self.computation.precision

    @property
    def backend(self) -> str | None:
        return None if self.computation is None else self.computation.backend


def abstention_for(spec: EvaluatorSpec, sample: Sample) -> Outcome | None:
    """The outcome of a sample that lacks a field the evaluator needs, or None."""
    missing = missing_fields(spec, sample)
    if not missing:
        return None
    reason = " and ".join(MISSING[name] for name in missing)
    return Outcome(status="abstained", explanation=f"Not judged: {reason}.")


def judge_batch(
    evaluator: Evaluator, criterion: Criterion, samples: Sequence[Sample]
) -> list[Outcome]:
    """One outcome per sample, in order, in batches of the evaluator's own size."""
    outcomes = [abstention_for(evaluator.spec, sample) for sample in samples]
    waiting = [index for index, outcome in enumerate(outcomes) if outcome is None]
    size = evaluator.spec.batch_size
    for start in range(0, len(waiting), size):
        chunk = waiting[start : start + size]
        judged = _judge_chunk(evaluator, criterion, [samples[index] for index in chunk])
        for index, outcome in zip(chunk, judged, strict=True):
            outcomes[index] = outcome
    return [outcome for outcome in outcomes if outcome is not None]


def evaluation_json(spec: EvaluatorSpec, outcome: Outcome) -> dict[str, Any]:
    """An outcome in the shape in which every door of this service shows an evaluation."""
    return {
        "criterion": spec.criterion,
        "evaluator": spec.name,
        "version": spec.version,
        "status": outcome.status,
        "score": outcome.score,
        "label": outcome.label,
        "passed": outcome.passed,
        "threshold": outcome.threshold,
        "explanation": outcome.explanation,
        "evidence": outcome.evidence,
        "error_type": outcome.error_type,
        "weights_digest": spec.weights_digest,
        "calibration": spec.calibration,
        "precision": outcome.precision,
        "backend": outcome.backend,
    }


def ask(evaluator: Evaluator, samples: Sequence[Sample]) -> list[Any] | Fault:
    """What the evaluator says of the samples, one answer each, or the fault it made."""
    try:
        verdicts = list(evaluator.evaluate(samples))
    except (NotAsked, NotTogether):
        raise
    except NotJudged as error:
        return error.fault
    except (Exception, SystemExit) as error:  # noqa: BLE001 (a plugin may raise anything)
        return fault_of(error)
    if len(verdicts) != len(samples):
        return Fault("VerdictError", f"got {len(verdicts)} verdicts for {len(samples)} samples")
    return verdicts


def computation_of(evaluator: Evaluator) -> Computation | None:
    """How the evaluator computed its last verdicts, if it tells."""
    try:
        found = getattr(evaluator, "computation", None)
    except Exception:  # noqa: BLE001 (a plugin may raise anything)
        return None
    return found if isinstance(found, Computation) else None


def make_ready(evaluator: Evaluator) -> Fault | None:
    """Load the evaluator; the fault that it made, if any."""
    try:
        evaluator.load()
    except Exception as error:  # noqa: BLE001 (a plugin may raise anything)
        return fault_of(error)
    return None


def _judge_chunk(
    evaluator: Evaluator, criterion: Criterion, samples: Sequence[Sample]
) -> list[Outcome]:
    started = time.perf_counter()
    try:
        verdicts = ask(evaluator, samples)
    except NotAsked:
        return [Outcome(status="pending")] * len(samples)
    except NotTogether:
        return _judge_singly(evaluator, criterion, samples)
    if isinstance(verdicts, Fault):
        if len(samples) > 1:
            return _judge_singly(evaluator, criterion, samples)
        return [_failure(verdicts, time.perf_counter() - started)]
    seconds = (time.perf_counter() - started) / len(samples)
    pairs = zip(samples, verdicts, strict=True)
    outcomes = [_outcome(criterion, sample, verdict, seconds) for sample, verdict in pairs]
    computation = computation_of(evaluator)
    return [replace(outcome, computation=computation) for outcome in outcomes]


def _judge_singly(
    evaluator: Evaluator, criterion: Criterion, samples: Sequence[Sample]
) -> list[Outcome]:
    singles = (_judge_chunk(evaluator, criterion, [sample]) for sample in samples)
    return [outcome for single in singles for outcome in single]


def _outcome(criterion: Criterion, sample: Sample, answer: object, seconds: float) -> Outcome:
    verdict = plain(answer)
    if isinstance(verdict, Fault):
        return _failure(verdict, seconds)
    if isinstance(verdict, Abstention):
        return Outcome(status="abstained", explanation=verdict.reason, seconds=seconds)
    score = verdict.score
    pieces = (anchored(piece, sample) for piece in verdict.evidence)
    return Outcome(
        status="scored",
        score=score,
        label=criterion.label_for(score),
        passed=criterion.passes(score),
        threshold=criterion.threshold,
        explanation=verdict.explanation,
        evidence=[asdict(piece) for piece in pieces if piece is not None],
        seconds=seconds,
    )


def _failure(fault: Fault, seconds: float) -> Outcome:
    return Outcome(
        status="failed",
        error_type=fault.kind,
        explanation=f"The evaluator failed: {fault.words}",
        seconds=seconds,
    )
