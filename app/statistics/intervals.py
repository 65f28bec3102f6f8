"""How sure a share is, and how sure the difference of two shares is.

Wilson and Newcombe intervals are used because they stay inside [0, 1], keep their coverage at small
counts and at rates near 0, and need no simulation.
"""

from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

from app.statistics.beta import beta_quantile

WHOLE = 1.0


class Interval(NamedTuple):
    """A lower and an upper bound."""

    low: float
    high: float

    @property
    def width(self) -> float:
        return self.high - self.low

    def holds(self, value: float) -> bool:
        """Whether the value lies between the bounds, bounds included."""
        return self.low <= value <= self.high


def normal_quantile(confidence: float) -> float:
    """The z that a two-sided interval of this confidence uses: 1.96 for 0.95."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def wilson(failing: float, n: float, confidence: float = 0.95) -> Interval:
    """The score interval of a share, never outside [0, 1]; (0, 1) where nothing was counted.

    Wilson 1927; method 3 of Newcombe, Statistics in Medicine 17:857, 1998. `failing` and `n` may be
    fractional, so that an effective sample size can be used.
    """
    if n <= 0:
        return Interval(0.0, WHOLE)
    z = normal_quantile(confidence)
    middle = (2 * failing + z * z) / (2 * (n + z * z))
    spread = z * sqrt(max(0.0, z * z + 4 * failing * (1 - failing / n))) / (2 * (n + z * z))
    low = 0.0 if failing <= 0 else max(0.0, middle - spread)
    high = WHOLE if failing >= n else min(WHOLE, middle + spread)
    return Interval(low, high)


def jeffreys(failing: float, n: float, confidence: float = 0.95, below: float = 0.5) -> Interval:
    """The interval of a share under Jeffreys' prior; (0, 1) where nothing was counted.

    Brown, Cai and DasGupta, Statistical Science 16:101, 2001, with their ends: 0 where nothing
    fails, 1 where everything does. Shorter than Wilson's for rare failures. `failing` and `n` may
    be fractional. `below` is how much of the doubt lies under the lower end: half of it leaves
    equal tails.
    """
    if n <= 0:
        return Interval(0.0, WHOLE)
    a, b, doubt = failing + 0.5, n - failing + 0.5, 1 - confidence
    low = 0.0 if failing <= 0 else beta_quantile(below * doubt, a, b)
    high = WHOLE if failing >= n else beta_quantile(1 - (1 - below) * doubt, a, b)
    return Interval(low, high)


def newcombe(
    failing: int, n: int, other_failing: int, other_n: int, confidence: float = 0.95
) -> Interval:
    """The interval of the first share minus the second; (-1, 1) where one counted nothing.

    Method 10 (hybrid score) of Newcombe, Statistics in Medicine 17:873, 1998.
    """
    if n <= 0 or other_n <= 0:
        return Interval(-WHOLE, WHOLE)
    share, other = failing / n, other_failing / other_n
    own, others = wilson(failing, n, confidence), wilson(other_failing, other_n, confidence)
    below = sqrt((share - own.low) ** 2 + (others.high - other) ** 2)
    above = sqrt((own.high - share) ** 2 + (other - others.low) ** 2)
    return Interval(share - other - below, share - other + above)


def ratio_interval(
    failing: int, n: int, other_failing: int, other_n: int, confidence: float = 0.95
) -> Interval | None:
    """The interval of the first share over the second; None where the second has no failure.

    The hybrid score interval of Fagerland and Newcombe, Statistics in Medicine 32:2823, 2013: it
    recovers the variances from Wilson's intervals (Donner and Zou, Statistical Methods in Medical
    Research 21:347, 2012). It holds 1 where `newcombe` of the same counts holds 0, and only there,
    so that a ratio and a difference never contradict each other.
    """
    if n <= 0 or other_n <= 0 or other_failing <= 0:
        return None
    share, other = failing / n, other_failing / other_n
    own, others = wilson(failing, n, confidence), wilson(other_failing, other_n, confidence)
    product = share * other
    lowest = own.low * (2 * share - own.low)
    narrow = others.low * (2 * other - others.low)
    wide = others.high * (2 * other - others.high)
    # What is zero on paper may come out a little below it.
    below = product + sqrt(max(0.0, product**2 - lowest * wide))
    above = product + sqrt(max(0.0, product**2 - own.high * (2 * share - own.high) * narrow))
    return Interval(lowest / below if below else 0.0, above / narrow)
