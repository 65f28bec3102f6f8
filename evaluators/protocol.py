"""What an evaluator is: plain text in, verdicts out, in batches.

A complete evaluator:

    class Shouting:
        spec = EvaluatorSpec(
            name="shouting", criterion="politeness", version="1", needs=frozenset({"response"})
        )
        def load(self) -> None: ...
        def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
            return [Verdict(score=float(sample.response.isupper())) for sample in samples]

An evaluator knows no database, no settings, no clock and starts no threads. This module uses the
standard library only, so that a plugin can import it at no cost.
"""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

TextField = Literal["prompt", "response", "contexts"]
INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
TEXT_FIELDS: tuple[TextField, ...] = ("prompt", "response", "contexts")


class VerdictError(ValueError):
    """A verdict or a specification that no evaluator may return."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The words of one interaction, and nothing about who or when."""

    prompt: str
    response: str
    contexts: tuple[str, ...] = ()

    def has(self, field: TextField) -> bool:
        """Whether the field holds any visible text."""
        if field == "contexts":
            return any(map(is_visible, self.contexts))
        return is_visible(getattr(self, field))


def is_visible(text: str) -> bool:
    """Whether the text holds more than blanks, control characters and marks of no width."""
    return any(unicodedata.category(one) not in INVISIBLE for one in text)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A piece of the response and why it counts.

    `start` and `end` are code point offsets into the response, `context_start` and `context_end`
    into `contexts[context]`. `score` is in [0, 1], read like the verdict's score.
    """

    start: int
    end: int
    score: float
    context: int | None = None
    context_start: int | None = None
    context_end: int | None = None
    kind: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise VerdictError(
                f"evidence must have 0 <= start <= end, not {self.start}, {self.end}"
            )
        check_unit_interval("evidence score", self.score)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far the criterion holds, as a finite number in [0, 1], with what shows it."""

    score: float
    evidence: tuple[Evidence, ...] = ()
    explanation: str | None = None

    def __post_init__(self) -> None:
        check_unit_interval("score", self.score)


@dataclass(frozen=True, slots=True)
class Abstention:
    """The evaluator looked and cannot say; the reason is shown to people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Computation:
    """How an evaluator computes on this machine; the same weights may decide otherwise in another.

    `precision` is that of its matrix products, such as `fp32`, `bf16` or `int8`; `backend` names
    the library, its version and the kind of device.
    """

    precision: str
    backend: str


@dataclass(frozen=True, slots=True)
class Weights:
    """A file of weights by name and content: `sha256` is the hexadecimal digest of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatorSpec:
    """Who judges what: `version` changes whenever the same words could get another score."""

    name: str
    criterion: str
    version: str
    needs: frozenset[TextField]
    batch_size: int = 32
    weights: tuple[Weights, ...] = ()
    calibration: str | None = None
    """Identifies the mapping from raw outputs to probabilities, when there is one."""
    low_precision: bool = False
    """Whether batches may differ from singles by 1e-2 instead of 1e-4, as with int8 weights."""

    def __post_init__(self) -> None:
        if not self.name or not self.criterion or not self.version:
            raise VerdictError("an evaluator's spec needs a name, a criterion and a version")
        unknown = self.needs - set(TEXT_FIELDS)
        if unknown:
            raise VerdictError(f"{self.name!r} needs unknown fields {sorted(unknown)}")
        if self.batch_size < 1:
            raise VerdictError(f"{self.name!r} has a batch_size below 1")

    @property
    def weights_digest(self) -> str | None:
        """The digests of all weights in one line, or None for an evaluator without weights."""
        return " ".join(weight.sha256 for weight in self.weights) or None


@runtime_checkable
class Evaluator(Protocol):
    """A plugin that judges one criterion.

    It may also have a `computation`, which tells how its last verdicts were computed.
    """

    spec: EvaluatorSpec

    def load(self) -> None:
        """Make the evaluator ready; the only place that may import torch; no network."""

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        """One verdict or abstention per sample, in the order of the samples."""


def check_unit_interval(what: str, value: float) -> None:
    """Raise VerdictError unless the value is a finite number in [0, 1]."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0.0 <= value <= 1.0:
        raise VerdictError(f"{what} must be a finite number in [0, 1], not {value!r}")


def missing_fields(spec: EvaluatorSpec, sample: Sample) -> list[TextField]:
    """The needed fields that the sample lacks, in the order prompt, response, contexts."""
    return [field for field in TEXT_FIELDS if field in spec.needs and not sample.has(field)]


PROBES: tuple[Sample, ...] = (
    Sample("Where is Paris?", "Paris is in France.", ("Paris is the capital of France.",)),
    Sample("Where is Paris?", "It is on the Moon!", ("Paris is the capital of France.", "Lyon.")),
    Sample("Why?", "I cannot answer that.", ("The sky is blue.",)),
    Sample("¿Dónde está París? 🗼", "París está en Francia. 👍🏽", ("París, capital de Francia.",)),
    Sample("Say it", "x" * 100_000, ("word " * 20_000,)),
    Sample("", "", ()),
)


def check_evaluator(evaluator: Evaluator, probes: Sequence[Sample] = PROBES) -> list[str]:
    """What breaks the contract, one sentence each; an empty list for an evaluator that keeps it.

    Checks equal length, order, repeatability, and that a batch gives what singles give.
    """
    evaluator.load()
    usable = [sample for sample in probes if not missing_fields(evaluator.spec, sample)]
    batch = list(evaluator.evaluate(usable))
    if len(batch) != len(usable):
        return [f"evaluate() returned {len(batch)} verdicts for {len(usable)} samples"]
    again = list(evaluator.evaluate(usable))
    singles = [verdict for sample in usable for verdict in evaluator.evaluate([sample])]
    tolerance = 1e-2 if evaluator.spec.low_precision else 1e-4
    faults = []
    for index, (first, second, single) in enumerate(zip(batch, again, singles, strict=True)):
        if not isinstance(first, (Verdict, Abstention)):
            faults.append(f"probe {index} got {type(first).__name__}, not a Verdict or Abstention")
        elif first != second:
            faults.append(f"probe {index} got two answers for the same input")
        elif _distance(first, single) > tolerance:
            faults.append(f"probe {index} differs alone and in a batch by more than {tolerance}")
    return faults


def _distance(one: Verdict | Abstention, other: Verdict | Abstention) -> float:
    if isinstance(one, Verdict) and isinstance(other, Verdict):
        return abs(one.score - other.score)
    return 0.0 if one == other else math.inf
