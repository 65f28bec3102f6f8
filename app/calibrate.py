"""Fits an evaluator's scores and threshold to what people said about an installation's own answers.

Only blind labels count, on answers that a sampling plan chose, weighted by 1/p, so that the curve
speaks of all answers and not of the harder ones. The threshold is the one at which as many answers
are flagged as fail by the labels. A curve that does not help on other conversations is refused.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlmodel import Session

from app.criteria import Criteria, Criterion
from app.measures import Said, first_labels, read_said
from app.recalibrated import Calibration
from app.refit import Answer, Quality, refit
from app.statistics.platt import Curve
from app.store.evaluations import evaluations_of
from evaluators.protocol import EvaluatorSpec


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
    found = refit(criterion, answers, Curve(1.0, 0.0) if in_force is None else in_force.curve)
    told = Fitted(
        criterion=criterion,
        evaluator=spec.name,
        labels=len(answers),
        failing=sum(one.fails for one in answers),
        before=found.before,
        after=found.after,
        refusal=found.refusal,
    )
    if found.curve is None:
        return told
    own = _calibration(spec, found.curve, found.threshold, told, today)
    return replace(told, calibration=own)


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
