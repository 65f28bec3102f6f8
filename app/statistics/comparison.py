"""Whether two shares differ.

Fisher's test with the mid-P value is used: it is nearly exact at small counts, where the chi-square
test claims too much, and less timid than Fisher's own value (Fagerland, Lydersen and Laake, BMC
Medical Research Methodology 9, 2009). Where every expected count is large the two agree, and the
N-1 chi-square test is used because it costs nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import erfc, exp, lgamma, sqrt

from app.statistics.intervals import Interval, newcombe

LARGE_EXPECTED_COUNT = 100
TIE = 1 + 1e-7


@dataclass(frozen=True, slots=True)
class Comparison:
    """One share against another: the first minus the second."""

    failing: int
    n: int
    other_failing: int
    other_n: int
    difference: float
    interval: Interval
    p_value: float
    """Two-sided: the shares differ."""
    least_p_value: float
    """The smallest p-value that these group sizes and this number of failures can give."""
    p_above: float
    """One-sided: the first share is higher."""
    least_p_above: float

    @property
    def excludes_zero(self) -> bool:
        return not self.interval.holds(0.0)


def compare_shares(failing: int, n: int, other_failing: int, other_n: int) -> Comparison | None:
    """The difference of two shares with its Newcombe interval, or None where one has no data."""
    if n <= 0 or other_n <= 0:
        return None
    return Comparison(
        failing=failing,
        n=n,
        other_failing=other_failing,
        other_n=other_n,
        difference=failing / n - other_failing / other_n,
        interval=newcombe(failing, n, other_failing, other_n),
        p_value=mid_p(failing, n, other_failing, other_n),
        least_p_value=least_mid_p(failing + other_failing, n, other_n),
        p_above=mid_p_above(failing, n, other_failing, other_n),
        least_p_above=least_mid_p_above(failing + other_failing, n, other_n),
    )


def mid_p(failing: int, n: int, other_failing: int, other_n: int) -> float:
    """The two-sided mid-P value of Fisher's exact test: Fisher's value less half the chance of the
    table seen."""
    total = failing + other_failing
    if _least_expected(total, n, other_n) > LARGE_EXPECTED_COUNT:
        return _chi_square_p(failing, n, other_failing, other_n)
    lowest, chances = _hypergeometric(total, n, other_n)
    seen = chances[failing - lowest]
    as_rare = sum(chance for chance in chances if chance <= seen * TIE)
    return min(1.0, as_rare - seen / 2)


def least_mid_p(total_failing: int, n: int, other_n: int) -> float:
    """The smallest mid-P value that any split of the failures between the groups could give."""
    if _least_expected(total_failing, n, other_n) > LARGE_EXPECTED_COUNT:
        return 0.0
    _, chances = _hypergeometric(total_failing, n, other_n)
    rarest = min(chances)
    return sum(chance for chance in chances if chance <= rarest * TIE) - rarest / 2


def mid_p_above(failing: int, n: int, other_failing: int, other_n: int) -> float:
    """The one-sided mid-P value against the first share being no higher than the other."""
    total = failing + other_failing
    if _least_expected(total, n, other_n) > LARGE_EXPECTED_COUNT:
        half = _chi_square_p(failing, n, other_failing, other_n) / 2
        return half if failing * other_n > other_failing * n else 1 - half
    lowest, chances = _hypergeometric(total, n, other_n)
    seen = failing - lowest
    return min(1.0, chances[seen] / 2 + sum(chances[seen + 1 :]))


def least_mid_p_above(total_failing: int, n: int, other_n: int) -> float:
    """The smallest one-sided mid-P value that any split of the failures could give."""
    if _least_expected(total_failing, n, other_n) > LARGE_EXPECTED_COUNT:
        return 0.0
    return _hypergeometric(total_failing, n, other_n)[1][-1] / 2


def _least_expected(total: int, n: int, other_n: int) -> float:
    return min(n, other_n) * min(total, n + other_n - total) / (n + other_n)


@lru_cache(maxsize=4096)
def _hypergeometric(total: int, n: int, other_n: int) -> tuple[int, tuple[float, ...]]:
    """The lowest possible count in the first group, and the chance of each count from there on."""
    lowest, highest = max(0, total - other_n), min(total, n)
    first = exp(
        _log_choose(n, lowest)
        + _log_choose(other_n, total - lowest)
        - _log_choose(n + other_n, total)
    )
    if first > 0:
        steps = _ratios(lowest, highest, total, n, other_n)
        return lowest, tuple(accumulate(steps, lambda chance, step: chance * step, initial=first))
    logs = [_log_choose(n, x) + _log_choose(other_n, total - x) for x in range(lowest, highest + 1)]
    whole = _log_choose(n + other_n, total)
    return lowest, tuple(exp(value - whole) for value in logs)


def _ratios(lowest: int, highest: int, total: int, n: int, other_n: int) -> Iterator[float]:
    for x in range(lowest, highest):
        yield (n - x) * (total - x) / ((x + 1) * (other_n - total + x + 1))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _chi_square_p(failing: int, n: int, other_failing: int, other_n: int) -> float:
    everything, total = n + other_n, failing + other_failing
    cross = failing * (other_n - other_failing) - other_failing * (n - failing)
    squared = cross * cross * (everything - 1) / (n * other_n * total * (everything - total))
    return erfc(sqrt(squared / 2))
