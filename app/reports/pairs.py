"""Two slices at once: in which part of a slice that got worse the failures are.

Only slices that got worse are looked into, so a quiet week makes no comparison here. A pair is held
against the rest of its slice, this week, and stands out when it holds after correcting for all
pairs together (Gilbert's form of Benjamini-Hochberg, one-sided) and differs by a practical size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from app.reports.courses import Share
from app.reports.tallies import EVERYTHING, Slice, Tallies
from app.statistics.comparison import Comparison, compare_shares
from app.statistics.correction import adjust_discrete

LEAST_PAIR_N = 15


@dataclass(frozen=True, slots=True)
class Pair:
    """The answers of a slice that share another segment too, against the others of the slice."""

    criterion: str
    where: Slice
    other: Slice
    share: Share
    rest: Share
    gap: Comparison
    adjusted_p: float | None = None
    """None where the counts could not have shown a difference."""
    holds: bool = False


def find_pairs(
    tallies: Tallies, hits: Sequence[tuple[str, Slice]], *, level: float, least: float
) -> list[Pair]:
    """The pairs within the slices that were hit (criterion and slice), the surest first."""
    pairs = [pair for criterion, where in hits for pair in _pairs(tallies, criterion, where)]
    adjusted = adjust_discrete(
        [pair.gap.p_above for pair in pairs], [pair.gap.least_p_above for pair in pairs], level
    )
    judged = [
        replace(pair, adjusted_p=p_value, holds=_holds(pair, p_value, level, least))
        for pair, p_value in zip(pairs, adjusted, strict=True)
    ]
    return sorted(judged, key=lambda pair: (not pair.holds, pair.gap.p_above, pair.other))


def _pairs(tallies: Tallies, criterion: str, where: Slice) -> Iterator[Pair]:
    whole = Share(0, 0)
    parts: dict[Slice, Share] = {}
    for members, tally in tallies.combinations.get(criterion, {}).items():
        if where in members:
            own = Share(tally.failing, tally.scored)
            whole = _plus(whole, own)
            for part in members - {where, EVERYTHING}:
                parts[part] = _plus(parts.get(part, Share(0, 0)), own)
    for part, share in sorted(parts.items()):
        rest = Share(whole.failing - share.failing, whole.n - share.n)
        if min(share.n, rest.n) >= LEAST_PAIR_N:
            gap = compare_shares(share.failing, share.n, rest.failing, rest.n)
            if gap is not None:
                yield Pair(criterion, where, part, share, rest, gap)


def _plus(one: Share, other: Share) -> Share:
    return Share(one.failing + other.failing, one.n + other.n)


def _holds(pair: Pair, adjusted_p: float | None, level: float, least: float) -> bool:
    return (
        adjusted_p is not None
        and adjusted_p <= level
        and pair.gap.excludes_zero
        and pair.gap.difference >= least
    )
