"""Whether a week lies outside its usual variation.

Most "worse than last week" is noise. A control chart learns from a baseline how much a measure
varies by itself and calls only what goes beyond that a signal. For shares the limits are Laney's
p', which widen the binomial limits where weeks differ more than chance would make them differ.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Literal

from app.statistics.intervals import Interval

Signal = Literal["outside", "shift", "trend", "two_of_three"]
Assurance = Literal["meets", "misses", "hit_or_miss"]

PER_MOVING_RANGE = 1.128
"""d2 for subgroups of two: the mean moving range of a normal variable in standard deviations."""
SCREEN = 3.267
RUN = 7


@dataclass(frozen=True, slots=True)
class ControlChart:
    """A centre line and the limits of usual variation for each point."""

    centre: float
    limits: tuple[Interval, ...]
    sigma_z: float = 1.0
    """How much wider than the binomial the points vary; 1 where the binomial is right."""


def p_prime(
    failing: Sequence[int], n: Sequence[int], baseline: Sequence[int], least_sigma_z: float = 1.0
) -> ControlChart:
    """The p' chart of shares: limits for every point, learnt from the points named by `baseline`.

    Laney, Quality Engineering 14:531, 2002. `least_sigma_z` 1 keeps the limits from getting tighter
    than the binomial, which a short baseline would make them by chance. Baseline points need n > 0.
    """
    known = sum(n[index] for index in baseline)
    centre = sum(failing[index] for index in baseline) / known
    standard = sqrt(centre * (1 - centre))
    scores = [
        (failing[index] / n[index] - centre) * sqrt(n[index]) / standard if standard else 0.0
        for index in baseline
    ]
    sigma_z = max(least_sigma_z, _screened_mean(_moving_ranges(scores)) / PER_MOVING_RANGE)
    limits = tuple(_share_limits(centre, 3 * sigma_z * standard, count) for count in n)
    return ControlChart(centre, limits, sigma_z)


def xmr(values: Sequence[float], baseline: Sequence[int]) -> ControlChart:
    """The XmR (individuals) chart: mean ± 2.66 mean moving ranges, without outlying ranges.

    Shewhart; rules as in the NHS's "Making data count": a moving range beyond 3.267 times the mean
    range is left out before the limits are made.
    """
    known = [values[index] for index in baseline]
    centre = sum(known) / len(known)
    reach = 3 * _screened_mean(_moving_ranges(known)) / PER_MOVING_RANGE
    return ControlChart(centre, (Interval(centre - reach, centre + reach),) * len(values))


def signals(values: Sequence[float | None], chart: ControlChart) -> list[frozenset[Signal]]:
    """The signals that are complete at each point, by the NHS rules; a missing point has none.

    Outside: beyond a limit. Shift: seven in a row on one side of the centre. Trend: seven in a row
    rising or falling. Two of three: two of three in a row in the outer third, on the same side.
    """
    found: list[frozenset[Signal]] = [frozenset()] * len(values)
    places = [place for place, value in enumerate(values) if value is not None]
    known = [value for value in values if value is not None]
    heights = [
        _height(value, chart.centre, chart.limits[place])
        for place, value in zip(places, known, strict=True)
    ]
    for index, place in enumerate(places):
        found[place] = frozenset(_signals_at(index, known, heights))
    return found


def assurance(limits: Interval, target: float) -> Assurance:
    """Whether a process with these limits stays at or below a target, never does, or may do either.

    The assurance icons of the NHS's "Making data count", for a measure of which less is better: a
    target beyond the worse limit is met by usual variation alone, one beyond the better is missed.
    """
    if limits.high <= target:
        return "meets"
    return "misses" if limits.low > target else "hit_or_miss"


def _signals_at(index: int, values: list[float], heights: list[float]) -> Iterator[Signal]:
    run = heights[max(0, index - RUN + 1) : index + 1]
    path = values[max(0, index - RUN + 1) : index + 1]
    steps = [after - before for before, after in pairwise(path)]
    if abs(heights[index]) > 1:
        yield "outside"
    if len(run) == RUN and (min(run) > 0 or max(run) < 0):
        yield "shift"
    if len(path) == RUN and (min(steps) > 0 or max(steps) < 0):
        yield "trend"
    if _two_of_three(heights[max(0, index - 2) : index + 1]):
        yield "two_of_three"


def _two_of_three(heights: list[float]) -> bool:
    outer = 2 / 3
    above = sum(height > outer for height in heights)
    below = sum(height < -outer for height in heights)
    newest = heights[-1]
    return (above >= 2 and newest > outer) or (below >= 2 and newest < -outer)


def _height(value: float, centre: float, limits: Interval) -> float:
    """Where a point lies: 0 on the centre, 1 on the upper limit, -1 on the lower one."""
    # A limit that is cut at 0 or 1 lies nearer than variation reaches; the other one does not.
    reach = max(limits.high - centre, centre - limits.low)
    if reach <= 0:
        return 0.0 if value == centre else 2.0 if value > centre else -2.0
    return (value - centre) / reach


def _share_limits(centre: float, reach: float, n: int) -> Interval:
    if n <= 0:
        return Interval(0.0, 1.0)
    return Interval(max(0.0, centre - reach / sqrt(n)), min(1.0, centre + reach / sqrt(n)))


def _moving_ranges(values: Sequence[float]) -> list[float]:
    return [abs(after - before) for before, after in pairwise(values)]


def _screened_mean(ranges: Sequence[float]) -> float:
    if not ranges:
        return 0.0
    mean = sum(ranges) / len(ranges)
    kept = [value for value in ranges if value <= SCREEN * mean]
    return sum(kept) / len(kept)
