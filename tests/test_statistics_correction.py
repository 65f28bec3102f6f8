"""Corrections for many comparisons, against the papers and statsmodels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

from app.statistics.correction import able_to_hold, adjust_discrete, benjamini_hochberg, holm

PAPER = [
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459),
    *(0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0),
]
"""The thrombolysis example of Benjamini and Hochberg 1995."""

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def test_four_hypotheses_of_the_paper_are_rejected_at_5_percent() -> None:
    assert sum(value <= 0.05 for value in benjamini_hochberg(PAPER)) == 4


def test_holm_rejects_the_three_that_bonferroni_rejects_there() -> None:
    assert sum(value <= 0.05 for value in holm(PAPER)) == 3


@given(p_values)
def test_adjusted_values_equal_scipy(values: list[float]) -> None:
    assert benjamini_hochberg(values) == pytest.approx(false_discovery_control(values))


def test_adjusted_values_equal_statsmodels() -> None:
    assert holm(PAPER) == pytest.approx(multipletests(PAPER, method="holm")[1])


def test_nothing_compared_is_nothing_adjusted() -> None:
    assert benjamini_hochberg([]) == []
    assert holm([]) == []
    assert adjust_discrete([], []) == []


def test_comparisons_that_can_never_hold_are_not_corrected_for() -> None:
    least = [0.0001, 0.02, 0.4, 0.5, 0.5, 0.5]
    assert able_to_hold(least) == [True, True, False, False, False, False]
    adjusted = adjust_discrete([0.02, 0.02, 0.4, 0.5, 0.5, 0.5], least)
    assert adjusted == [pytest.approx(0.02), pytest.approx(0.02), None, None, None, None]


def test_where_everything_can_hold_gilbert_is_benjamini_and_hochberg() -> None:
    assert adjust_discrete(PAPER, [0.0] * len(PAPER)) == pytest.approx(benjamini_hochberg(PAPER))


def test_where_nothing_can_hold_nothing_is_adjusted() -> None:
    assert adjust_discrete([0.6, 0.7], [0.5, 0.6]) == [None, None]
