"""Samples by strata: exact probabilities, nobody shut out, and estimates without bias."""

from collections import Counter
from math import sqrt
from random import Random
from statistics import mean, stdev

import pytest

from app.statistics.sampling import allocate, stratified_sample

SHARES = {"complaints": 0.1, "rare": 0.1, "uncertain": 0.3}
STRATA = {
    "complaints": [f"c{number}" for number in range(40)],
    "rare": [f"r{number}" for number in range(60)],
    "uncertain": [f"u{number}" for number in range(300)],
    "random": [f"x{number}" for number in range(1600)],
}
FAILING_SHARE = {"c": 0.6, "r": 0.25, "u": 0.4, "x": 0.04}


def test_the_size_is_kept_and_every_member_has_the_probability_of_its_stratum() -> None:
    drawn = stratified_sample(STRATA, 200, SHARES, Random(1))
    assert len({one.member for one in drawn}) == 200
    counts = Counter(one.stratum for one in drawn)
    assert counts == {"complaints": 22, "rare": 23, "uncertain": 75, "random": 80}
    for one in drawn:
        assert one.inclusion_probability == counts[one.stratum] / len(STRATA[one.stratum])
        assert one.member in STRATA[one.stratum]


@pytest.mark.parametrize("size", [4, 5, 50, 1999, 2000, 9999])
def test_no_stratum_is_left_out_and_none_gives_more_than_it_has(size: int) -> None:
    sizes = {name: len(members) for name, members in STRATA.items()}
    wanted = allocate(sizes, size, SHARES)
    assert sum(wanted.values()) == min(size, 2000)
    assert all(1 <= wanted[name] <= sizes[name] for name in sizes)


def test_a_sample_smaller_than_the_strata_is_drawn_from_all() -> None:
    (one,) = stratified_sample(STRATA, 1, SHARES, Random(1))
    assert (one.stratum, one.inclusion_probability) == ("random", 1 / 2000)


def test_strata_are_mixed_in_the_order_of_the_sample() -> None:
    drawn = stratified_sample(STRATA, 200, SHARES, Random(1))
    assert len({one.stratum for one in drawn[:20]}) > 1


def test_weighted_labels_give_the_failure_rate_and_unweighted_ones_do_not() -> None:
    generator = Random(7)
    population = [member for members in STRATA.values() for member in members]
    failing = {one for one in population if generator.random() < FAILING_SHARE[one[0]]}
    truth = len(failing) / len(population)
    weighted, plain = [], []
    for seed in range(500):
        drawn = stratified_sample(STRATA, 200, SHARES, Random(seed))
        total = sum(1 / one.inclusion_probability for one in drawn if one.member in failing)
        weighted.append(total / len(population))
        plain.append(mean(one.member in failing for one in drawn))
    tolerance = 3 * stdev(weighted) / sqrt(len(weighted))
    assert abs(mean(weighted) - truth) < tolerance
    assert mean(plain) - truth > 20 * tolerance
