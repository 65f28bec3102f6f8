"""Bootstrap, distances and the table of two by two, against reference libraries."""

import random
import warnings

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import bootstrap, chi2, entropy, ks_2samp
from sklearn.metrics import cohen_kappa_score, precision_score, recall_score

from app.statistics.agreement import gwet_ac1, positive_agreement
from app.statistics.bootstrap import cluster_bootstrap, clusters_of
from app.statistics.corrected_rate import Labelled, prediction_powered_rate
from app.statistics.distances import (
    SMOOTHING,
    aligned,
    expected_stability,
    jensen_shannon,
    kolmogorov_smirnov,
    merged,
    population_stability,
    stability_p_value,
)
from app.statistics.two_by_two import two_by_two


def mean(values: list[float]) -> list[float | None]:
    return [sum(values) / len(values)]


def test_the_bootstrap_over_single_items_equals_scipys_percentile_interval() -> None:
    values = [random.Random(4).gauss(3, 1) for _ in range(80)]
    (ours,) = cluster_bootstrap([[one] for one in values], mean, draws=3000, seed=2)
    theirs = bootstrap((values,), np.mean, n_resamples=3000, method="percentile", rng=1)
    assert ours is not None
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.02)


def test_answers_that_resemble_each_other_within_a_conversation_widen_the_interval() -> None:
    pairs = [(number // 4, float(number // 4 % 3 == 0)) for number in range(200)]
    (together,) = cluster_bootstrap(clusters_of(pairs), mean, draws=500)
    (apart,) = cluster_bootstrap([[one] for _, one in pairs], mean, draws=500)
    assert together is not None
    assert apart is not None
    assert together.width > 1.6 * apart.width


def test_a_statistic_that_most_draws_lack_has_no_interval() -> None:
    clusters = [[one] for one in (True, *[False] * 30)]
    assert cluster_bootstrap(clusters, lambda items: [1.0 if sum(items) > 2 else None]) == [None]
    assert cluster_bootstrap([[1.0]], mean) == [None]


def test_two_by_two_equals_scikit_learn_with_weights() -> None:
    rng = random.Random(7)
    items = [
        (rng.random() < 0.3, rng.random() < 0.4, rng.choice([1.0, 2.0, 5.0])) for _ in range(90)
    ]
    flags, fails, weights = zip(*items, strict=True)
    table = two_by_two(items)
    assert table.kappa == pytest.approx(cohen_kappa_score(flags, fails, sample_weight=weights))
    assert table.precision == pytest.approx(precision_score(fails, flags, sample_weight=weights))
    assert table.recall == pytest.approx(recall_score(fails, flags, sample_weight=weights))
    plain = [(flag, fail) for flag, fail, _ in items]
    unweighted = two_by_two([(flag, fail, 1.0) for flag, fail in plain])
    assert unweighted.ac1 == pytest.approx(gwet_ac1(plain))


def test_a_table_without_failures_has_no_recall_and_no_kappa() -> None:
    table = two_by_two([(False, False, 1.0)] * 5)
    assert (table.recall, table.precision, table.kappa, table.ac1) == (None, None, None, None)
    assert table.specificity == 1


def test_positive_agreement_of_a_worked_example() -> None:
    """Cicchetti and Feinstein 1990: a = 40, b = 10, c = 10 gives 2a / (2a + b + c) = 0.8."""
    pairs = [(True, True)] * 40 + [(True, False)] * 10 + [(False, True)] * 10
    assert positive_agreement([*pairs, *[(False, False)] * 40]) == pytest.approx(0.8)
    assert positive_agreement([(False, False)]) is None


def test_jensen_shannon_equals_scipy() -> None:
    one, other = [10, 0, 30, 60], [20, 5, 25, 50]
    expected = jensenshannon(np.array(one) / 100, np.array(other) / 100, base=2)
    assert jensen_shannon(one, other) == pytest.approx(expected)
    assert jensen_shannon([0, 0], [1, 1]) == 0


def test_kolmogorov_smirnov_equals_scipy_on_the_same_bins() -> None:
    one, other = [5, 10, 20, 5], [10, 10, 10, 10]
    values = [np.repeat(range(4), counts) for counts in (one, other)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = ks_2samp(*values).statistic
    assert kolmogorov_smirnov(one, other) == pytest.approx(expected)


def test_the_stability_index_of_a_worked_example() -> None:
    """(0.5 - 0.4) ln(0.5/0.4) + (0.5 - 0.6) ln(0.5/0.6), up to the smoothing of half a count."""
    expected = 0.1 * np.log(0.5 / 0.4) - 0.1 * np.log(0.5 / 0.6)
    assert population_stability([5000, 5000], [4000, 6000]) == pytest.approx(expected, rel=1e-3)


def test_the_stability_index_is_the_sum_of_scipys_divergences_in_both_directions() -> None:
    one, other = np.array([700, 150, 100, 50]), np.array([500, 250, 150, 100])
    smoothed = [counts + SMOOTHING for counts in (one, other)]
    expected = entropy(*smoothed) + entropy(*reversed(smoothed))
    assert population_stability(one.tolist(), other.tolist()) == pytest.approx(expected)


def test_without_drift_the_index_is_what_chance_gives_on_average() -> None:
    rng = np.random.default_rng(3)
    shares = [0.5, 0.3, 0.15, 0.05]
    found = [
        population_stability(
            rng.multinomial(400, shares).tolist(), rng.multinomial(900, shares).tolist()
        )
        for _ in range(400)
    ]
    chance = expected_stability([1] * 4, [1] * 4) / (1 / 4 + 1 / 4) * (1 / 400 + 1 / 900)
    assert np.mean(found) == pytest.approx(chance, rel=0.15)


def test_the_chance_of_an_index_is_that_of_chi_square() -> None:
    counts, reference = [60, 30, 10], [400, 350, 250]
    square = population_stability(counts, reference) / (1 / 100 + 1 / 1000)
    exact = chi2.sf(square, 2)
    assert exact / 2 < stability_p_value(counts, reference) < 2 * exact
    assert stability_p_value([5], [9]) == 1.0
    assert stability_p_value([40, 60], [400, 600]) > 0.9


def test_small_places_are_put_together_and_nothing_is_lost() -> None:
    own, others = merged([1, 2, 9, 0, 20, 1], [0, 3, 9, 1, 30, 2])
    assert all(a + b >= 10 for a, b in zip(own, others, strict=True))
    assert (sum(own), sum(others)) == (33, 45)


def test_counts_are_aligned_by_name() -> None:
    assert aligned({"a": 1, "c": 2}, {"b": 3, "c": 4}) == ([1, 0, 2], [0, 3, 4])


@pytest.mark.parametrize("labels", [60, 150])
def test_as_many_labels_as_are_asked_for_halve_the_interval(labels: int) -> None:
    def made(n: int) -> list[Labelled]:
        return [Labelled(place % 4 == 0, place % 5 == 0, n / 50_000) for place in range(n)]

    first = prediction_powered_rate(12_500, 50_000, made(labels))
    assert first is not None
    more = first.labels_to_halve
    assert more is not None
    second = prediction_powered_rate(12_500, 50_000, made(labels + more))
    assert second is not None
    assert second.interval.width == pytest.approx(first.interval.width / 2, rel=0.08)


def test_a_week_of_few_answers_cannot_be_known_better_by_labels() -> None:
    labelled = [Labelled(place % 4 == 0, place % 5 == 0, 0.9) for place in range(45)]
    found = prediction_powered_rate(12, 50, labelled)
    assert found is not None
    assert found.labels_to_halve is None
