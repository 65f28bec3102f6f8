"""Agreement and calibration, against published examples and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, cohen_kappa_score

from app.statistics.agreement import agreement, cohen_kappa, gwet_ac1, krippendorff_alpha
from app.statistics.calibration import brier, expected_calibration_error, reliability_bins

PARADOX = [(1, 1)] * 118 + [(1, 0)] * 5 + [(0, 1)] * 2
"""Feinstein and Cicchetti's paradox: 94 % agreement and a kappa below zero (Gwet 2008)."""


def test_kappa_collapses_where_failures_are_rare_and_ac1_does_not() -> None:
    assert cohen_kappa(PARADOX) == pytest.approx(-0.0234, abs=5e-5)
    assert gwet_ac1(PARADOX) == pytest.approx(0.9408, abs=5e-5)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2))
def test_kappa_equals_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    if len({label for pair in pairs for label in pair}) < 2:
        assert cohen_kappa(pairs) is None
        assert gwet_ac1(pairs) is None
        return
    reference = cohen_kappa_score([one for one, _ in pairs], [other for _, other in pairs])
    assert cohen_kappa(pairs) == pytest.approx(reference, abs=1e-9)


def test_agreement_carries_its_interval_and_is_none_without_pairs() -> None:
    found = agreement(PARADOX)
    assert found is not None
    assert (found.agreeing, found.n) == (118, 125)
    assert found.interval.holds(found.observed)
    assert agreement([]) is None


def krippendorff_units(*rows: str) -> list[list[str]]:
    return [[label for label in unit if label != "."] for unit in zip(*rows, strict=True)]


@pytest.mark.parametrize(
    ("rows", "alpha"),
    [
        (("0100000010", "1110010000"), 0.095),
        (("aabbdcccedda", "babbbccceddd"), 0.692),
        (("123321412...", "1233224125.3", ".3332342251.", "12332441251."), 0.743),
    ],
)
def test_alpha_gives_the_values_of_krippendorffs_examples_a_to_c(
    rows: tuple[str, ...], alpha: float
) -> None:
    assert krippendorff_alpha(krippendorff_units(*rows)) == pytest.approx(alpha, abs=5e-4)


def test_alpha_needs_two_labels_on_an_item_and_two_different_ones() -> None:
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha([["a"], ["b"]]) is None
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) is None


def test_bins_hold_every_score_once_and_the_last_one_holds_1() -> None:
    bins = reliability_bins([0.0, 0.05, 0.95, 1.0], [False, False, True, True])
    assert [(each.low, each.n, each.share) for each in bins] == [(0.0, 2, 0.0), (0.9, 2, 1.0)]


def test_bins_and_calibration_error_equal_scikit_learns_curve() -> None:
    rng = np.random.default_rng(6)
    scores = rng.beta(0.7, 2, size=400)
    holds = rng.random(400) < scores**1.5
    bins = reliability_bins(scores.tolist(), holds.tolist())
    shares, means = calibration_curve(holds, scores, n_bins=10)
    assert [one.share for one in bins] == pytest.approx(shares.tolist())
    assert [one.mean_score for one in bins] == pytest.approx(means.tolist())
    weights = np.array([one.n for one in bins]) / 400
    error = float(weights @ abs(shares - means))
    found = expected_calibration_error(scores.tolist(), holds.tolist())
    assert found == pytest.approx(error)


def test_calibration_error_of_a_worked_example() -> None:
    scores = [0.1] * 10 + [0.9] * 10
    holds = [True] * 2 + [False] * 8 + [True] * 7 + [False] * 3
    assert expected_calibration_error(scores, holds) == pytest.approx(0.15)


def test_brier_equals_scikit_learn() -> None:
    scores, holds = [0.1, 0.8, 0.35, 0.9], [False, True, True, False]
    assert brier(scores, holds) == pytest.approx(brier_score_loss(holds, scores))
