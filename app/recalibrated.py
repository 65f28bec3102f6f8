"""Evaluators whose scores mean what an installation's own labels say.

`touchstone calibrate` writes a file of curves and thresholds, and TOUCHSTONE_CALIBRATION names it.
A verdict that went through a curve carries another version than one that did not, so that reports
never take the two for one evaluator.
"""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import SetupError
from app.statistics.platt import Curve
from evaluators.protocol import Abstention, Evaluator, EvaluatorSpec, Sample, Verdict

DIGITS = 8
DECIMALS = 4
NO_CALIBRATIONS: Mapping[str, "Calibration"] = {}


class Calibration(BaseModel):
    """What an evaluator's scores stand for here, and the threshold to go with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    evaluator: str
    version: str
    """The version of the evaluator whose scores the curve was fitted to."""
    slope: float = Field(gt=0, allow_inf_nan=False)
    offset: float = Field(allow_inf_nan=False)
    threshold: float = Field(ge=0, le=1)
    labels: int = Field(ge=0)
    failing: int = Field(ge=0)
    made: date

    @property
    def curve(self) -> Curve:
        return Curve(self.slope, self.offset)

    @property
    def mark(self) -> str:
        """What tells this calibration from any other, in a few characters."""
        text = self.model_dump_json()
        return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]

    def spec_of(self, spec: EvaluatorSpec) -> EvaluatorSpec:
        """The specification of the evaluator with this calibration on top of its own."""
        name = f"{spec.calibration or 'none'}, own labels of {self.made} {self.mark}"
        return replace(spec, version=f"{spec.version}+{self.mark}", calibration=name)


class Recalibrated:
    """An evaluator with its scores put through a curve; all else is as it says."""

    def __init__(self, evaluator: Evaluator, calibration: Calibration) -> None:
        self._evaluator, self._curve = evaluator, calibration.curve
        self.spec = calibration.spec_of(evaluator.spec)

    @property
    def computation(self) -> Any:
        """How the evaluator computes, if it tells."""
        return getattr(self._evaluator, "computation", None)

    def load(self) -> None:
        """Make the evaluator ready."""
        self._evaluator.load()

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        """Its verdicts with other scores, on evidence too, and its explanations as they are."""
        return [self._through(one) for one in self._evaluator.evaluate(samples)]

    def _through(self, verdict: Verdict | Abstention) -> Verdict | Abstention:
        if not isinstance(verdict, Verdict):
            return verdict
        evidence = (replace(one, score=self._score(one.score)) for one in verdict.evidence)
        return replace(verdict, score=self._score(verdict.score), evidence=tuple(evidence))

    def _score(self, score: float) -> float:
        return round(self._curve.of(score), DECIMALS)


def read_calibrations(path: Path | None) -> Mapping[str, Calibration]:
    """The calibrations of a file by criterion, none without a file; SetupError on a wrong one."""
    if path is None:
        return NO_CALIBRATIONS
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        return {name: Calibration(**table) for name, table in tables.items()}
    except OSError as error:
        raise SetupError(f"TOUCHSTONE_CALIBRATION: cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, ValidationError) as error:
        raise SetupError(
            f"TOUCHSTONE_CALIBRATION: {path} is not what `touchstone calibrate` writes: {error}"
        ) from None


def calibrations_text(calibrations: Mapping[str, Calibration]) -> str:
    """The file of these calibrations."""
    lines = ["# Made by `touchstone calibrate` from blind labels; read by TOUCHSTONE_CALIBRATION."]
    for criterion, one in calibrations.items():
        lines += ["", f"[{criterion}]"]
        lines += [f"{name} = {_toml(value)}" for name, value in one.model_dump().items()]
    return "\n".join(lines) + "\n"


def recalibrate(
    evaluators: Sequence[Evaluator], calibrations: Mapping[str, Calibration]
) -> list[Evaluator]:
    """The evaluators, those with a calibration behind their curve.

    Raises SetupError for a calibration of an evaluator that is not here in that version.
    """
    own = {(one.evaluator, criterion): one for criterion, one in calibrations.items()}
    known = {(one.spec.name, one.spec.criterion): one.spec.version for one in evaluators}
    for (name, criterion), one in own.items():
        if known.get((name, criterion)) != one.version:
            raise SetupError(
                f"TOUCHSTONE_CALIBRATION is for version {one.version} of the evaluator {name!r} of "
                f"{criterion}, which is not here; unset it, and run `touchstone calibrate` again "
                "once there are labels on new verdicts"
            )
    keys = [(one.spec.name, one.spec.criterion) for one in evaluators]
    return [
        Recalibrated(one, own[key]) if key in own else one
        for key, one in zip(keys, evaluators, strict=True)
    ]


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
