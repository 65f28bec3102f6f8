"""How a share went over the weeks, what is usual for it, and whether this week is unusual."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.statistics.comparison import Comparison, compare_shares
from app.statistics.control_charts import ControlChart, Signal, p_prime, signals
from app.statistics.intervals import Interval, wilson

LEAST_BASELINE_WEEKS = 2
LEAST_WEEK_N = 5
"""Weeks with fewer answers are not part of a baseline."""
FLAG_P_VALUE = 0.01


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    failing: int
    n: int

    @property
    def rate(self) -> float | None:
        return self.failing / self.n if self.n else None

    @property
    def interval(self) -> Interval:
        return wilson(self.failing, self.n)


@dataclass(frozen=True, slots=True)
class Course:
    """A share per week, oldest first, and what that says about the last week."""

    shares: tuple[Share, ...]
    baseline: tuple[int, ...]
    """The weeks that show what is usual: earlier, comparable, not unusual themselves."""
    chart: ControlChart | None
    """None while the baseline is too short."""
    signals: frozenset[Signal]
    """What the control chart says about the last week."""
    points: int
    """How many weeks, with the last one, are comparable and large enough to be counted."""
    flags: tuple[int, ...]
    """Per week: 1 where it was unusually high when it came, -1 unusually low, 0 as usual."""
    last_week: Share | None
    """None where the week before has no comparable answers."""
    against_last: Comparison | None
    against_usual: Comparison | None

    @property
    def now(self) -> Share:
        return self.shares[-1]

    @property
    def usual(self) -> Share:
        """All answers of the baseline together."""
        return together([self.shares[index] for index in self.baseline])

    @property
    def limits(self) -> Interval | None:
        return self.chart.limits[-1] if self.chart else None

    @property
    def unusual_since(self) -> int:
        """The first week of the run of weeks flagged like the last one."""
        start = len(self.flags) - 1
        while start > 0 and self.flags[start - 1] == self.flags[-1] != 0:
            start -= 1
        return start


def together(shares: Sequence[Share]) -> Share:
    """All of them as one."""
    return Share(sum(share.failing for share in shares), sum(share.n for share in shares))


def follow(shares: Sequence[Share], comparable: Sequence[bool]) -> Course:
    """The course of a share; weeks that are not comparable with the last one are left out."""
    flags: list[int] = []
    for week in range(len(shares)):
        flags.append(_flag(shares, _baseline(shares, comparable, flags), week))
    baseline = _baseline(shares, comparable, flags[:-1])
    chart = _chart(shares, baseline)
    last_week = _last_week(shares, comparable)
    return Course(
        shares=tuple(shares),
        baseline=tuple(baseline),
        chart=chart,
        signals=_signals(shares, comparable, chart),
        points=len(_known(shares, comparable)),
        flags=tuple(flags),
        last_week=last_week,
        against_last=_compare(shares[-1], last_week),
        against_usual=_compare(shares[-1], together([shares[i] for i in baseline])),
    )


def _baseline(
    shares: Sequence[Share], comparable: Sequence[bool], flags: Sequence[int]
) -> list[int]:
    """Earlier weeks that were as usual; all earlier ones where most of them were not."""
    known = _known(shares[: len(flags)], comparable)
    usual = [week for week in known if flags[week] == 0]
    return usual if 2 * len(usual) > len(known) else known


def _known(shares: Sequence[Share], comparable: Sequence[bool]) -> list[int]:
    return [
        week for week, share in enumerate(shares) if comparable[week] and share.n >= LEAST_WEEK_N
    ]


def _flag(shares: Sequence[Share], baseline: Sequence[int], week: int) -> int:
    now = shares[week]
    chart = _chart([*(shares[index] for index in baseline), now], range(len(baseline)))
    if chart is None or now.rate is None or chart.limits[-1].holds(now.rate):
        return 0
    against = _compare(now, together([shares[index] for index in baseline]))
    if against is None or against.p_value > FLAG_P_VALUE:
        return 0
    return 1 if against.difference > 0 else -1


def _chart(shares: Sequence[Share], baseline: Sequence[int]) -> ControlChart | None:
    if len(baseline) < LEAST_BASELINE_WEEKS:
        return None
    return p_prime([share.failing for share in shares], [share.n for share in shares], baseline)


def _signals(
    shares: Sequence[Share], comparable: Sequence[bool], chart: ControlChart | None
) -> frozenset[Signal]:
    if chart is None:
        return frozenset()
    pairs = zip(shares, comparable, strict=True)
    return signals([share.rate if same else None for share, same in pairs], chart)[-1]


def _last_week(shares: Sequence[Share], comparable: Sequence[bool]) -> Share | None:
    if len(shares) < 2 or not comparable[-2] or shares[-2].n == 0:
        return None
    return shares[-2]


def _compare(one: Share, other: Share | None) -> Comparison | None:
    if other is None:
        return None
    return compare_shares(one.failing, one.n, other.failing, other.n)
