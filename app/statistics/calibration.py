"""Whether a score of 0.7 means that 70 % hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.statistics.intervals import Interval, wilson
from app.statistics.reliability import effective_size


@dataclass(frozen=True, slots=True)
class Bin:
    """The items whose scores lie in one range: what was scored and what was true."""

    low: float
    high: float
    n: int
    mean_score: float
    share: float
    interval: Interval


def reliability_bins(
    scores: Sequence[float],
    holds: Sequence[bool],
    bins: int = 10,
    weights: Sequence[float] | None = None,
) -> tuple[Bin, ...]:
    """The bins of equal width that hold anything, each with the share that was true (Wilson).

    `weights` say how many items each one stands for; a bin then is as sure as its effective size.
    """
    members: dict[int, list[tuple[float, bool, float]]] = {}
    for score, held, weight in zip(scores, holds, weights or [1.0] * len(scores), strict=True):
        members.setdefault(min(int(score * bins), bins - 1), []).append((score, held, weight))
    return tuple(_bin(place, bins, members[place]) for place in sorted(members))


def expected_calibration_error(
    scores: Sequence[float],
    holds: Sequence[bool],
    bins: int = 10,
    weights: Sequence[float] | None = None,
) -> float:
    """The mean distance between score and truth over bins of equal width, weighted by count.

    Naeini, Cooper and Hauskrecht, AAAI 2015. Biased upwards at small n. `weights` say how many
    items each one stands for.
    """
    gaps, shares = [0.0] * bins, weights or [1.0] * len(scores)
    for score, held, share in zip(scores, holds, shares, strict=True):
        gaps[min(int(score * bins), bins - 1)] += share * (score - held)
    return sum(map(abs, gaps)) / sum(shares)


def brier(
    scores: Sequence[float], holds: Sequence[bool], weights: Sequence[float] | None = None
) -> float:
    """The mean squared distance between score and truth. Brier, Monthly Weather Review, 1950."""
    shares = weights or [1.0] * len(scores)
    parts = zip(scores, holds, shares, strict=True)
    return sum(share * (score - held) ** 2 for score, held, share in parts) / sum(shares)


def _bin(place: int, bins: int, members: list[tuple[float, bool, float]]) -> Bin:
    weights = [weight for _, _, weight in members]
    total, worth = sum(weights), effective_size(weights)
    share = sum(weight for _, held, weight in members if held) / total
    mean_score = sum(weight * score for score, _, weight in members) / total
    low, high = place / bins, (place + 1) / bins
    return Bin(low, high, len(members), mean_score, share, wilson(share * worth, worth))
