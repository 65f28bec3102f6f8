"""A curve that turns the scores of an evaluator into probabilities, fitted to a few labels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

from app.statistics.reliability import effective_size

EDGE = 1e-4
"""Scores of 0 and 1 have no logarithm of their odds; they are taken to lie so far inside."""
FOLDS = 10
STEPS = 50
LONGEST = 2.0
"""How far one step of the fit may go, lest the first ones overshoot."""
ENOUGH = 1e-7
RIDGE = 1e-9
LEAST_SLOPE = 0.01
FAR = 30.0


@dataclass(frozen=True, slots=True)
class Curve:
    """A straight line between the log odds of a score and those of what it stands for."""

    slope: float
    offset: float

    def of(self, score: float) -> float:
        """The probability that a score stands for."""
        return _logistic(self.slope * log_odds(score) + self.offset)

    def back(self, probability: float) -> float:
        """The score that stands for a probability."""
        return _logistic((log_odds(probability) - self.offset) / self.slope)


def log_odds(score: float) -> float:
    """The logarithm of the odds of a score, which is kept off 0 and 1."""
    inside = min(1 - EDGE, max(EDGE, score))
    return log(inside / (1 - inside))


def fit_curve(
    scores: Sequence[float], holds: Sequence[bool], weights: Sequence[float]
) -> Curve | None:
    """The curve under which the labels are likeliest; None where higher scores do not hold more.

    Platt, Advances in Large Margin Classifiers, 2000, with his targets off 0 and 1, on the log odds
    of scores that are probabilities already; by Newton's method, after Lin, Lin and Weng, Machine
    Learning 68:267, 2007. Both kinds of label must occur.
    """
    true, n = sum(holds), len(holds)
    targets = [(true + 1) / (true + 2) if one else 1 / (n - true + 2) for one in holds]
    rows = list(zip(map(log_odds, scores), targets, weights, strict=True))
    slope, offset = 1.0, 0.0
    for _ in range(STEPS):
        along, up = _newton_step(rows, slope, offset)
        slope, offset = slope - along, offset - up
        if max(abs(along), abs(up)) < ENOUGH:
            break
    return Curve(round(slope, 4), round(offset, 4)) if slope > LEAST_SLOPE else None


def likelihood_ratio(
    scores: Sequence[float], holds: Sequence[bool], weights: Sequence[float] | None = None
) -> float:
    """How much likelier a curve makes the labels than the scores as they are; 0 without a curve.

    Twice the logarithm, which is chi-squared with two degrees of freedom where the scores are
    probabilities: Cox, Biometrika 45:562, 1958. Weighted labels count as many as they are worth.
    """
    plain = weights or [1.0] * len(scores)
    scale = effective_size(plain) / sum(plain)
    curve = fit_curve(scores, holds, plain)
    if curve is None:
        return 0.0
    found = 0.0
    for score, held, weight in zip(scores, holds, plain, strict=True):
        as_it_is, through = Curve(1.0, 0.0).of(score), curve.of(score)
        more = log(through / as_it_is) if held else log((1 - through) / (1 - as_it_is))
        found += scale * weight * more
    return 2 * found


def unseen(
    scores: Sequence[float], holds: Sequence[bool], groups: Sequence[str]
) -> list[float] | None:
    """Every score through a curve that was fitted to other groups; None where a fit fails."""
    found = list(scores)
    for fold in range(FOLDS):
        rest = [place for place, group in enumerate(groups) if fold_of(group) != fold]
        known = [holds[place] for place in rest]
        if len(set(known)) < 2:
            return None
        curve = fit_curve([scores[place] for place in rest], known, [1.0] * len(rest))
        if curve is None:
            return None
        for place in set(range(len(groups))) - set(rest):
            found[place] = curve.of(scores[place])
    return found


def fold_of(group: str) -> int:
    """Which of ten parts a group belongs to, the same every time."""
    return hashlib.sha256(group.encode()).digest()[0] % FOLDS


def _newton_step(
    rows: Sequence[tuple[float, float, float]], slope: float, offset: float
) -> tuple[float, float]:
    """By how much slope and offset are too large; rows are log odds, targets and weights."""
    gradient, bend, upper, middle = [0.0, 0.0], RIDGE, RIDGE, 0.0
    for odds, target, weight in rows:
        chance = _logistic(slope * odds + offset)
        error, spread = weight * (chance - target), weight * chance * (1 - chance)
        gradient = [gradient[0] + error * odds, gradient[1] + error]
        bend, middle, upper = bend + spread * odds**2, middle + spread * odds, upper + spread
    area = bend * upper - middle**2
    along = (upper * gradient[0] - middle * gradient[1]) / area
    up = (bend * gradient[1] - middle * gradient[0]) / area
    return max(-LONGEST, min(LONGEST, along)), max(-LONGEST, min(LONGEST, up))


def _logistic(value: float) -> float:
    return 1 / (1 + exp(-min(FAR, max(-FAR, value))))


def cut_for(scores: Sequence[float], weights: Sequence[float], share: float) -> float:
    """The value below which this share of the weight lies, as nearly as the scores allow.

    It lies half way between two scores; 0 or 1 where nothing, or everything, is to lie below.
    """
    order = sorted(zip(scores, weights, strict=True))
    wanted, below, nearest = share * sum(weights), 0.0, (share * sum(weights), 0.0)
    for place, (score, weight) in enumerate(order):
        below += weight
        after = order[place + 1][0] if place + 1 < len(order) else 1.0
        if after > score:
            nearest = min(nearest, (abs(below - wanted), (score + after) / 2))
    return round(nearest[1], 4)
