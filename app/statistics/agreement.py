"""How far judges agree beyond chance.

Where failures are rare kappa collapses although the judges nearly always agree, so kappa and AC1
are shown together, next to the plain share of agreement.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from app.statistics.intervals import Interval, wilson

Pair = tuple[Hashable, Hashable]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two judges agree on the same items."""

    n: int
    agreeing: int
    observed: float
    interval: Interval
    """Wilson interval of the observed agreement."""
    kappa: float | None
    ac1: float | None


def agreement(pairs: Sequence[Pair]) -> Agreement | None:
    """Observed agreement, kappa and AC1 of two judges, or None where nothing was judged twice."""
    if not pairs:
        return None
    agreeing = sum(one == other for one, other in pairs)
    return Agreement(
        n=len(pairs),
        agreeing=agreeing,
        observed=agreeing / len(pairs),
        interval=wilson(agreeing, len(pairs)),
        kappa=cohen_kappa(pairs),
        ac1=gwet_ac1(pairs),
    )


def positive_agreement(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """The share of agreement on what at least one of two judges called true; None without any.

    Cicchetti and Feinstein, Journal of Clinical Epidemiology 43:551, 1990.
    """
    both = sum(one and other for one, other in pairs)
    uses = sum(one + other for one, other in pairs)
    return 2 * both / uses if uses else None


def cohen_kappa(pairs: Sequence[Pair]) -> float | None:
    """Cohen's kappa, or None where both judges used one and the same label throughout.

    Cohen, Educational and Psychological Measurement 20:37, 1960.
    """
    ones, others = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    chance = sum(ones[label] * others[label] for label in ones) / len(pairs) ** 2
    return _beyond_chance(_observed(pairs), chance)


def gwet_ac1(pairs: Sequence[Pair]) -> float | None:
    """Gwet's AC1, which keeps its meaning where one label is rare; None for a single label.

    Gwet, British Journal of Mathematical and Statistical Psychology 61:29, 2008.
    """
    uses = Counter(label for pair in pairs for label in pair)
    if len(uses) < 2:
        return None
    shares = [count / (2 * len(pairs)) for count in uses.values()]
    chance = sum(share * (1 - share) for share in shares) / (len(uses) - 1)
    return _beyond_chance(_observed(pairs), chance)


def krippendorff_alpha(units: Sequence[Sequence[Hashable]]) -> float | None:
    """Krippendorff's alpha for nominal labels; each unit is the labels that it got.

    Any number of judges, missing labels allowed; None where no unit has two labels or all labels
    are the same. Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011.
    """
    judged = [Counter(labels) for labels in units if len(labels) > 1]
    uses: Counter[Hashable] = sum(judged, Counter())
    total = uses.total()
    if total < 2 or len(uses) < 2:
        return None
    disagreeing = sum(
        (counts.total() ** 2 - sum(count * count for count in counts.values()))
        / (counts.total() - 1)
        for counts in judged
    )
    expected = (total**2 - sum(count * count for count in uses.values())) / (total - 1)
    return 1 - disagreeing / expected


def _observed(pairs: Sequence[Pair]) -> float:
    return sum(one == other for one, other in pairs) / len(pairs)


def _beyond_chance(observed: float, chance: float) -> float | None:
    if chance >= 1:
        return None
    return (observed - chance) / (1 - chance)
