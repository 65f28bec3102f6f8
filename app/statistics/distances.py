"""How far two distributions of counts lie apart, and whether that is more than chance.

The rules of thumb for the population stability index (0.1, 0.25) are folklore: its expectation
without any drift depends on the counts. So the index comes with that expectation.
"""

from collections.abc import Mapping, Sequence
from math import erfc, log, log2, sqrt

SMOOTHING = 0.5
"""Added to every count, so that an empty place costs a finite distance."""


def aligned(one: Mapping[str, int], other: Mapping[str, int]) -> tuple[list[int], list[int]]:
    """The counts of both over the same names."""
    names = sorted({*one, *other})
    return [one.get(name, 0) for name in names], [other.get(name, 0) for name in names]


def population_stability(counts: Sequence[int], reference: Sequence[int]) -> float:
    """The PSI: the sum of (p - q) ln(p / q), 0 for equal shares.

    Siddiqi, Credit Risk Scorecards, 2006; twice the J-divergence of Jeffreys, 1946, over 2.
    """
    p, q = _shares(counts), _shares(reference)
    return sum((a - b) * log(a / b) for a, b in zip(p, q, strict=True))


def expected_stability(counts: Sequence[int], reference: Sequence[int]) -> float:
    """The PSI that chance alone gives on average: (B - 1)(1/n + 1/m).

    Yurdakul and Naranjo, Journal of Risk Model Validation 14:4, 2020.
    """
    n, m = sum(counts), sum(reference)
    used = sum(a + b > 0 for a, b in zip(counts, reference, strict=True))
    return (used - 1) * (1 / n + 1 / m) if n and m and used else 0.0


def merged(
    counts: Sequence[int], reference: Sequence[int], least: int = 10
) -> tuple[list[int], list[int]]:
    """The counts with neighbouring places put together until the samples hold at least so many
    in each: the chi-square approximation needs it."""
    own, others = [0], [0]
    for a, b in zip(counts, reference, strict=True):
        if own[-1] + others[-1] >= least:
            own.append(0)
            others.append(0)
        own[-1] += a
        others[-1] += b
    if len(own) > 1 and own[-1] + others[-1] < least:
        last, last_other = own.pop(), others.pop()
        own[-1] += last
        others[-1] += last_other
    return own, others


def stability_p_value(counts: Sequence[int], reference: Sequence[int]) -> float:
    """The chance of so large a PSI without drift: PSI / (1/n + 1/m) is about chi-square with
    B - 1 degrees of freedom (Yurdakul and Naranjo 2020).

    The chi-square tail is that of Wilson and Hilferty, Proceedings of the National Academy of
    Sciences 17:684, 1931.
    """
    n, m, freedom = sum(counts), sum(reference), len(counts) - 1
    if not n or not m or freedom < 1:
        return 1.0
    square = population_stability(counts, reference) / (1 / n + 1 / m)
    spread = 2 / (9 * freedom)
    z = ((square / freedom) ** (1 / 3) - (1 - spread)) / sqrt(spread)
    return erfc(z / sqrt(2)) / 2


def jensen_shannon(counts: Sequence[int], reference: Sequence[int]) -> float:
    """The Jensen-Shannon distance in [0, 1] (base 2). Lin, IEEE Trans. Inf. Theory 37:145, 1991."""
    n, m = sum(counts), sum(reference)
    if not n or not m:
        return 0.0
    divergence = 0.0
    for a, b in zip(counts, reference, strict=True):
        p, q = a / n, b / m
        middle = (p + q) / 2
        divergence += sum(x * log2(x / middle) for x in (p, q) if x) / 2
    return sqrt(max(0.0, divergence))


def kolmogorov_smirnov(counts: Sequence[int], reference: Sequence[int]) -> float:
    """The largest distance between the two cumulated shares, for places that have an order.

    On counts in bins this is a lower bound of the statistic of the values themselves.
    """
    n, m = sum(counts), sum(reference)
    if not n or not m:
        return 0.0
    most = own = others = 0.0
    for a, b in zip(counts, reference, strict=True):
        own, others = own + a / n, others + b / m
        most = max(most, abs(own - others))
    return most


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts) + SMOOTHING * len(counts)
    return [(count + SMOOTHING) / total for count in counts]
