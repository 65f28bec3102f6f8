"""How far the evaluator can be trusted, measured on blind labels: agreement, precision, recall."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from app.criteria import Criterion
from app.refit import Answer, refit
from app.reports.causes import Miscalibrated
from app.reports.labels import Label, drawn_labels
from app.reports.material import Material
from app.statistics.bootstrap import cluster_bootstrap, clusters_of
from app.statistics.calibration import Bin, brier, expected_calibration_error, reliability_bins
from app.statistics.corrected_rate import CorrectedRate, prediction_powered_rate, rogan_gladen
from app.statistics.intervals import Interval, wilson
from app.statistics.platt import Curve, likelihood_ratio
from app.statistics.reliability import effective_size, nominal_alpha
from app.statistics.two_by_two import TwoByTwo, two_by_two

Item = TypeVar("Item")
LEAST_LABELS = 20
"""Fewer labels are counted, but no rate is corrected by them."""
LEAST_FAILING = 5
"""Fewer failing labels say nothing about recall."""
WORTH_MENDING = 0.1
"""A calibration error below it is no reason to do something."""
SURE = 9.21
"""Of chi-squared with two degrees of freedom, which chance alone exceeds once in a hundred."""
MOST_REFITTED = 2000
"""As many of the newest labels are asked whether a curve would help, which takes a tenth of a
second."""
SEED = 20260101
DRAWS = 1000
FEW_DRAWS = 200
"""For what takes every score of every draw."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its bootstrap interval over conversations; both None where not known."""

    value: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the labels of comparable weeks say about an evaluator."""

    criterion: str
    labels: int
    answers: int
    failing: int
    flagged: int
    is_weighted: bool
    """Whether the labels are weighted to all answers; else they speak of themselves only."""
    agreement: Estimate
    kappa: Estimate
    ac1: Estimate
    precision: Estimate
    recall: Estimate
    calibration_error: Estimate
    brier: Estimate
    alpha: Estimate
    """Krippendorff's alpha among the reviewers: what the evaluator can reach at best."""
    labelled_twice: int
    agreed_twice: int
    """On how many of those all reviewers said the same."""
    bins: tuple[Bin, ...]


class Weighed(NamedTuple):
    """A label, and how many answers it stands for."""

    label: Label
    weight: float


class _Scores(NamedTuple):
    """How sure the evaluator was that answers fail, whether they do, and how much they count."""

    scores: list[float]
    fails: list[bool]
    weights: list[float]


def judge(material: Material, criterion: str) -> Judgement | None:
    """What the blind labels of this and comparable weeks say; None with fewer than twenty."""
    everything = _all_labels(material, criterion)
    labels = [one for one in everything if one.flagged is not None]
    if len(labels) < LEAST_LABELS:
        return None
    drawn = [one for one in labels if one.is_drawn]
    is_weighted = len(drawn) >= LEAST_LABELS
    used = _weighed(drawn if is_weighted else labels, is_weighted)
    clusters = clusters_of((one.label.conversation, one) for one in used)
    # Only the counts of each conversation matter, so they are added up before the draws.
    counted = [[_counts(some)] for some in clusters]
    tables = _estimates(counted, _of_table, DRAWS)
    error, score = _estimates(clusters, _of_scores, FEW_DRAWS)
    flagged = [one for one in used if one.label.flagged]
    failing = [one for one in used if one.label.fails]
    told = _scores(used)
    agreement, kappa, ac1, precision, recall = tables
    if len(failing) in (0, len(used)):
        # It is nought whatever the evaluator says, and so in every draw.
        kappa = Estimate(None, None)
    return Judgement(
        criterion=criterion,
        labels=len(used),
        answers=len({one.label.interaction_id for one in used}),
        failing=len(failing),
        flagged=len(flagged),
        is_weighted=is_weighted,
        agreement=_sure(agreement, used),
        kappa=kappa,
        ac1=ac1,
        precision=_sure(precision, flagged),
        recall=_sure(recall, failing),
        calibration_error=error,
        brier=score,
        alpha=_alpha(everything),
        labelled_twice=sum(len(unit) > 1 for unit in _units(everything)),
        agreed_twice=sum(len(unit) > 1 and len(set(unit)) == 1 for unit in _units(everything)),
        bins=reliability_bins(told.scores, told.fails, weights=told.weights),
    )


def _all_labels(material: Material, criterion: str) -> list[Label]:
    every = (*material.earlier_labels, *material.labels)
    return [one for one in every if one.criterion == criterion and not one.is_by_outcome]


def miscalibrated(material: Material) -> list[Miscalibrated]:
    """The criteria whose scores are off for sure, and whether that can be mended by the labels."""
    found = []
    for criterion in material.criteria:
        used = _weighed(drawn_of(material, criterion.name)[-MOST_REFITTED:], True)
        told = _scores(used)
        if not told.scores or not _is_off(told):
            continue
        answers = [_answer(criterion, one) for one in used]
        refusal = refit(criterion, answers, Curve(1.0, 0.0)).refusal
        error = expected_calibration_error(told.scores, told.fails, weights=told.weights)
        found.append(Miscalibrated(criterion.name, len(used), error, refusal))
    return found


def drawn_of(material: Material, criterion: str) -> list[Label]:
    """The labels of comparable weeks on answers that have a score and that a plan chose."""
    every = _all_labels(material, criterion)
    return [one for one in every if one.is_drawn and one.failing_score is not None]


def _is_off(told: _Scores) -> bool:
    error = expected_calibration_error(told.scores, told.fails, weights=told.weights)
    if error <= WORTH_MENDING or len(set(told.fails)) < 2:
        return False
    return likelihood_ratio(told.scores, told.fails, told.weights) > SURE


def _answer(criterion: Criterion, one: Weighed) -> Answer:
    failing = one.label.failing_score or 0.0
    score = 1 - failing if criterion.higher_is_better else failing
    return Answer(one.label.conversation, score, one.label.fails, one.weight)


def corrected(material: Material, criterion: str, confidence: float = 0.95) -> CorrectedRate | None:
    """The week's failure rate corrected by labels drawn with known probability, if enough."""
    share = material.findings.failing[criterion].course.now
    drawn = drawn_labels([one for one in material.labels if one.criterion == criterion])
    if len(drawn) < LEAST_LABELS:
        return None
    return prediction_powered_rate(share.failing, share.n, drawn, confidence)


def rogan_gladen_rate(material: Material, criterion: str) -> tuple[float, Interval] | None:
    """The week's rate from the evaluator's sensitivity and specificity in comparable weeks.

    None where the labels were drawn with different probabilities, or show too few failures.
    """
    share = material.findings.failing[criterion].course.now
    known = [one for one in _all_labels(material, criterion) if one.flagged is not None]
    # Two labels of one answer tell less than those of two answers, as which they would count.
    used = [some[0] for some in clusters_of((one.interaction_id, one) for one in known)]
    weeks = {one.week: one.inclusion_probability for one in used}
    if not used or any(one.inclusion_probability != weeks[one.week] for one in used):
        return None
    failing = [one for one in used if one.fails]
    passing = [one for one in used if not one.fails]
    if len(failing) < LEAST_FAILING or len(passing) < LEAST_FAILING:
        return None
    return rogan_gladen(
        share.failing,
        share.n,
        caught=sum(one.flagged is True for one in failing),
        failing=len(failing),
        cleared=sum(one.flagged is False for one in passing),
        passing=len(passing),
    )


class _Counts(NamedTuple):
    """Weighted counts of a table of two by two, then how many labels fail and are flagged."""

    both: float
    only_flagged: float
    only_failing: float
    neither: float
    failing: float
    flagged: float


def _weighed(labels: Sequence[Label], is_weighted: bool) -> list[Weighed]:
    """The labels with their weights; those of one answer share it."""
    people = Counter(one.interaction_id for one in labels)
    return [
        Weighed(one, (_chances(one) if is_weighted else 1.0) / people[one.interaction_id])
        for one in labels
    ]


def _chances(label: Label) -> float:
    return 1 / label.inclusion_probability if label.inclusion_probability else 1.0


def _estimates(
    clusters: Sequence[Sequence[Item]],
    statistics: Callable[[Sequence[Item]], Sequence[float | None]],
    draws: int,
) -> list[Estimate]:
    values = statistics([one for some in clusters for one in some])
    intervals = cluster_bootstrap(clusters, statistics, draws=draws, seed=SEED)
    return [Estimate(*pair) for pair in zip(values, intervals, strict=True)]


def _sure(share: Estimate, out_of: Sequence[Weighed]) -> Estimate:
    """A share whose labels are all alike with Wilson's interval: draws of them say nothing about
    the answers that were not labelled."""
    if share.value is None or share.interval is None or share.interval.width > 0:
        return share
    n = effective_size([one.weight for one in out_of])
    return Estimate(share.value, wilson(share.value * n, n))


def _counts(labels: Sequence[Weighed]) -> _Counts:
    table = two_by_two((one.label.flagged is True, one.label.fails, one.weight) for one in labels)
    failing = sum(one.label.fails for one in labels)
    flagged = sum(one.label.flagged is True for one in labels)
    cells = (table.both, table.only_flagged, table.only_failing, table.neither)
    return _Counts(*cells, failing, flagged)


def _of_table(counts: Sequence[_Counts]) -> Sequence[float | None]:
    """Agreement, kappa, AC1, precision and recall; the last two only from enough cases."""
    sums = _Counts(*map(sum, zip(*counts, strict=True)))
    table = TwoByTwo(*sums[:4])
    return (
        table.observed,
        table.kappa,
        table.ac1,
        table.precision if sums.flagged >= LEAST_FAILING else None,
        table.recall if sums.failing >= LEAST_FAILING else None,
    )


def _scores(labels: Sequence[Weighed]) -> _Scores:
    scores = [one.label.failing_score or 0.0 for one in labels]
    return _Scores(scores, [one.label.fails for one in labels], [one.weight for one in labels])


def _of_scores(labels: Sequence[Weighed]) -> Sequence[float | None]:
    told = _scores(labels)
    error = expected_calibration_error(told.scores, told.fails, weights=told.weights)
    return error, brier(told.scores, told.fails, told.weights)


def _units(labels: Sequence[Label]) -> list[list[bool]]:
    return clusters_of((one.interaction_id, one.fails) for one in labels)


def _alpha(labels: Sequence[Label]) -> Estimate:
    twice = [tuple(sorted(unit)) for unit in _units(labels) if len(unit) > 1]
    if not twice:
        return Estimate(None, None)
    # Answers that got the same labels count together: a draw is no more than a count of them.
    (interval,) = cluster_bootstrap(
        [[unit] for unit in twice], lambda units: [nominal_alpha(Counter(units))], seed=SEED
    )
    return Estimate(nominal_alpha(Counter(twice)), interval)
