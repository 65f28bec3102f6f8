"""Whether this week's questions can be told from earlier ones: a classifier two-sample test."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

COMPONENTS = 16
FOLDS = 5
PERMUTATIONS = 99
LEAST_TEXTS = 40
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Separation:
    """How well a classifier tells two samples apart: AUROC 0.5 is not at all."""

    auroc: float
    p_value: float
    n: int
    reference: int


def tell_apart(vectors: Vectors, reference: Vectors, *, seed: int = 1) -> Separation | None:
    """The cross-fitted AUROC of a logistic regression, with a permutation p-value.

    Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017. The vectors are reduced
    to their main components, so that a few hundred texts are enough. None with fewer than forty.
    """
    if min(len(vectors), len(reference)) < LEAST_TEXTS:
        return None
    everything = np.concatenate([vectors, reference])
    labels = np.concatenate([np.ones(len(vectors)), np.zeros(len(reference))]).astype(int)
    reduced = PCA(COMPONENTS, random_state=seed).fit_transform(everything)
    reduced = reduced / (reduced.std(axis=0) + 1e-9)
    seen = _auroc(reduced, labels, seed)
    rng = np.random.default_rng(seed)
    shuffled = [_auroc(reduced, rng.permutation(labels), seed) for _ in range(PERMUTATIONS)]
    as_good = sum(one >= seen for one in shuffled)
    p_value = (1 + as_good) / (1 + PERMUTATIONS)
    return Separation(seen, p_value, len(vectors), len(reference))


def _auroc(vectors: NDArray[np.float64], labels: NDArray[np.int64], seed: int) -> float:
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    model = LogisticRegression(C=0.3, max_iter=200)
    scores = cross_val_predict(model, vectors, labels, cv=folds, method="decision_function")
    return float(roc_auc_score(labels, scores))
