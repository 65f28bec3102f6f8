"""Fits an evaluator's scores and threshold to what people said about an installation's own answers.

Only blind labels count, on answers that a sampling plan chose, weighted by 1/p, so that the curve
speaks of all answers and not of the harder ones. The threshold is the one at which as many answers
are flagged as fail by the labels. What both are worth is measured on conversations that they were
not fitted to; a curve that does not help there is refused.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from sqlmodel import Session

from app.criteria import Criteria, Criterion
from app.measures import Said, first_labels, read_said
from app.recalibrated import DECIMALS, Calibration
from app.statistics.calibration import brier, expected_calibration_error
from app.statistics.platt import FOLDS, Curve, cut_for, fit_curve, fold_of
from app.statistics.two_by_two import TwoByTwo, two_by_two
from app.store.evaluations import evaluations_of
from evaluators.protocol import EvaluatorSpec

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
class Fitted:
    """What came of the labels of one evaluator."""

    criterion: Criterion
    evaluator: str
    labels: int
    failing: int
    before: Quality
    after: Quality | None = None
    """On conversations that curve and threshold were not fitted to."""
    calibration: Calibration | None = None
    refusal: str | None = None
    """Why there is no calibration, in a few words."""


def fit_all(
    session: Session,
    project: str,
    criteria: Criteria,
    specs: Sequence[EvaluatorSpec],
    in_force: Mapping[str, Calibration],
    *,
    today: date,
) -> list[Fitted]:
    """One result per evaluator whose verdicts people labelled.

    `specs` are those of the evaluators as they ship; `in_force` are the calibrations in use.
    """
    said = read_said(session, project, criteria)
    found = []
    for spec in specs:
        current = in_force.get(spec.criterion)
        own = current if current is not None and current.evaluator == spec.name else None
        answers = answers_of(session, spec, said.get(spec.criterion, []), own)
        if answers:
            found.append(fit(criteria.get(spec.criterion), spec, answers, own, today=today))
    return found


def fit(
    criterion: Criterion,
    spec: EvaluatorSpec,
    answers: Sequence[Answer],
    in_force: Calibration | None,
    *,
    today: date,
) -> Fitted:
    """The calibration that the labels give, or why they give none."""
    failing = sum(one.fails for one in answers)
    now = Curve(1.0, 0.0) if in_force is None else in_force.curve
    before = _quality(criterion, _judged(criterion, now, criterion.threshold, answers))
    told = Fitted(criterion, spec.name, len(answers), failing, before)
    if reason := _too_few(answers):
        return replace(told, refusal=reason)
    curve, unseen = _curve(criterion, answers), _unseen(criterion, answers)
    if curve is None or unseen is None:
        return replace(told, refusal="higher scores do not go with better answers here")
    told = replace(told, after=_quality(criterion, unseen))
    if told.after is None or told.after.brier >= before.brier:
        return replace(told, refusal="it would be no better on unseen conversations")
    threshold = _threshold(criterion, curve, answers)
    return replace(told, calibration=_calibration(spec, curve, threshold, told, today))


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


def _calibration(
    spec: EvaluatorSpec, curve: Curve, threshold: float, told: Fitted, today: date
) -> Calibration:
    return Calibration(
        evaluator=spec.name,
        version=spec.version,
        slope=curve.slope,
        offset=curve.offset,
        threshold=threshold,
        labels=told.labels,
        failing=told.failing,
        made=today,
    )


def answers_of(
    session: Session, spec: EvaluatorSpec, said: Sequence[Said], in_force: Calibration | None
) -> list[Answer]:
    """The first labels on answers that a plan chose and this version of the evaluator scored.

    The scores of verdicts that went through the calibration in force are taken back through it.
    """
    drawn = [
        one
        for one in first_labels(said)
        if one.fails is not None and 0 < (one.inclusion_probability or 0) <= 1
    ]
    people = Counter(one.interaction_id for one in drawn)
    scores = _scores(session, spec, sorted(people), in_force)
    return [
        Answer(
            conversation=one.conversation,
            score=scores[one.interaction_id],
            fails=bool(one.fails),
            weight=1 / (one.inclusion_probability or 1) / people[one.interaction_id],
        )
        for one in drawn
        if one.interaction_id in scores
    ]


def _scores(
    session: Session, spec: EvaluatorSpec, ids: Sequence[str], in_force: Calibration | None
) -> dict[str, float]:
    """The newest score per interaction, as the evaluator gives it when it is not calibrated."""
    curves = {spec.version: Curve(1.0, 0.0)}
    if in_force is not None:
        curves[in_force.spec_of(spec).version] = in_force.curve
    found = {}
    for interaction_id, rows in evaluations_of(session, ids).items():
        for row in rows:
            if row.evaluator == spec.name and row.version in curves and row.score is not None:
                found[interaction_id] = curves[row.version].back(row.score)
    return found


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
