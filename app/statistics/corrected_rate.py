"""The true rate behind an imperfect evaluator, from many verdicts and a few labels.

`prediction_powered_rate` needs labels on interactions that were drawn with known probabilities from
the same week, and is right however bad the evaluator is. `rogan_gladen` needs only the evaluator's
sensitivity and specificity, measured anywhere, and is right as long as these hold here too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import NamedTuple

from app.statistics.intervals import Interval, jeffreys, normal_quantile

BELOW = 0.6
"""How much of the doubt lies under the lower end: the upper end of rare failures is the one to be
sure of, and what the interval holds varies less than with equal tails (benchmarks/statistics.md).
"""
MOST_UNKNOWN = 0.2
"""The largest part of a population that is taken to be like the rest, as no label has its verdict.
"""


class Labelled(NamedTuple):
    """An interaction with the evaluator's verdict, a person's label and how likely it was drawn."""

    flagged: bool
    fails: bool
    inclusion_probability: float


@dataclass(frozen=True, slots=True)
class LabelledGroup:
    """The answers of a week that have one verdict, and how many of the labelled ones fail."""

    members: int
    labels: int
    failing: float
    """Of the effective number of labels; a whole number where all were drawn alike."""
    effective: float

    def rate(self, otherwise: float) -> float:
        """The failing share; a group without labels is taken to be like the others."""
        return self.failing / self.effective if self.effective else otherwise

    @property
    def variance(self) -> float:
        """Of the failing share, with half a label imagined of either kind."""
        share = (self.failing + 0.5) / (self.effective + 1)
        return share * (1 - share) / (self.effective + 1)


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
    """The failure rate of a population of which some members are labelled; None without labels, or
    where none has the verdict of more than a fifth of the population.

    The PPI++ mean (Angelopoulos, Duchi and Zrnic, arXiv 2311.01453) with inverse-probability
    weights (Zrnic and Candès, arXiv 2403.03208). For a verdict of two values its best form is the
    post-stratified mean: the labelled failing share among flagged and among other answers, each
    weighted by how many answers of the week it stands for.
    """
    if not labelled or population < len(labelled):
        return None
    groups = (
        labelled_group(flagged, [one for one in labelled if one.flagged]),
        labelled_group(population - flagged, [one for one in labelled if not one.flagged]),
    )
    unknown = sum(group.members for group in groups if not group.labels)
    return of_groups(*groups, confidence) if unknown <= MOST_UNKNOWN * population else None


def labelled_group(members: int, labelled: Sequence[Labelled]) -> LabelledGroup:
    """The labels of answers with one verdict, as so many plain draws as they are worth.

    The effective number is the squared sum of the weights over the sum of their squares: Kish,
    Survey Sampling, 1965; used in intervals of shares by Korn and Graubard, Survey Methodology
    24:193, 1998.
    """
    weights = [1 / one.inclusion_probability for one in labelled]
    total = sum(weights)
    if not total:
        return LabelledGroup(members, 0, 0.0, 0.0)
    effective = total * total / sum(weight * weight for weight in weights)
    failing = sum(weight for weight, one in zip(weights, labelled, strict=True) if one.fails)
    return LabelledGroup(members, len(labelled), effective * failing / total, effective)


def of_groups(
    flagged: LabelledGroup, others: LabelledGroup, confidence: float = 0.95
) -> CorrectedRate:
    """The rate over both groups, at least one of which has labels.

    The normal interval of PPI++ is too short at few labels and rare failures. Here each group has
    Jeffreys' interval, and the distances to its ends are added in squares, weighted: the method of
    variance estimates recovery, Zou, Huang and Zhang, Computational Statistics and Data Analysis
    53:1080, 2009. That the week itself is a sample counts too.
    """
    population = flagged.members + others.members
    together = (flagged.failing + others.failing) / (flagged.effective + others.effective)
    shares = [flagged.members / population, others.members / population]
    rates = [one.rate(together) for one in (flagged, others)]
    ends = [jeffreys(one.failing, one.effective, confidence, BELOW) for one in (flagged, others)]
    rate = sum(share * own for share, own in zip(shares, rates, strict=True))
    apart = (rates[0] - rates[1]) ** 2 * shares[0] * shares[1] / population
    of_week = normal_quantile(confidence) ** 2 * apart
    parts = list(zip(shares, rates, ends, strict=True))
    below = sqrt(of_week + sum((share * (own - end.low)) ** 2 for share, own, end in parts))
    above = sqrt(of_week + sum((share * (end.high - own)) ** 2 for share, own, end in parts))
    within = [share**2 * one.variance for share, one in zip(shares, (flagged, others), strict=True)]
    return CorrectedRate(
        rate=rate,
        interval=Interval(max(0.0, rate - below), min(1.0, rate + above)),
        labels=flagged.labels + others.labels,
        population=population,
        power=min(1.0, max(0.0, rates[0] - rates[1])),
        variance=apart + sum(within),
    )


def corrected_gap(one: CorrectedRate, other: CorrectedRate) -> tuple[float, Interval]:
    """The first rate minus the second, of groups that share no answer, with its interval.

    The distances to the ends added in squares: Newcombe's method 10 and Zou and Donner, Statistics
    in Medicine 27:1693, 2008, for any two estimates with intervals.
    """
    gap = one.rate - other.rate
    below = sqrt((one.rate - one.interval.low) ** 2 + (other.interval.high - other.rate) ** 2)
    above = sqrt((one.interval.high - one.rate) ** 2 + (other.rate - other.interval.low) ** 2)
    return gap, Interval(gap - below, gap + above)


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
