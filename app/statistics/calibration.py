"""Whether a score of 0.7 means that 70 % hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.statistics.intervals import Interval, wilson


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
    scores: Sequence[float], holds: Sequence[bool], bins: int = 10
) -> tuple[Bin, ...]:
    """The bins of equal width that hold anything, each with the share that was true (Wilson)."""
    members: dict[int, list[tuple[float, bool]]] = {}
    for score, held in zip(scores, holds, strict=True):
        members.setdefault(min(int(score * bins), bins - 1), []).append((score, held))
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


def _bin(place: int, bins: int, members: list[tuple[float, bool]]) -> Bin:
    n, true = len(members), sum(held for _, held in members)
    mean_score = sum(score for score, _ in members) / n
    return Bin(place / bins, (place + 1) / bins, n, mean_score, true / n, wilson(true, n))
