"""Measures of a task: ranked candidates, pairs of sentences, and how often something is flagged."""

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from app.quality import Figures, interval


def mean_of(values: Sequence[float], replicates: int = 1000, seed: int = 0) -> Figures:
    """The mean of independent values, with a 95 % bootstrap interval."""
    if not values:
        return {"value": None, "low": None, "high": None}
    known = np.asarray(values, dtype=np.float64)
    picked = np.random.default_rng(seed).integers(0, len(known), size=(replicates, len(known)))
    return interval(np.concatenate([[known.mean()], known[picked].mean(axis=1)]))


def mean_average_precision(
    scores: Sequence[float], labels: Sequence[int], prompts: Sequence[Hashable]
) -> Figures:
    """Mean over prompts of the average precision of their candidates.

    Prompts without a right candidate are left out, as in the published figures of TREC QA and
    WikiQA; among equal scores the wrong candidates are put first.
    """
    by_prompt: dict[Hashable, list[tuple[float, int]]] = defaultdict(list)
    for score, label, prompt in zip(scores, labels, prompts, strict=True):
        by_prompt[prompt].append((-score, label))
    return mean_of(
        [_average_precision(own) for own in by_prompt.values() if any(y for _, y in own)]
    )


def _average_precision(candidates: list[tuple[float, int]]) -> float:
    found = [label for _, label in sorted(candidates)]
    places = [place for place, label in enumerate(found, start=1) if label]
    return sum(rank / place for rank, place in enumerate(places, start=1)) / len(places)


def pairwise_accuracy(
    scores: Sequence[float], labels: Sequence[int], pairs: Sequence[Hashable]
) -> Figures:
    """How often the member of label 1 has the higher score; an equal score is worth one half."""
    by_pair: dict[Hashable, dict[int, float]] = defaultdict(dict)
    for score, label, pair in zip(scores, labels, pairs, strict=True):
        by_pair[pair][label] = score
    whole = [own for own in by_pair.values() if len(own) == 2]
    return mean_of([float(own[1] > own[0]) + 0.5 * (own[1] == own[0]) for own in whole])
