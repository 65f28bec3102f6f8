"""Run an evaluator on samples and turn whatever happens into outcomes.

A fault of an evaluator is a value here, never an exception: a batch that fails is tried again one
by one, so that a poisonous sample costs only itself.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from app.criteria import Criterion
from evaluators.protocol import (
    Abstention,
    Evaluator,
    EvaluatorSpec,
    Sample,
    TextField,
    Verdict,
    VerdictError,
    missing_fields,
)

MISSING: Mapping[TextField, str] = {
    "prompt": "there is no prompt",
    "response": "the response is empty",
    "contexts": "there are no contexts",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one evaluation; `score`, `label` and `passed` are None unless it is scored."""

    status: str
    score: float | None = None
    label: str | None = None
    passed: bool | None = None
    threshold: float | None = None
    explanation: str | None = None
    evidence: list[dict[str, Any]] = field(default_factory=list)
    error_type: str | None = None
    seconds: float | None = None


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
    }


def _judge_chunk(
    evaluator: Evaluator, criterion: Criterion, samples: Sequence[Sample]
) -> list[Outcome]:
    started = time.perf_counter()
    try:
        verdicts = list(evaluator.evaluate(samples))
        if len(verdicts) != len(samples):
            raise VerdictError(f"got {len(verdicts)} verdicts for {len(samples)} samples")
    except Exception as error:  # noqa: BLE001 (a plugin may raise anything)
        if len(samples) > 1:
            singles = (_judge_chunk(evaluator, criterion, [sample]) for sample in samples)
            return [outcome for single in singles for outcome in single]
        return [_failure(error, time.perf_counter() - started)]
    seconds = (time.perf_counter() - started) / len(samples)
    pairs = zip(samples, verdicts, strict=True)
    return [_outcome(criterion, sample, verdict, seconds) for sample, verdict in pairs]


def _outcome(criterion: Criterion, sample: Sample, verdict: object, seconds: float) -> Outcome:
    if isinstance(verdict, Abstention):
        return Outcome(status="abstained", explanation=verdict.reason, seconds=seconds)
    if not isinstance(verdict, Verdict):
        wrong = TypeError(f"got {type(verdict).__name__}, not a Verdict or an Abstention")
        return _failure(wrong, seconds)
    score = float(verdict.score)
    if not math.isfinite(score):
        return _failure(VerdictError(f"the score is {score}"), seconds)
    return Outcome(
        status="scored",
        score=score,
        label=criterion.label_for(score),
        passed=criterion.passes(score),
        threshold=criterion.threshold,
        explanation=verdict.explanation,
        evidence=[asdict(piece) for piece in verdict.evidence if _inside(piece.end, sample)],
        seconds=seconds,
    )


def _inside(end: int, sample: Sample) -> bool:
    return end <= len(sample.response)


def _failure(error: Exception, seconds: float) -> Outcome:
    return Outcome(
        status="failed",
        error_type=type(error).__name__,
        explanation=f"The evaluator failed: {str(error)[:500] or type(error).__name__}",
        seconds=seconds,
    )
