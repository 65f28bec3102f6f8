"""How large a rise of a share could have been seen."""

from math import sqrt
from statistics import NormalDist

STEPS = 40
POWER = 0.8


def power_of_rise(rise: float, rate: float, n: int, other_n: int, level: float) -> float:
    """How often the two-sided comparison of `n` answers with `other_n` at a rate finds a rise.

    Normal theory: Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, 2003,
    section 4, for groups of unlike size.
    """
    after = rate + rise
    pooled = (after * n + rate * other_n) / (n + other_n)
    null = sqrt(pooled * (1 - pooled) * (1 / n + 1 / other_n))
    real = sqrt(after * (1 - after) / n + rate * (1 - rate) / other_n)
    beyond = rise - NormalDist().inv_cdf(1 - level / 2) * null
    return NormalDist().cdf(beyond / real) if real else float(beyond > 0)


def detectable_rise(
    rate: float, n: int, other_n: int, *, level: float, least: float = 0.0
) -> float | None:
    """The smallest rise that is found four times in five, and seen to be at least so large as
    often; None where even a share of 1 would not be."""
    low, high = 0.0, 1 - rate
    if not _is_found(high, rate, n, other_n, level, least):
        return None
    for _ in range(STEPS):
        middle = (low + high) / 2
        found = _is_found(middle, rate, n, other_n, level, least)
        low, high = (low, middle) if found else (middle, high)
    return high


def _is_found(rise: float, rate: float, n: int, other_n: int, level: float, least: float) -> bool:
    after = rate + rise
    spread = NormalDist().inv_cdf(POWER) * sqrt(after * (1 - after) / n)
    is_large = rise - spread >= least
    return is_large and power_of_rise(rise, rate, n, other_n, level) >= POWER
