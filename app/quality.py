"""How well scores agree with labels: the figures of `touchstone bench quality` and of model cards.

Label 1 means that the criterion named holds, and a score says how far it holds. Figures of one
class are given for label 1 and, under names that end in `_failing`, for the class that fails.
Intervals are percentile bootstrap intervals over sources: rows of one source are drawn together
(cluster bootstrap, Davison and Hinkley 1997, section 3.8).
"""

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Figures = dict[str, float | None]
Measure = Callable[..., dict[str, object]]
BINS = 10
"""How many bins of equal mass the calibration error has."""


def measure(
    scores: Sequence[float],
    labels: Sequence[int],
    *,
    threshold: float,
    higher_is_better: bool,
    groups: Sequence[Hashable] | None = None,
    domains: Sequence[Hashable] | None = None,
    replicates: int = 200,
    seed: int = 0,
) -> dict[str, object]:
    """n, prevalence and every figure as {"value", "low", "high"} with a 95 % interval.

    `groups` names the source of each row; without it every row is its own source. `domains` adds
    AUROC within domains: `auroc_within` over pairs of one domain, `auroc_macro` as mean of domains.
    """
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    score = np.asarray(scores, dtype=np.float64)[order]
    label = np.asarray(labels, dtype=np.float64)[order]
    source = _numbered(groups if groups is not None else range(len(scores)))[order]
    weights = _weights(source, replicates, seed)
    drawn = _figures(score, label, weights, threshold, higher_is_better)
    if domains is not None:
        drawn |= _by_domain(score, label, weights, _numbered(domains)[order])
    return {
        "n": len(score),
        "sources": len(set(source.tolist())),
        "prevalence": float(label.mean()) if len(label) else None,
        "threshold": threshold,
        "ece_by_chance": _ece_by_chance(score, seed),
        **{name: interval(values) for name, values in drawn.items()},
    }


def calibration_error(
    scores: Sequence[float],
    labels: Sequence[int],
    groups: Sequence[Hashable],
    *,
    replicates: int = 200,
    seed: int = 0,
) -> Figures:
    """The expected calibration error with a 95 % interval over groups."""
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    score, label = np.asarray(scores)[order], np.asarray(labels, dtype=np.float64)[order]
    return interval(_ece(score, label, _weights(_numbered(groups)[order], replicates, seed)))


def interval(values: Array) -> Figures:
    """The first value, with the 2.5 % and 97.5 % points of the others; None for what is unknown."""
    value, known = values[0], values[1:][np.isfinite(values[1:])]
    if not np.isfinite(value) or not len(known):
        return {"value": _rounded(value), "low": None, "high": None}
    low, high = np.quantile(known, [0.025, 0.975])
    return {"value": _rounded(value), "low": _rounded(low), "high": _rounded(high)}


def auroc(scores: Sequence[float], labels: Sequence[int]) -> float | None:
    """The chance that a row of label 1 scores above one of label 0; None without both."""
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    ones = np.ones((1, len(scores)))
    found = _auroc(_Steps.of(np.asarray(scores)[order], np.asarray(labels)[order], ones))[0]
    return float(found) if np.isfinite(found) else None


def pick_threshold(scores: Sequence[float], labels: Sequence[int]) -> float:
    """The threshold of the highest balanced accuracy, halfway between two scores."""
    ordered = np.unique(np.asarray(scores, dtype=np.float64))
    middles = (ordered[:-1] + ordered[1:]) / 2 if len(ordered) > 1 else np.array([0.5])
    candidates = middles[:: max(1, len(middles) // 200)]
    called = np.asarray(scores)[None, :] >= candidates[:, None]
    right = called == (np.asarray(labels)[None, :] == 1)
    rates = [right[:, np.asarray(labels) == wanted].mean(axis=1) for wanted in set(labels)]
    return round(float(candidates[int(np.argmax(sum(rates)))]), 4)


def _numbered(keys: Sequence[Hashable]) -> NDArray[np.int64]:
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _weights(source: NDArray[np.int64], replicates: int, seed: int) -> Array:
    """How often each row is drawn, shape (1 + replicates, rows); the first row is the data."""
    if not len(source):
        return np.ones((1, 0))
    count = int(source.max()) + 1
    chances = np.full(count, 1 / count)
    if count < 2:
        return np.ones((1, len(source)))
    drawn = np.random.default_rng(seed).multinomial(count, chances, size=replicates)
    return np.vstack([np.ones(len(source)), drawn[:, source]]).astype(np.float64)


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


class _Steps:
    """Weights of both labels per distinct score, highest score first, shape (draws, steps)."""

    def __init__(self, positive: Array, negative: Array) -> None:
        self.positive, self.negative = positive, negative
        self.true, self.false = positive.cumsum(axis=1), negative.cumsum(axis=1)
        self.all_true = positive.sum(axis=1)
        self.all_false = negative.sum(axis=1)

    @classmethod
    def of(cls, score: Array, label: Array, weights: Array) -> "_Steps":
        if not len(score):
            return cls(np.zeros((len(weights), 1)), np.zeros((len(weights), 1)))
        starts = np.flatnonzero(np.concatenate([[True], score[1:] != score[:-1]]))
        positive = np.add.reduceat(weights * label, starts, axis=1)
        return cls(positive, np.add.reduceat(weights * (1 - label), starts, axis=1))


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _figures(
    score: Array, label: Array, weights: Array, threshold: float, higher_is_better: bool
) -> dict[str, Array]:
    steps = _Steps.of(score, label, weights)
    holds = (score >= threshold).astype(np.float64)
    figures = {
        "auroc": _auroc(steps),
        "auprc": _auprc(steps),
        "best_f1": _best_f1(steps),
        "f1": _f1(holds, label, weights),
        "accuracy": _ratio(weights @ (holds == label), weights.sum(axis=1)),
        "balanced_accuracy": _balanced(holds, label, weights),
        "ece": _ece(score, label, weights),
        "brier": _ratio(weights @ (score - label) ** 2, weights.sum(axis=1)),
    }
    if higher_is_better:
        turned = _Steps.of(1 - score[::-1], 1 - label[::-1], weights[:, ::-1])
        figures["auprc_failing"] = _auprc(turned)
        figures["best_f1_failing"] = _best_f1(turned)
        figures["f1_failing"] = _f1(1 - holds, 1 - label, weights)
    return figures


def _auroc(steps: _Steps) -> Array:
    wins = (steps.negative * (steps.true - steps.positive / 2)).sum(axis=1)
    return _ratio(wins, steps.all_true * steps.all_false)


def _auprc(steps: _Steps) -> Array:
    """Average precision."""
    passed = steps.true + steps.false
    precision = np.divide(steps.true, passed, out=np.zeros_like(passed), where=passed > 0)
    return _ratio((steps.positive * precision).sum(axis=1), steps.all_true)


def _best_f1(steps: _Steps) -> Array:
    total = steps.true + steps.false + steps.all_true[:, None]
    best = np.divide(2 * steps.true, total, out=np.zeros_like(total), where=total > 0).max(axis=1)
    return np.where(steps.all_true > 0, best, np.nan)


def _f1(holds: Array, label: Array, weights: Array) -> Array:
    true, wrong = weights @ (holds * label), weights @ (holds != label)
    return _ratio(2 * true, 2 * true + wrong)


def _balanced(holds: Array, label: Array, weights: Array) -> Array:
    rates = [
        _ratio(weights @ ((holds == label) & (label == wanted)), weights @ (label == wanted))
        for wanted in (0, 1)
    ]
    return (rates[0] + rates[1]) / 2


def _ece(score: Array, label: Array, weights: Array) -> Array:
    """Expected calibration error over bins of equal mass."""
    total = weights.sum(axis=1)
    passed = weights.cumsum(axis=1) - weights
    share = np.divide(passed, total[:, None], out=np.zeros_like(passed), where=total[:, None] > 0)
    bucket = np.minimum(BINS - 1, (BINS * share).astype(np.int64))
    gaps = weights * (score - label)
    sums = [np.where(bucket == number, gaps, 0).sum(axis=1) for number in range(BINS)]
    return _ratio(np.abs(np.array(sums)).sum(axis=0), total)


def _ece_by_chance(score: Array, seed: int, draws: int = 100) -> float | None:
    """The calibration error that a perfectly calibrated judge would show with so few rows."""
    if not len(score):
        return None
    chances = np.random.default_rng(seed).random((draws, len(score)))
    label = (chances < score).astype(np.float64)
    return _rounded(float(_ece(score, label, np.ones_like(label)).mean()))


def _by_domain(
    score: Array, label: Array, weights: Array, domain: NDArray[np.int64]
) -> dict[str, Array]:
    wins, pairs, each = np.zeros(len(weights)), np.zeros(len(weights)), []
    for number in np.unique(domain):
        own = domain == number
        steps = _Steps.of(score[own], label[own], weights[:, own])
        found, size = _auroc(steps), steps.all_true * steps.all_false
        wins, pairs = wins + np.nan_to_num(found) * size, pairs + size
        each.append(found)
    known = [one for one in each if np.isfinite(one[0])]
    macro = _mean_of_known(np.array(known)) if known else np.full(len(weights), np.nan)
    return {"auroc_within": _ratio(wins, pairs), "auroc_macro": macro}


def _mean_of_known(values: Array) -> Array:
    return _ratio(np.nan_to_num(values).sum(axis=0), np.isfinite(values).sum(axis=0) * 1.0)
