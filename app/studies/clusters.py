"""Groups of failing answers by what they are about, from unit vectors of their texts."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import HDBSCAN

LEAST_MEMBERS = 4
LEAST_TEXTS = 12
SAME = 0.85
"""How alike (cosine) the centres of two weeks' clusters are when they are the same topic."""
TERMS = 3
_WORD = re.compile(r"[^\W\d_]{4,}")
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A topic of failures: its members by place, the one nearest the centre, its name."""

    members: tuple[int, ...]
    nearest: int
    centre: tuple[float, ...]
    terms: tuple[str, ...]


def find_clusters(vectors: Vectors, texts: Sequence[str]) -> list[Cluster]:
    """The clusters, the largest first; texts that fit none are in none.

    HDBSCAN (Campello, Moulavi and Sander, 2013) on unit vectors, where Euclidean distance orders
    as the cosine does. Fewer than twelve texts have no clusters.
    """
    if len(texts) < LEAST_TEXTS:
        return []
    least = max(LEAST_MEMBERS, len(texts) // 25)
    found = HDBSCAN(
        min_cluster_size=least, min_samples=2, cluster_selection_method="leaf", copy=True
    ).fit(vectors)
    groups = [np.flatnonzero(found.labels_ == label) for label in range(found.labels_.max() + 1)]
    names = distinguishing_terms([[texts[int(one)] for one in group] for group in groups])
    clusters = [_cluster(vectors, group, terms) for group, terms in zip(groups, names, strict=True)]
    return sorted(clusters, key=lambda one: (-len(one.members), one.terms))


def distinguishing_terms(groups: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Per group the words that occur there more than elsewhere, by class-based TF-IDF.

    Grootendorst, BERTopic, arXiv 2203.05794: tf in the class times log(1 + A / f), where A is the
    mean number of words of a class and f the frequency of the word in all of them.
    """
    counts = [Counter(_words(" ".join(group))) for group in groups]
    together: Counter[str] = sum(counts, Counter())
    mean = sum(together.values()) / len(counts) if counts else 0.0
    return [
        _top(own, len(group), groups[place], together, mean)
        for place, (own, group) in enumerate(zip(counts, groups, strict=True))
    ]


def match_clusters(
    centres: Sequence[Sequence[float]], earlier: Sequence[Sequence[float]]
) -> list[int | None]:
    """Per cluster the earlier one that is the same topic, or None; each is used once.

    The assignment with the largest sum of cosines (Kuhn 1955, by scipy), cut at 0.85.
    """
    if not centres or not earlier:
        return [None] * len(centres)
    alike = np.asarray(centres) @ np.asarray(earlier).T
    rows, columns = linear_sum_assignment(-alike)
    found: dict[int, int] = {
        int(row): int(column)
        for row, column in zip(rows, columns, strict=True)
        if alike[row, column] >= SAME
    }
    return [found.get(place) for place in range(len(centres))]


def _cluster(vectors: Vectors, group: Any, terms: tuple[str, ...]) -> Cluster:
    centre = vectors[group].mean(axis=0)
    centre = centre / (np.linalg.norm(centre) or 1.0)
    nearest = int(group[int(np.argmax(vectors[group] @ centre))])
    return Cluster(
        tuple(int(one) for one in group),
        nearest,
        tuple(round(float(value), 5) for value in centre),
        terms,
    )


def _top(
    own: Counter[str], size: int, texts: Sequence[str], together: Counter[str], mean: float
) -> tuple[str, ...]:
    """The best terms that at least a third of the texts use: one text's words name no group."""
    used = Counter(word for text in texts for word in set(_words(text)))
    total = own.total() or 1
    scored = [
        (count / total * log(1 + mean / together[word]), word)
        for word, count in own.items()
        if used[word] >= max(2, size / 3)
    ]
    return tuple(word for _, word in sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:TERMS])


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
