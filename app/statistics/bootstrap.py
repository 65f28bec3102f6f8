"""How sure any statistic is, by drawing whole clusters again and again.

Turns of one conversation resemble each other; drawing conversations, not answers, keeps that
resemblance in the interval. Field and Welsh, Journal of the Royal Statistical Society B 69:369,
2007; percentile intervals of Efron, Annals of Statistics 7:1, 1979.
"""

import random
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from app.statistics.intervals import Interval

Item = TypeVar("Item")
DRAWS = 1000
LEAST_USABLE = 0.5
"""The share of draws that must give a value for the interval to mean anything."""


def clusters_of(pairs: Iterable[tuple[Hashable, Item]]) -> list[list[Item]]:
    """The items of each cluster, in the order in which the clusters come first."""
    found: dict[Hashable, list[Item]] = {}
    for key, item in pairs:
        found.setdefault(key, []).append(item)
    return list(found.values())


def cluster_bootstrap(
    clusters: Sequence[Sequence[Item]],
    statistics: Callable[[Sequence[Item]], Sequence[float | None]],
    *,
    draws: int = DRAWS,
    seed: int = 1,
    confidence: float = 0.95,
) -> list[Interval | None]:
    """A percentile interval for each of the statistics, which are calculated together.

    None for a statistic that most draws leave without a value, and with fewer than two clusters.
    """
    if len(clusters) < 2:
        return [None for _ in statistics([one for some in clusters for one in some])]
    rng = random.Random(seed)
    found = []
    for _ in range(draws):
        drawn = rng.choices(clusters, k=len(clusters))
        found.append(statistics([one for some in drawn for one in some]))
    return [_percentiles(values, draws, confidence) for values in zip(*found, strict=True)]


def _percentiles(values: Sequence[float | None], draws: int, confidence: float) -> Interval | None:
    known = sorted(value for value in values if value is not None)
    if len(known) < LEAST_USABLE * draws:
        return None
    tail = (1 - confidence) / 2
    return Interval(_quantile(known, tail), _quantile(known, 1 - tail))


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
