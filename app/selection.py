"""The evaluators and the criteria that settings ask for.

Apart from `app.main`, so that the processes which judge do not carry the web application.
"""

from collections.abc import Sequence

from app.criteria import Criteria, read_criteria
from app.errors import SetupError, UnknownField
from app.recalibrated import read_calibrations, recalibrate
from app.settings import Settings
from evaluators import UnknownEvaluator, load_evaluators
from evaluators.engine import PrecisionError, WeightsError
from evaluators.protocol import Evaluator


def find_criteria(settings: Settings) -> Criteria:
    """The criteria with the targets and thresholds that these settings ask for."""
    own = read_calibrations(settings.calibration)
    try:
        thresholds = {name: one.threshold for name, one in own.items()}
        return read_criteria(targets=settings.targets).with_thresholds(thresholds)
    except UnknownField as error:
        raise SetupError(f"TOUCHSTONE_CALIBRATION is wrong: {error.detail}") from None


def find_evaluators(settings: Settings) -> list[Evaluator]:
    """The evaluators that these settings ask for, not yet loaded."""
    added, folder = settings.added_evaluators, settings.models_dir
    own = read_calibrations(settings.calibration)
    try:
        found = load_evaluators(
            added, models_dir=folder, device=settings.device, precision=settings.precision
        )
        return recalibrate(found, own)
    except UnknownEvaluator as error:
        raise SetupError(f"TOUCHSTONE_EVALUATORS is wrong: {error}") from None
    except PrecisionError as error:
        raise SetupError(f"TOUCHSTONE_PRECISION is wrong: {error}") from None


def load_all(evaluators: Sequence[Evaluator]) -> None:
    """Make all evaluators ready; SetupError names the one that cannot be, and says why."""
    for evaluator in evaluators:
        try:
            evaluator.load()
        except (WeightsError, PrecisionError) as error:
            raise SetupError(f"evaluator {evaluator.spec.name!r}: {error}") from None
