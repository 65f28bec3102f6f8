"""The corrected rate: right however bad the evaluator is, and honest with few labels."""

import random
from dataclasses import dataclass

import numpy as np
import pytest

from app.statistics.corrected_rate import Labelled, prediction_powered_rate, rogan_gladen
from app.statistics.intervals import wilson


@dataclass(frozen=True)
class World:
    """A population with a failure rate and an evaluator of some sensitivity and specificity."""

    rate: float = 0.1
    population: int = 900
    sensitivity: float = 0.8
    specificity: float = 0.9

    def draw(self, rng: random.Random) -> tuple[list[bool], list[bool]]:
        fails = [rng.random() < self.rate for _ in range(self.population)]
        seen = [rng.random() < (self.sensitivity if one else 1 - self.specificity) for one in fails]
        return fails, seen


def test_with_every_member_labelled_the_rate_is_the_plain_share_with_wilsons_interval() -> None:
    labelled = [Labelled(place % 3 == 0, place % 5 == 0, 1.0) for place in range(100)]
    found = prediction_powered_rate(34, 100, labelled)
    assert found is not None
    assert found.rate == pytest.approx(0.2)
    assert found.interval == pytest.approx(wilson(20, 100), abs=0.01)


def test_the_rate_is_the_ppi_mean_with_its_best_power() -> None:
    """Angelopoulos, Duchi and Zrnic 2023: the labels' mean plus power times the evaluator's mean
    over the week less that over the labels; the best power is the slope of labels on verdicts."""
    rng = np.random.default_rng(12)
    flagged = rng.random(300) < 0.2
    fails = rng.random(300) < np.where(flagged, 0.6, 0.05)
    found = prediction_powered_rate(
        900, 6000, [Labelled(bool(a), bool(b), 0.05) for a, b in zip(flagged, fails, strict=True)]
    )
    power = np.cov(fails, flagged)[0, 1] / flagged.var(ddof=1)
    assert found is not None
    assert found.power == pytest.approx(power)
    assert found.rate == pytest.approx(fails.mean() + power * (900 / 6000 - flagged.mean()))


def test_a_useless_evaluator_leaves_the_labels_alone() -> None:
    labelled = [Labelled(place % 2 == 0, place % 10 < 3, 0.1) for place in range(100)]
    found = prediction_powered_rate(700, 1000, labelled)
    assert found is not None
    assert found.power <= 0.2
    assert found.rate == pytest.approx(0.3, abs=0.05)


def test_without_labels_or_with_more_labels_than_members_there_is_no_rate() -> None:
    assert prediction_powered_rate(5, 100, []) is None
    assert prediction_powered_rate(0, 1, [Labelled(False, False, 1.0)] * 2) is None


@pytest.mark.parametrize(("flagged", "is_known"), [(20, True), (21, False)])
def test_a_verdict_of_many_that_no_label_has_leaves_the_rate_unknown(
    flagged: int, is_known: bool
) -> None:
    found = prediction_powered_rate(flagged, 100, [Labelled(False, False, 0.5)] * 20)
    assert (found is not None) == is_known


def test_labels_that_never_disagree_still_leave_doubt() -> None:
    labelled = [Labelled(place < 3, place < 3, 0.01) for place in range(30)]
    found = prediction_powered_rate(300, 3000, labelled)
    assert found is not None
    assert found.interval.width > 0.05


@pytest.mark.parametrize("world", [World(), World(0.03), World(0.2, sensitivity=0.5)])
@pytest.mark.parametrize("labels", [40, 200])
def test_the_interval_holds_the_truth_in_about_95_of_100_random_samples(
    world: World, labels: int
) -> None:
    rng, held, rounds = random.Random(8), 0, 120
    for _ in range(rounds):
        fails, seen = world.draw(rng)
        drawn = rng.sample(range(world.population), labels)
        chance = labels / world.population
        labelled = [Labelled(seen[each], fails[each], chance) for each in drawn]
        found = prediction_powered_rate(sum(seen), world.population, labelled)
        assert found is not None
        held += found.interval.holds(world.rate)
    assert held / rounds >= 0.90


def test_weights_undo_a_sample_that_prefers_flagged_answers() -> None:
    world, rng, held, rounds, sum_of_rates = World(0.1), random.Random(3), 0, 80, 0.0
    for _ in range(rounds):
        fails, seen = world.draw(rng)
        chances = [0.3 if flag else 0.05 for flag in seen]
        labelled = [
            Labelled(flag, one, chance)
            for flag, one, chance in zip(seen, fails, chances, strict=True)
            if rng.random() < chance
        ]
        found = prediction_powered_rate(sum(seen), world.population, labelled)
        assert found is not None
        held += found.interval.holds(world.rate)
        sum_of_rates += found.rate
    assert held / rounds >= 0.90
    assert sum_of_rates / rounds == pytest.approx(0.1, abs=0.01)


def test_a_good_evaluator_makes_the_interval_narrower_than_labels_alone() -> None:
    world = World(0.2, sensitivity=0.95, specificity=0.97)
    fails, seen = world.draw(random.Random(5))
    labelled = [Labelled(seen[each], fails[each], 0.1) for each in range(200)]
    found = prediction_powered_rate(sum(seen), world.population, labelled)
    assert found is not None
    assert found.interval.width < wilson(sum(fails[:200]), 200).width


def test_rogan_and_gladens_estimate_undoes_known_errors() -> None:
    found = rogan_gladen(170, 1000, caught=80, failing=100, cleared=90, passing=100)
    assert found is not None
    rate, interval = found
    assert rate == pytest.approx(0.1)
    assert interval.holds(0.1)


@pytest.mark.parametrize(
    ("positive", "tested", "sensitivity", "specificity", "rate", "high"),
    [(23, 150, 0.96, 0.89, 0.051, 0.13), (6, 151, 0.964, 0.927, 0.0, 0.013)],
)
def test_rogan_and_gladens_estimate_of_published_examples(
    positive: int, tested: int, sensitivity: float, specificity: float, rate: float, high: float
) -> None:
    """Brucellosis, and Helicobacter in small children (Moujaber et al. 2008), as in the manual of
    `epi.prev` of the R package epiR. There the two properties of the test are known; so many
    animals stand for that here. Its exact intervals are a little wider than this one."""
    known = 10**7
    found = rogan_gladen(
        positive,
        tested,
        caught=round(sensitivity * known),
        failing=known,
        cleared=round(specificity * known),
        passing=known,
    )
    assert found is not None
    assert found[0] == pytest.approx(rate, abs=5e-4)
    assert found[1].low == 0
    assert found[1].high == pytest.approx(high, abs=0.02)


def test_an_evaluator_no_better_than_chance_cannot_be_corrected() -> None:
    assert rogan_gladen(5, 10, caught=5, failing=10, cleared=5, passing=10) is None
    assert rogan_gladen(5, 10, caught=0, failing=0, cleared=5, passing=10) is None


def test_lang_and_reiczigels_interval_holds_the_truth() -> None:
    rng, held, rounds = random.Random(11), 0, 100
    for _ in range(rounds):
        flagged = sum(rng.random() < 0.1 * 0.8 + 0.9 * 0.1 for _ in range(1000))
        caught = sum(rng.random() < 0.8 for _ in range(60))
        cleared = sum(rng.random() < 0.9 for _ in range(120))
        found = rogan_gladen(flagged, 1000, caught=caught, failing=60, cleared=cleared, passing=120)
        held += found is not None and found[1].holds(0.1)
    assert held / rounds >= 0.92
