"""Whether this week's questions can be told from earlier ones: a classifier two-sample test."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

COMPONENTS = 16
FOLDS = 5
SHRINKAGE = 10.0
SHUFFLES = 999
LEAST_TEXTS = 40
Vectors = NDArray[np.float32]
Numbers = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Separation:
    """How well a classifier tells two samples apart: AUROC 0.5 is not at all."""

    auroc: float
    p_value: float
    n: int
    reference: int


def tell_apart(vectors: Vectors, reference: Vectors, *, seed: int = 1) -> Separation | None:
    """The cross-fitted AUROC of a linear rule, and how often shuffled labels give one as large.

    Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017, with the p-value of
    Phipson and Smyth, Statistical Applications in Genetics and Molecular Biology 9:39, 2010. The
    p-value of the rank sum itself would be too small, since scores of different folds hang
    together: without any difference a value below 5 % comes in 10 of 100 weeks. The vectors are
    reduced to their main components, so that a few hundred texts are enough. None with fewer than
    forty.
    """
    if min(len(vectors), len(reference)) < LEAST_TEXTS:
        return None
    reduced = PCA(COMPONENTS, random_state=seed).fit_transform(np.concatenate([vectors, reference]))
    labels = np.concatenate([np.ones(len(vectors)), np.zeros(len(reference))])
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(labels) for _ in range(SHUFFLES)]
    found = _aurocs(reduced / (reduced.std(axis=0) + 1e-9), np.stack([labels, *shuffled], 1), seed)
    p_value = float(np.mean(found >= found[0]))
    return Separation(float(found[0]), p_value, len(vectors), len(reference))


def _aurocs(points: Numbers, labels: Numbers, seed: int) -> Numbers:
    """Per column of labels, shape (points, columns), how well a rule learnt from four fifths of the
    points ranks the others: regression on the labels, which is Fisher's discriminant."""
    scores = np.empty_like(labels)
    for learnt, held in KFold(FOLDS, shuffle=True, random_state=seed).split(points):
        rule = Ridge(SHRINKAGE).fit(points[learnt], labels[learnt])
        scores[held] = points[held] @ rule.coef_.T
    ones = labels.sum(axis=0)
    ranks = (rankdata(scores, axis=0) * labels).sum(axis=0)
    aurocs: Numbers = (ranks - ones * (ones + 1) / 2) / (ones * (len(labels) - ones))
    return aurocs
