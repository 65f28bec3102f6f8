"""Does the 95 % interval of the corrected rate hold the truth? Simulated weeks, counted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from app.statistics.corrected_rate import Labelled, prediction_powered_rate
from app.statistics.intervals import Interval, wilson

RATES = (0.01, 0.05, 0.20)
LABELS = (50, 200, 500)
AUROCS = (0.6, 0.8, 0.95)
SAMPLINGS = ("random", "stratified")
POPULATION = 12_000
STRATIFIED_FLOOR = 0.3
"""The share of a stratified sample that is drawn at random from everything."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A week's failure rate, its evaluator, and how many answers are labelled how."""

    rate: float
    labels: int
    auroc: float
    sampling: str

    @property
    def shares(self) -> tuple[float, float]:
        """Sensitivity and false alarm rate of scores from two normal distributions whose distance
        gives the AUROC, cut where as many answers are flagged as fail."""
        normal = NormalDist()
        distance = sqrt(2) * normal.inv_cdf(self.auroc)
        low, high = -10.0, 10.0
        for _ in range(60):
            cut = (low + high) / 2
            caught, accused = 1 - normal.cdf(cut - distance), 1 - normal.cdf(cut)
            flagged = self.rate * caught + (1 - self.rate) * accused
            low, high = (cut, high) if flagged > self.rate else (low, cut)
        return caught, accused


@dataclass(frozen=True, slots=True)
class Result:
    """How often each interval held the truth, and how wide it was on average."""

    setting: Setting
    weeks: int
    held: float
    width: float
    held_by_labels: float
    width_of_labels: float
    held_by_raw: float
    mean_rate: float


def settings() -> Iterator[Setting]:
    """Every setting of the simulation."""
    for sampling in SAMPLINGS:
        for rate in RATES:
            for labels in LABELS:
                for auroc in AUROCS:
                    yield Setting(rate, labels, auroc, sampling)


def simulate(setting: Setting, weeks: int, seed: int = 1) -> Result:
    """So many weeks of one setting; the truth is the rate of the week itself."""
    rng = np.random.default_rng([seed, *_numbers(setting)])
    rows = [_week(setting, rng) for _ in range(weeks)]
    held, width, held_labels, width_labels, held_raw, rate = np.mean(rows, axis=0)
    return Result(setting, weeks, held, width, held_labels, width_labels, held_raw, rate)


def _numbers(setting: Setting) -> list[int]:
    sampling = SAMPLINGS.index(setting.sampling)
    return [round(1000 * setting.rate), setting.labels, round(100 * setting.auroc), sampling]


def _week(setting: Setting, rng: np.random.Generator) -> tuple[float, ...]:
    caught, accused = setting.shares
    fails = rng.random(POPULATION) < setting.rate
    flags = rng.random(POPULATION) < np.where(fails, caught, accused)
    chances = _chances(setting, flags)
    chosen = _drawn(setting, chances, rng)
    labelled = [Labelled(bool(flags[one]), bool(fails[one]), float(chances[one])) for one in chosen]
    truth, flagged = setting.rate, int(flags.sum())
    found = prediction_powered_rate(flagged, POPULATION, labelled)
    assert found is not None
    alone = _labels_alone(setting, labelled, rng, fails)
    raw = wilson(flagged, POPULATION)
    return (
        found.interval.holds(truth),
        found.interval.width,
        alone.holds(truth),
        alone.width,
        raw.holds(truth),
        found.rate,
    )


def _chances(setting: Setting, flags: Any) -> Any:
    share = setting.labels / POPULATION
    if setting.sampling == "random":
        return np.full(POPULATION, share)
    flagged = max(1, int(flags.sum()))
    per_flag = 0.5 * (1 - STRATIFIED_FLOOR) * setting.labels
    floor = STRATIFIED_FLOOR * share
    chance_flagged = min(1.0, floor + per_flag / flagged)
    rest = (setting.labels - chance_flagged * flagged) / (POPULATION - flagged)
    return np.where(flags, chance_flagged, rest)


def _drawn(setting: Setting, chances: Any, rng: np.random.Generator) -> list[int]:
    if setting.sampling == "random":
        return [int(one) for one in rng.choice(POPULATION, setting.labels, replace=False)]
    return [int(one) for one in np.flatnonzero(rng.random(POPULATION) < chances)]


def _labels_alone(
    setting: Setting, labelled: Sequence[Labelled], rng: np.random.Generator, fails: Any
) -> Interval:
    """Wilson's interval of as many answers drawn at random."""
    if setting.sampling == "random":
        failing = sum(one.fails for one in labelled)
    else:
        failing = int(fails[rng.choice(POPULATION, setting.labels, replace=False)].sum())
    return wilson(failing, setting.labels)
