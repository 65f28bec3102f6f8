"""Whether a curve fitted to labels makes an evaluator's scores better where it was not fitted to.

Only labels on answers that a sampling plan chose count, weighted by 1/p. What the curve and its
threshold are worth is measured on conversations that they were not fitted to; a curve that does not
help there is refused. `touchstone calibrate`, and the report where it advises to run it, follow
this one rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from app.criteria import Criterion
from app.recalibrated import DECIMALS
from app.statistics.calibration import brier, expected_calibration_error
from app.statistics.platt import FOLDS, Curve, cut_for, fit_curve, fold_of
from app.statistics.two_by_two import TwoByTwo, two_by_two

LEAST = 20
"""A curve has two ends: so many labels must fail, and so many pass, to hold them; and they must
come from so many conversations, to have some apart."""


class Answer(NamedTuple):
    """What a person said about an answer, beside the score of the evaluator as it ships."""

    conversation: str
    score: float
    fails: bool
    weight: float
    """How many answers it stands for."""


class Judged(NamedTuple):
    """A label beside what an evaluator made of the answer."""

    score: float
    flagged: bool
    answer: Answer


@dataclass(frozen=True, slots=True)
class Quality:
    """How well scores and threshold fit the labels."""

    error: float
    """The expected calibration error."""
    brier: float
    table: TwoByTwo
    """Flagged or not by failing or not, in weighted answers."""

    @property
    def flagged(self) -> float:
        """The share of answers that are flagged."""
        return (self.table.both + self.table.only_flagged) / self.table.total

    @property
    def failing(self) -> float:
        """The share of answers that fail."""
        return (self.table.both + self.table.only_failing) / self.table.total


@dataclass(frozen=True, slots=True)
class Refit:
    """What a curve would make of the scores, or why there is none."""

    before: Quality
    after: Quality | None = None
    """On conversations that curve and threshold were not fitted to."""
    curve: Curve | None = None
    threshold: float = 0.0
    refusal: str | None = None
    """Why the scores stay as they are, in a few words."""


def refit(criterion: Criterion, answers: Sequence[Answer], now: Curve) -> Refit:
    """The curve and threshold that the labels give, or why they give none.

    `now` is the curve in force, through which no score of the answers went.
    """
    before = _quality(criterion, _judged(criterion, now, criterion.threshold, answers))
    found = Refit(before)
    if reason := _too_few(answers):
        return replace(found, refusal=reason)
    curve, unseen = _curve(criterion, answers), _unseen(criterion, answers)
    if curve is None or unseen is None:
        return replace(found, refusal="higher scores do not go with better answers here")
    found = replace(found, after=_quality(criterion, unseen))
    if found.after is None or found.after.brier >= before.brier:
        return replace(found, refusal="it would be no better on unseen conversations")
    return replace(found, curve=curve, threshold=_threshold(criterion, curve, answers))


def _too_few(answers: Sequence[Answer]) -> str | None:
    """Of what there is too little, in a few words."""
    failing = sum(one.fails for one in answers)
    counts = {
        "failing labels": failing,
        "passing labels": len(answers) - failing,
        "conversations": len({one.conversation for one in answers}),
    }
    what = min(counts, key=counts.__getitem__)
    if counts[what] >= LEAST:
        return None
    return f"{LEAST} {what} are needed, not {counts[what]}"


def _curve(criterion: Criterion, answers: Sequence[Answer]) -> Curve | None:
    holds = [one.fails != criterion.higher_is_better for one in answers]
    return fit_curve([one.score for one in answers], holds, [one.weight for one in answers])


def _threshold(criterion: Criterion, curve: Curve, answers: Sequence[Answer]) -> float:
    """At which as much of the weight is flagged as fails."""
    weights = [one.weight for one in answers]
    share = sum(one.weight for one in answers if one.fails) / sum(weights)
    below = share if criterion.higher_is_better else 1 - share
    return cut_for([curve.of(one.score) for one in answers], weights, below)


def _unseen(criterion: Criterion, answers: Sequence[Answer]) -> list[Judged] | None:
    """Every answer, judged by what was fitted to other conversations; None where a fit fails."""
    judged: list[Judged] = []
    for fold in range(FOLDS):
        rest = [one for one in answers if fold_of(one.conversation) != fold]
        apart = [one for one in answers if fold_of(one.conversation) == fold]
        curve = _curve(criterion, rest) if len({one.fails for one in rest}) == 2 else None
        if curve is None:
            return None
        judged += _judged(criterion, curve, _threshold(criterion, curve, rest), apart)
    return judged


def _judged(
    criterion: Criterion, curve: Curve, threshold: float, answers: Sequence[Answer]
) -> list[Judged]:
    own = criterion.model_copy(update={"threshold": threshold})
    scores = [round(curve.of(one.score), DECIMALS) for one in answers]
    pairs = zip(scores, answers, strict=True)
    return [Judged(score, not own.passes(score), answer) for score, answer in pairs]


def _quality(criterion: Criterion, judged: Sequence[Judged]) -> Quality:
    scores = [1 - one.score if criterion.higher_is_better else one.score for one in judged]
    fails = [one.answer.fails for one in judged]
    weights = [one.answer.weight for one in judged]
    return Quality(
        error=expected_calibration_error(scores, fails, weights=weights),
        brier=brier(scores, fails, weights=weights),
        table=two_by_two((one.flagged, one.answer.fails, one.answer.weight) for one in judged),
    )
