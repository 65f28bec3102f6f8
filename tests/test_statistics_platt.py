"""Curves over scores agree with scikit-learn, and thresholds flag the share that is asked for."""

from math import exp
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from app.statistics.calibration import brier, expected_calibration_error
from app.statistics.platt import Curve, cut_for, fit_curve, likelihood_ratio, log_odds

SCORES = st.floats(0.001, 0.999)


def chance(odds: float) -> float:
    return 1 / (1 + exp(-odds))


def drawn(n: int, slope: float, offset: float) -> tuple[list[float], list[bool], list[float]]:
    """Scores, labels of which the curve holds, and weights."""
    random = Random(3)
    odds = [random.gauss(0, 2) for _ in range(n)]
    holds = [random.random() < chance(slope * one + offset) for one in odds]
    return [chance(one) for one in odds], holds, [random.choice((1.0, 5.0)) for _ in odds]


def test_the_curve_is_the_one_that_logistic_regression_finds() -> None:
    scores, holds, weights = drawn(4000, 0.5, -1.2)
    model = LogisticRegression(C=1e9)
    model.fit([[log_odds(one)] for one in scores], holds, sample_weight=weights)
    found = fit_curve(scores, holds, weights)
    assert found is not None
    # Platt's targets lie off 0 and 1 by one label in so many.
    assert found.slope == pytest.approx(model.coef_[0][0], abs=0.005)
    assert found.offset == pytest.approx(model.intercept_[0], abs=0.005)


def test_labels_that_a_score_tells_apart_for_sure_give_a_curve_all_the_same() -> None:
    found = fit_curve([0.9, 0.8, 0.2, 0.1], [True, True, False, False], [1.0] * 4)
    assert found is not None
    assert 0.7 < found.of(0.9) < 0.9


def test_scores_that_go_against_the_labels_give_no_curve() -> None:
    assert fit_curve([0.9, 0.8, 0.2, 0.1], [False, False, True, True], [1.0] * 4) is None


@given(SCORES, st.floats(0.5, 2), st.floats(-2, 2))
def test_a_score_comes_back_through_its_curve(score: float, slope: float, offset: float) -> None:
    curve = Curve(slope, offset)
    there = curve.of(score)
    if 0.001 < there < 0.999:
        assert curve.back(there) == pytest.approx(score, abs=1e-6)


@given(st.lists(SCORES, min_size=1, max_size=30, unique=True), st.floats(0, 1))
def test_the_cut_leaves_the_share_below_it_as_nearly_as_the_scores_allow(
    scores: list[float], share: float
) -> None:
    scores = sorted({round(0.99 * one, 2) for one in scores})
    cut = cut_for(scores, [1.0] * len(scores), share)
    below = sum(one < cut for one in scores)
    assert abs(below - share * len(scores)) <= 0.5 + 1e-9


def test_a_cut_counts_weights() -> None:
    assert cut_for([0.1, 0.2, 0.9], [8.0, 1.0, 1.0], 0.8) == pytest.approx(0.15)
    assert cut_for([0.5, 0.5], [1.0, 1.0], 0.5) in (0.0, 0.75)


def test_weights_count_in_error_and_brier_as_so_many_items() -> None:
    scores, holds = [0.9, 0.2, 0.3], [True, False, True]
    many = ([0.9, 0.2, 0.2, 0.3, 0.3, 0.3], [True, False, False, True, True, True])
    weighted = expected_calibration_error(scores, holds, weights=[1.0, 2.0, 3.0])
    assert weighted == pytest.approx(expected_calibration_error(*many))
    assert brier(scores, holds, [1.0, 2.0, 3.0]) == pytest.approx(brier(*many))


def test_scores_that_are_probabilities_seldom_seem_to_be_off_and_others_do() -> None:
    random, found = Random(11), []
    for _ in range(400):
        scores = [chance(random.gauss(-1, 1.5)) for _ in range(200)]
        found.append(likelihood_ratio(scores, [random.random() < one for one in scores]))
    # The 95 % and 50 % points of chi-squared with two degrees of freedom.
    assert 0.02 < sum(one > 5.99 for one in found) / 400 < 0.08
    assert 0.42 < sum(one > 1.386 for one in found) / 400 < 0.58
    shifted = [chance(log_odds(one) + 1) for one in scores]
    assert likelihood_ratio(shifted, [random.random() < one for one in scores]) > 9.21
