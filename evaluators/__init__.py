"""Machines that say how good an answer was: five bundled ones, hub ones on request, and plugins.

`load_evaluators()` finds them. Constructing is cheap; each evaluator's `load()` is not.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from evaluators.bias import Bias
from evaluators.engine import Device, Wanted, check_wanted
from evaluators.groundedness import Groundedness
from evaluators.hub import HUB_EVALUATORS
from evaluators.protocol import Evaluator, EvaluatorSpec
from evaluators.relevance import AnswerRelevance, ContextRelevance
from evaluators.toxicity import Toxicity
from evaluators.tuned import Encoders

GROUP = "touchstone.evaluators"
BUILT_IN: tuple[Callable[[Encoders], Evaluator], ...] = (
    Groundedness,
    AnswerRelevance,
    ContextRelevance,
    Toxicity,
    Bias,
)

log = logging.getLogger(__name__)


class UnknownEvaluator(ValueError):
    """There is no evaluator of that name, or two of the same."""


def load_evaluators(
    added: Iterable[str] = (),
    *,
    models_dir: Path = Path("models_cache"),
    device: Device = "auto",
    precision: Wanted = "auto",
    plugins: Iterable[EntryPoint] | None = None,
) -> list[Evaluator]:
    """The bundled evaluators, the hub evaluators named in `added`, then the plugins.

    They share two encoders, which run in that precision. A plugin that cannot be made is logged and
    left out. Raises PrecisionError for a precision that cannot be had.
    """
    check_wanted(precision, device)
    encoders = Encoders(device, precision=precision)
    found: list[Evaluator] = [make(encoders) for make in BUILT_IN]
    found += [_hub_evaluator(name, models_dir, device) for name in added]
    found += _plugins(entry_points(group=GROUP) if plugins is None else plugins)
    return _without_duplicates(found)


def _hub_evaluator(name: str, models_dir: Path, device: Device) -> Evaluator:
    if name not in HUB_EVALUATORS:
        known = ", ".join(HUB_EVALUATORS)
        raise UnknownEvaluator(f"there is no hub evaluator {name!r}; there are {known}")
    return HUB_EVALUATORS[name](models_dir, device)


def _plugins(points: Iterable[EntryPoint]) -> Iterator[Evaluator]:
    for point in points:
        try:
            evaluator = point.load()()
        except Exception as error:  # noqa: BLE001
            log.warning("the evaluator plugin %r was left out: %r", point.name, error)
            continue
        if isinstance(evaluator, Evaluator) and isinstance(evaluator.spec, EvaluatorSpec):
            yield evaluator
        else:
            log.warning("the evaluator plugin %r was left out: it is no Evaluator", point.name)


def _without_duplicates(evaluators: list[Evaluator]) -> list[Evaluator]:
    names: set[str] = set()
    for evaluator in evaluators:
        if evaluator.spec.name in names:
            raise UnknownEvaluator(
                f"two evaluators are called {evaluator.spec.name!r}; remove or rename one plugin"
            )
        names.add(evaluator.spec.name)
    return evaluators
