"""A short version of `make bench-statistics`: the corrected rate's interval holds the truth."""

import numpy as np
import pytest
from scipy.stats import beta

from app.statistics.beta import beta_cdf, beta_quantile
from app.statistics.corrected_rate import (
    Labelled,
    LabelledGroup,
    corrected_gap,
    of_groups,
    prediction_powered_rate,
)
from app.statistics.intervals import jeffreys
from benchmarks.corrected_rates import Setting, shares, simulate

WEEKS = 400
LEAST, MOST = 0.92, 0.98
"""What 400 weeks show of an interval that holds 95 % of the time, chance included."""


@pytest.mark.parametrize("sampling", ["random", "stratified"])
@pytest.mark.parametrize(("rate", "labels"), [(0.05, 50), (0.01, 200), (0.20, 200)])
def test_the_interval_holds_the_truth_in_about_95_of_100_weeks(
    rate: float, labels: int, sampling: str
) -> None:
    found = simulate(Setting(rate, labels, 0.8, sampling), WEEKS)
    assert LEAST <= found.held <= MOST
    assert found.held_by_raw < 0.5
    assert found.mean_rate == pytest.approx(rate, abs=0.01)


def test_a_good_evaluator_makes_the_interval_narrower_than_labels_alone() -> None:
    found = simulate(Setting(0.05, 200, 0.95, "random"), WEEKS)
    assert found.width < 0.9 * found.width_of_labels


def test_a_simulated_evaluator_has_the_auroc_asked_for() -> None:
    caught, accused = shares(0.8)
    assert 0.1 * caught + 0.9 * accused == pytest.approx(0.1, abs=1e-6)
    assert caught > accused


def test_counts_and_labels_drawn_alike_give_the_same_interval() -> None:
    labelled = [Labelled(place < 20, place % 7 == 0, 0.1) for place in range(100)]
    groups = [[one for one in labelled if one.flagged is flag] for flag in (True, False)]
    of_counts = of_groups(
        *(
            LabelledGroup(members, len(some), sum(one.fails for one in some), len(some))
            for members, some in zip((300, 700), groups, strict=True)
        )
    )
    found = prediction_powered_rate(300, 1000, labelled)
    assert found is not None
    assert found.rate == pytest.approx(of_counts.rate)
    assert found.interval == pytest.approx(of_counts.interval)


def test_unequal_chances_make_the_interval_wider() -> None:
    alike = [Labelled(False, place % 5 == 0, 0.1) for place in range(100)]
    unlike = [
        one._replace(inclusion_probability=0.02 + 0.18 * (n % 2)) for n, one in enumerate(alike)
    ]
    first, second = (prediction_powered_rate(0, 1000, some) for some in (alike, unlike))
    assert first is not None
    assert second is not None
    assert second.interval.width > first.interval.width


def test_a_verdict_without_labels_leaves_its_answers_in_doubt() -> None:
    labelled = [Labelled(False, False, 0.1)] * 100
    found = prediction_powered_rate(200, 1000, labelled)
    assert found is not None
    assert found.interval.high > 0.2


def test_the_gap_of_two_corrected_rates_holds_their_true_difference() -> None:
    first, second = (
        of_groups(
            LabelledGroup(2000, 100, failing, 100), LabelledGroup(8000, 100, failing // 10, 100)
        )
        for failing in (60, 30)
    )
    gap, interval = corrected_gap(first, second)
    assert gap == pytest.approx(first.rate - second.rate)
    assert interval.low < gap < interval.high
    assert interval.width < first.interval.width + second.interval.width
    assert interval.holds(0.2 * 0.3 + 0.8 * 0.03)


def test_the_beta_distribution_is_scipys() -> None:
    for a in (0.5, 1.5, 20.5, 400.5):
        for b in (0.5, 3.25, 12_000.5):
            for share in (0.025, 0.5, 0.975):
                found = beta_quantile(share, a, b)
                assert found == pytest.approx(float(beta.ppf(share, a, b)), abs=1e-9)
                assert beta_cdf(found, a, b) == pytest.approx(share, abs=1e-6)


def test_jeffreys_interval_is_the_published_one() -> None:
    """Brown, Cai and DasGupta 2001, table 5: n = 7, two failures."""
    low, high = jeffreys(2, 7)
    assert np.round([low, high], 3).tolist() == [0.065, 0.648]
    assert jeffreys(0, 10).low == 0.0
    assert jeffreys(10, 10).high == 1.0
    assert jeffreys(0, 0) == (0.0, 1.0)


def test_more_doubt_below_raises_both_ends() -> None:
    found = jeffreys(2, 7, below=0.6)
    assert found == pytest.approx(beta.ppf([0.03, 0.98], 2.5, 5.5), abs=1e-9)
    equal = jeffreys(2, 7)
    assert found.low > equal.low
    assert found.high > equal.high
