"""The true rate behind an imperfect evaluator, from many verdicts and a few labels.

`prediction_powered_rate` needs labels on interactions that were drawn with known probabilities from
the same week, and is right however bad the evaluator is. `rogan_gladen` needs only the evaluator's
sensitivity and specificity, measured anywhere, and is right as long as these hold here too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import NamedTuple

from app.statistics.intervals import Interval, normal_quantile, wilson


class Labelled(NamedTuple):
    """An interaction with the evaluator's verdict, a person's label and how likely it was drawn."""

    flagged: bool
    fails: bool
    inclusion_probability: float


@dataclass(frozen=True, slots=True)
class CorrectedRate:
    """A failure rate corrected by labels."""

    rate: float
    interval: Interval
    labels: int
    population: int
    power: float
    """How far the evaluator's verdicts were used: 0 not at all (labels alone), 1 fully."""
    variance: float

    @property
    def labels_to_halve(self) -> int | None:
        """How many more labels, drawn alike, would halve the interval.

        None where labels cannot: the answers of the week are too few themselves.
        """
        of_the_week = self.rate * (1 - self.rate) / self.population
        of_labels = self.variance - of_the_week
        wanted = self.variance / 4 - of_the_week
        if wanted <= 0 or of_labels <= 0:
            return None
        unlabelled = 1 / self.labels - 1 / self.population
        needed = 1 / (1 / self.population + wanted / of_labels * unlabelled)
        return max(1, ceil(needed - self.labels))


def prediction_powered_rate(
    flagged: int, population: int, labelled: Sequence[Labelled], confidence: float = 0.95
) -> CorrectedRate | None:
    """The failure rate of a population of which some members are labelled; None without labels.

    The PPI++ mean (Angelopoulos, Duchi and Zrnic, arXiv 2311.01453) with inverse-probability
    weights (Zrnic and Candès, arXiv 2403.03208), normalised so that a sample labelled only in part
    does no harm. The normal interval is too short at few labels and rare failures; here the
    variance counts four imagined labels more, one of each kind (after Agresti and Coull, The
    American Statistician 52:119, 1998), and the interval is Wilson's at the effective sample size.
    """
    if not labelled or population < len(labelled):
        return None
    weights = _weights([item.inclusion_probability for item in labelled], population)
    power = _power(labelled, weights)
    corrections = [item.fails - power * item.flagged for item in labelled]
    rate = power * flagged / population + _mean(corrections, weights)
    rate = min(1.0, max(0.0, rate))
    variance = _variance(labelled, weights, power, rate, population)
    interval = _interval(rate, variance, confidence)
    return CorrectedRate(rate, interval, len(labelled), population, power, variance)


def rogan_gladen(
    flagged: int,
    population: int,
    *,
    caught: int,
    failing: int,
    cleared: int,
    passing: int,
    confidence: float = 0.95,
) -> tuple[float, Interval] | None:
    """The failure rate from the flagged rate, sensitivity caught/failing and specificity
    cleared/passing; None where the evaluator is no better than chance.

    Rogan and Gladen, American Journal of Epidemiology 107:71, 1978, with the interval of Lang and
    Reiczigel, Preventive Veterinary Medicine 113:13, 2014, which counts that both are estimates.
    """
    if min(population, failing, passing) <= 0:
        return None
    youden = caught / failing + cleared / passing - 1
    if youden <= 0:
        return None
    rate = (flagged / population + cleared / passing - 1) / youden
    z = normal_quantile(confidence)
    sensitivity, specificity = (caught + 1) / (failing + 2), (cleared + 1) / (passing + 2)
    seen = (flagged + z * z / 2) / (population + z * z)
    strength = sensitivity + specificity - 1
    if strength <= 0:
        return None
    middle = (seen + specificity - 1) / strength
    missed = sensitivity * (1 - sensitivity)
    accused = specificity * (1 - specificity)
    shift = 2 * z * z * (middle * missed / failing - (1 - middle) * accused / passing)
    variance = (
        seen * (1 - seen) / (population + z * z)
        + middle**2 * missed / (failing + 2)
        + (1 - middle) ** 2 * accused / (passing + 2)
    )
    reach = z * sqrt(variance) / strength
    low, high = (min(1.0, max(0.0, middle + shift + side)) for side in (-reach, reach))
    return min(1.0, max(0.0, rate)), Interval(low, high)


def _weights(probabilities: Sequence[float], population: int) -> list[float]:
    """How many members each labelled one stands for: they add up to the population."""
    raw = [1 / probability for probability in probabilities]
    scale = population / sum(raw)
    return [weight * scale for weight in raw]


def _power(labelled: Sequence[Labelled], weights: Sequence[float]) -> float:
    """The PPI++ lambda: the share of the verdict that makes the variance least, in [0, 1]."""
    influence = [weight * max(0.0, weight - 1) for weight in weights]
    if sum(influence) == 0:
        return 0.0
    fails = [float(item.fails) for item in labelled]
    flags = [float(item.flagged) for item in labelled]
    mean_fails, mean_flags = _mean(fails, influence), _mean(flags, influence)
    spread = _mean([(flag - mean_flags) ** 2 for flag in flags], influence)
    if spread == 0:
        return 0.0
    together = _mean(
        [(a - mean_fails) * (b - mean_flags) for a, b in zip(fails, flags, strict=True)], influence
    )
    return min(1.0, max(0.0, together / spread))


def _variance(
    labelled: Sequence[Labelled],
    weights: Sequence[float],
    power: float,
    rate: float,
    population: int,
) -> float:
    """(Var(y) + E[(1/π − 1)(d − mean d)²]) / N, where d is the label less the verdict used."""
    typical = population / len(labelled)
    imagined = [Labelled(flag, fails, 1.0) for flag in (False, True) for fails in (False, True)]
    items = [*labelled, *imagined]
    all_weights = [*weights, *[typical] * len(imagined)]
    scale = population / sum(all_weights)
    corrections = [item.fails - power * item.flagged for item in items]
    mean = _mean(corrections, all_weights)
    sampling = sum(
        weight * max(0.0, weight * scale - 1) * (value - mean) ** 2
        for weight, value in zip(all_weights, corrections, strict=True)
    ) / sum(all_weights)
    return (rate * (1 - rate) + sampling) / population


def _interval(rate: float, variance: float, confidence: float) -> Interval:
    """Wilson's interval for as many plain draws as would have this variance."""
    if variance <= 0:
        return Interval(rate, rate)
    spread = rate * (1 - rate)
    if spread / variance < 1:
        reach = normal_quantile(confidence) * sqrt(variance)
        return Interval(max(0.0, rate - reach), min(1.0, rate + reach))
    effective = spread / variance
    return wilson(rate * effective, effective, confidence)


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)
