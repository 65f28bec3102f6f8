"""Intervals and comparisons of shares, against published examples and reference libraries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact, hypergeom
from scipy.stats.contingency import relative_risk
from statsmodels.stats.proportion import confint_proportions_2indep

from app.statistics.comparison import (
    compare_shares,
    least_mid_p,
    least_mid_p_above,
    mid_p,
    mid_p_above,
)
from app.statistics.intervals import Interval, newcombe, normal_quantile, ratio_interval, wilson


@pytest.mark.parametrize(
    ("failing", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_intervals_of_newcombes_first_paper(
    failing: int, n: int, low: float, high: float
) -> None:
    assert wilson(failing, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_scipy_and_stays_inside_the_unit_interval(counts: tuple[int, int]) -> None:
    failing, n = counts
    reference = binomtest(failing, n).proportion_ci(method="wilson")
    assert wilson(failing, n) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_wilson_of_nothing_says_that_nothing_is_known() -> None:
    assert wilson(0, 0) == Interval(0.0, 1.0)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
    ],
)
def test_newcombe_gives_the_intervals_of_method_10(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    assert newcombe(*counts) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 90), st.integers(1, 90), st.data())
def test_newcombe_equals_statsmodels(n: int, other_n: int, data: st.DataObject) -> None:
    failing, other = data.draw(st.integers(0, n)), data.draw(st.integers(0, other_n))
    reference = confint_proportions_2indep(
        failing, n, other, other_n, compare="diff", method="newcomb"
    )
    assert newcombe(failing, n, other, other_n) == pytest.approx(reference, abs=1e-9)


def test_newcombe_against_nothing_says_that_nothing_is_known() -> None:
    assert newcombe(3, 10, 0, 0) == Interval(-1.0, 1.0)


@given(st.integers(1, 90), st.integers(1, 90), st.data())
def test_a_ratio_may_be_1_where_the_difference_may_be_0_and_only_there(
    n: int, other_n: int, data: st.DataObject
) -> None:
    failing, other = data.draw(st.integers(0, n)), data.draw(st.integers(1, other_n))
    found = ratio_interval(failing, n, other, other_n)
    assert found is not None
    assert 0 <= found.low <= failing * other_n / (other * n) * (1 + 1e-9)
    assert found.high >= failing * other_n / (other * n) * (1 - 1e-9)
    gap = newcombe(failing, n, other, other_n)
    if min(map(abs, gap)) > 1e-9:
        assert found.holds(1.0) == gap.holds(0.0)


@pytest.mark.parametrize("counts", [(60, 300, 40, 310), (9, 120, 30, 200), (400, 1000, 350, 900)])
def test_the_interval_of_a_ratio_is_near_scipys_and_the_score_interval(
    counts: tuple[int, int, int, int],
) -> None:
    found = ratio_interval(*counts)
    score = confint_proportions_2indep(*counts, compare="ratio", method="score")
    log = relative_risk(*counts).confidence_interval()
    assert found == pytest.approx(score, rel=0.02)
    assert found == pytest.approx(log, rel=0.06)


def test_a_ratio_at_the_edges_keeps_its_doubt() -> None:
    """Where all fail the ratio's ends are those of Wilson's intervals; without failures of the
    second there is no ratio."""
    assert ratio_interval(50, 50, 60, 60) == pytest.approx(
        (wilson(50, 50).low, 1 / wilson(60, 60).low)
    )
    assert ratio_interval(5, 50, 0, 60) is None
    assert ratio_interval(0, 0, 5, 60) is None


def test_the_quantile_of_95_percent_is_1_96() -> None:
    assert normal_quantile(0.95) == pytest.approx(1.959964, abs=1e-6)


@given(st.integers(1, 60), st.integers(1, 200), st.data())
def test_mid_p_is_fishers_value_less_half_the_chance_of_the_table(
    n: int, other_n: int, data: st.DataObject
) -> None:
    failing, other = data.draw(st.integers(0, n)), data.draw(st.integers(0, other_n))
    table = [[failing, n - failing], [other, other_n - other]]
    chance = hypergeom(n + other_n, failing + other, n)
    expected = fisher_exact(table).pvalue - chance.pmf(failing) / 2
    assert mid_p(failing, n, other, other_n) == pytest.approx(expected, abs=1e-9)
    above = chance.sf(failing) + chance.pmf(failing) / 2
    assert mid_p_above(failing, n, other, other_n) == pytest.approx(above, abs=1e-9)


@given(st.integers(1, 40), st.integers(1, 60), st.data())
def test_no_table_with_these_margins_has_a_smaller_value_than_the_least(
    n: int, other_n: int, data: st.DataObject
) -> None:
    total = data.draw(st.integers(0, n + other_n))
    possible = range(max(0, total - other_n), min(total, n) + 1)
    both = [mid_p(k, n, total - k, other_n) for k in possible]
    above = [mid_p_above(k, n, total - k, other_n) for k in possible]
    assert least_mid_p(total, n, other_n) == pytest.approx(min(both), abs=1e-12)
    assert least_mid_p_above(total, n, other_n) == pytest.approx(min(above), abs=1e-12)


def test_the_exact_and_the_large_sample_value_agree_where_they_meet() -> None:
    exact = mid_p(120, 1000, 85, 1000)
    chance = hypergeom(2000, 205, 1000)
    reference = fisher_exact([[120, 880], [85, 915]]).pvalue - chance.pmf(120) / 2
    assert exact == pytest.approx(reference, rel=0.15)
    assert mid_p_above(120, 1000, 85, 1000) == pytest.approx(reference / 2, rel=0.15)


def test_huge_counts_cost_nothing_and_rare_failures_in_them_stay_exact() -> None:
    assert mid_p(60_000, 1_000_000, 50_000, 1_000_000) < 1e-100
    reference = fisher_exact([[3, 999_997], [0, 1_000_000]]).pvalue
    assert mid_p(3, 1_000_000, 0, 1_000_000) == pytest.approx(reference - 0.0625, abs=1e-4)


def test_a_comparison_with_no_answers_does_not_exist() -> None:
    assert compare_shares(1, 5, 0, 0) is None
    assert compare_shares(0, 0, 1, 5) is None


def test_a_comparison_tells_its_difference_and_whether_zero_is_possible() -> None:
    found = compare_shares(24, 80, 8, 80)
    assert found is not None
    assert found.difference == pytest.approx(0.2)
    assert found.excludes_zero
