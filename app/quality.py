"""How well scores agree with labels: the figures of `touchstone bench quality` and of model cards.

Label 1 means that the criterion named holds, and a score says how far it holds. Figures of one
class are given for label 1 and, under names that end in `_failing`, for the class that fails.
Intervals are percentile bootstrap intervals over rows. Standard library only.
"""

from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from random import Random

Figures = dict[str, float | None]
Weighted = list[tuple[float, int, float]]
"""Score, label and weight, sorted by score, highest first."""


def measure(
    scores: Sequence[float],
    labels: Sequence[int],
    *,
    threshold: float,
    higher_is_better: bool,
    replicates: int = 200,
    seed: int = 0,
) -> dict[str, object]:
    """n, prevalence and every figure as {"value", "low", "high"} with a 95 % interval."""
    rows = sorted(zip(scores, labels, strict=True), key=lambda row: -row[0])
    value = _figures([(s, y, 1.0) for s, y in rows], threshold, higher_is_better)
    random = Random(seed)
    drawn = [
        _figures(_resample(rows, random), threshold, higher_is_better)
        for _ in range(replicates if rows else 0)
    ]
    intervals = {name: _interval(value[name], [one[name] for one in drawn]) for name in value}
    prevalence = sum(labels) / len(labels) if labels else None
    return {"n": len(rows), "prevalence": prevalence, "threshold": threshold, **intervals}


def auroc(scores: Sequence[float], labels: Sequence[int]) -> float | None:
    """The chance that a row of label 1 scores above one of label 0; None without both."""
    rows = sorted(zip(scores, labels, strict=True), key=lambda row: -row[0])
    return _auroc([(score, label, 1.0) for score, label in rows])


def pick_threshold(scores: Sequence[float], labels: Sequence[int]) -> float:
    """The threshold of the highest balanced accuracy, halfway between two scores."""
    ordered = sorted(set(scores))
    middles = [(a + b) / 2 for a, b in pairwise(ordered)] or [0.5]

    candidates: list[float] = middles[:: max(1, len(middles) // 200)]

    def quality(threshold: float) -> float:
        called = [_holds(score, threshold) for score in scores]
        return _balanced(list(zip(called, labels, [1.0] * len(called), strict=True))) or 0.0

    best: float = max(candidates, key=quality)
    return round(best, 4)


def _resample(rows: list[tuple[float, int]], random: Random) -> Weighted:
    counts = [0] * len(rows)
    for index in random.choices(range(len(rows)), k=len(rows)):
        counts[index] += 1
    return [(s, y, float(n)) for (s, y), n in zip(rows, counts, strict=True) if n]


def _interval(value: float | None, drawn: list[float | None]) -> Figures:
    known = sorted(one for one in drawn if one is not None)
    if value is None or not known:
        return {"value": _rounded(value), "low": None, "high": None}
    low, high = known[int(0.025 * len(known))], known[min(len(known) - 1, int(0.975 * len(known)))]
    return {"value": _rounded(value), "low": _rounded(low), "high": _rounded(high)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _figures(rows: Weighted, threshold: float, higher_is_better: bool) -> Figures:
    called = [(_holds(score, threshold), y, n) for score, y, n in rows]
    figures: Figures = {
        "auroc": _auroc(rows),
        "auprc": _auprc(rows),
        "best_f1": _best_f1(rows),
        "f1": _f1(called),
        "balanced_accuracy": _balanced(called),
        "ece": _ece(rows),
        "brier": _mean(((score - y) ** 2, n) for score, y, n in rows),
    }
    if higher_is_better:
        turned = [(1 - score, 1 - y, n) for score, y, n in reversed(rows)]
        figures["auprc_failing"] = _auprc(turned)
        figures["best_f1_failing"] = _best_f1(turned)
        figures["f1_failing"] = _f1([(1 - holds, 1 - y, n) for holds, y, n in called])
    return figures


def _holds(score: float, threshold: float) -> int:
    """Whether the criterion is said to hold; the threshold itself belongs to the upper side."""
    return int(score >= threshold)


def _mean(values: object) -> float | None:
    total = weight = 0.0
    for value, n in values:  # type: ignore[attr-defined]
        total, weight = total + value * n, weight + n
    return total / weight if weight else None


def _steps(rows: Weighted) -> list[tuple[float, float]]:
    """Weights of label 1 and label 0 per distinct score, highest score first."""
    steps = []
    for _, tied in groupby(rows, key=lambda row: row[0]):
        positive = negative = 0.0
        for _, label, n in tied:
            positive, negative = positive + n * label, negative + n * (1 - label)
        steps.append((positive, negative))
    return steps


def _auroc(rows: Weighted) -> float | None:
    above = wins = losses = 0.0
    for positive, negative in _steps(rows):
        wins += negative * (above + positive / 2)
        above += positive
        losses += negative
    return wins / (above * losses) if above and losses else None


def _auprc(rows: Weighted) -> float | None:
    """Average precision."""
    true = false = area = 0.0
    total = sum(n for _, label, n in rows if label)
    for positive, negative in _steps(rows):
        true, false = true + positive, false + negative
        area += positive * true / (true + false)
    return area / total if total else None


def _best_f1(rows: Weighted) -> float | None:
    true = false = best = 0.0
    total = sum(n for _, label, n in rows if label)
    for positive, negative in _steps(rows):
        true, false = true + positive, false + negative
        best = max(best, 2 * true / (true + false + total))
    return best if total else None


def _f1(called: Sequence[tuple[int, int, float]]) -> float | None:
    true = sum(n for holds, label, n in called if holds and label)
    wrong = sum(n for holds, label, n in called if holds != label)
    return 2 * true / (2 * true + wrong) if true + wrong else None


def _balanced(called: Sequence[tuple[int, int, float]]) -> float | None:
    rates = [
        _mean((float(holds == label), n) for holds, label, n in called if label == wanted)
        for wanted in (0, 1)
    ]
    return None if None in rates else sum(rate for rate in rates if rate is not None) / 2


def _ece(rows: Weighted, bins: int = 10) -> float | None:
    """Expected calibration error over bins of equal mass."""
    total = sum(n for _, _, n in rows)
    if not total:
        return None
    sums = [[0.0, 0.0] for _ in range(bins)]
    passed = 0.0
    for score, label, n in rows:
        bucket = sums[min(bins - 1, int(bins * passed / total))]
        bucket[0], bucket[1] = bucket[0] + score * n, bucket[1] + label * n
        passed += n
    return sum(abs(one - other) for one, other in sums) / total


Measure = Callable[..., dict[str, object]]
