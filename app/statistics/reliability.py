"""Agreement from counts of patterns, fast enough to be calculated again for every draw.

A pattern is the sorted labels that one answer got; answers with the same pattern count together.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import combinations

from app.statistics.two_by_two import TwoByTwo

Pattern = tuple[Hashable, ...]


def patterns_of(units: Iterable[Sequence[Hashable]]) -> Counter[Pattern]:
    """How many answers got each set of labels; answers with a single label are left out."""
    return Counter(tuple(sorted(labels, key=str)) for labels in units if len(labels) > 1)


def nominal_alpha(patterns: Mapping[Pattern, int]) -> float | None:
    """Krippendorff's alpha for nominal labels, as `krippendorff_alpha` of the same answers."""
    uses: Counter[Hashable] = Counter()
    disagreeing = 0.0
    for pattern, times in patterns.items():
        counts, n = Counter(pattern), len(pattern)
        same = sum(count * count for count in counts.values())
        disagreeing += times * (n * n - same) / (n - 1)
        for label, count in counts.items():
            uses[label] += times * count
    total = uses.total()
    if total < 2 or len(uses) < 2:
        return None
    expected = (total**2 - sum(count * count for count in uses.values())) / (total - 1)
    return 1 - disagreeing / expected


def pair_table(patterns: Mapping[Pattern, int]) -> TwoByTwo:
    """All pairs of judgements on the same answer, each answer counting once, in both orders.

    The patterns are of booleans: whether the answer fails.
    """
    both = neither = mixed = 0.0
    for pattern, times in patterns.items():
        pairs = list(combinations(pattern, 2))
        share = times / len(pairs)
        both += share * sum(bool(one and other) for one, other in pairs)
        neither += share * sum(not one and not other for one, other in pairs)
        mixed += share * sum(one != other for one, other in pairs)
    return TwoByTwo(both, mixed / 2, mixed / 2, neither)


def positive_share(table: TwoByTwo) -> float | None:
    """Positive agreement: how often the other judge also says "fails" where one does.

    Cicchetti and Feinstein, Journal of Clinical Epidemiology 43:551, 1990.
    """
    uses = 2 * table.both + table.only_flagged + table.only_failing
    return 2 * table.both / uses if uses else None


def negative_share(table: TwoByTwo) -> float | None:
    """Negative agreement: how often the other judge also says "passes" where one does."""
    uses = 2 * table.neither + table.only_flagged + table.only_failing
    return 2 * table.neither / uses if uses else None


def effective_size(weights: Sequence[float]) -> float:
    """As many equally likely draws as these weighted ones are worth.

    Kish, "Survey Sampling", 1965, §11.7.
    """
    squares = sum(weight * weight for weight in weights)
    return sum(weights) ** 2 / squares if squares else 0.0
