"""Which of many comparisons hold, when chance alone would make some of them look real."""

from collections.abc import Sequence


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that control the false discovery rate, in the order given.

    Benjamini and Hochberg, Journal of the Royal Statistical Society B 57:289, 1995.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index], reverse=True)
    adjusted, least = [1.0] * len(p_values), 1.0
    for place, index in enumerate(order):
        rank = len(p_values) - place
        least = min(least, p_values[index] * len(p_values) / rank)
        adjusted[index] = least
    return adjusted


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that control the chance of any false discovery, in the order given.

    Holm, Scandinavian Journal of Statistics 6:65, 1979.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, most = [1.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        most = max(most, min(1.0, p_values[index] * (len(p_values) - place)))
        adjusted[index] = most
    return adjusted


def able_to_hold(least_p_values: Sequence[float], level: float = 0.05) -> list[bool]:
    """Which comparisons could reach significance at all, given the least p-value of each.

    The others cannot yield a false discovery, so correcting for them only costs power. Step one of
    Gilbert, Journal of the Royal Statistical Society C 54:143, 2005, after Tarone 1990.
    """
    for size in range(1, len(least_p_values) + 1):
        able = [least < level / size for least in least_p_values]
        if sum(able) <= size:
            return able
    return [False] * len(least_p_values)


def adjust_discrete(
    p_values: Sequence[float], least_p_values: Sequence[float], level: float = 0.05
) -> list[float | None]:
    """Benjamini-Hochberg over the comparisons able to hold at this level; None for the others.

    Gilbert 2005, both steps.
    """
    able = able_to_hold(least_p_values, level)
    kept = [p_value for p_value, is_able in zip(p_values, able, strict=True) if is_able]
    adjusted = iter(benjamini_hochberg(kept))
    return [next(adjusted) if is_able else None for is_able in able]
