"""Draw a sample that looks harder where more is to learn, and says how likely each choice was.

The population is cut into strata that do not overlap. Part of the sample is spread over all of them
in proportion to their sizes, the rest goes to the strata that are asked for. Within a stratum every
member is equally likely, so that the inclusion probability is n_h / N_h and the Horvitz-Thompson
estimator is unbiased (Särndal, Swensson and Wretman, "Model Assisted Survey Sampling", 1992, §3.7).
"""

from collections.abc import Mapping, Sequence
from math import floor
from random import Random
from typing import NamedTuple


class Drawn(NamedTuple):
    """A member of the sample, where it came from, and how likely it was to be chosen."""

    member: str
    stratum: str
    inclusion_probability: float


def stratified_sample(
    strata: Mapping[str, Sequence[str]], size: int, shares: Mapping[str, float], random: Random
) -> list[Drawn]:
    """At most `size` members in random order; every one of the population could have been chosen.

    `shares` are the parts of the sample, each from 0 to 1, that go to a stratum beyond its
    proportional part. A sample smaller than the number of strata is drawn from all at once.
    """
    filled = {name: sorted(members) for name, members in strata.items() if members}
    if size < len(filled):
        filled = {"random": sorted(member for members in filled.values() for member in members)}
    sizes = {name: len(members) for name, members in filled.items()}
    wanted = allocate(sizes, size, shares)
    drawn = [
        Drawn(member, name, wanted[name] / sizes[name])
        for name, members in filled.items()
        for member in random.sample(members, wanted[name])
    ]
    random.shuffle(drawn)
    return drawn


def allocate(sizes: Mapping[str, int], size: int, shares: Mapping[str, float]) -> dict[str, int]:
    """How many to draw from each stratum: at least one, at most all, `size` together if there are.

    `sizes` holds no empty stratum, and no more strata than `size`.
    """
    population = sum(sizes.values())
    size = min(size, population)
    extra = {name: share for name, share in shares.items() if name in sizes}
    spread = 1 - sum(extra.values())
    target = {
        name: size * (spread * count / population + extra.get(name, 0.0))
        for name, count in sizes.items()
    }
    taken = {name: min(sizes[name], max(1, floor(target[name]))) for name in sizes}
    while sum(taken.values()) < size:
        open_ = [name for name in sizes if taken[name] < sizes[name]]
        taken[max(open_, key=lambda name: target[name] - taken[name])] += 1
    while sum(taken.values()) > size:
        spare = [name for name in sizes if taken[name] > 1]
        taken[min(spare, key=lambda name: target[name] - taken[name])] -= 1
    return taken
