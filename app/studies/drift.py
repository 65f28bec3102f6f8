"""Whether this week's questions can be told from earlier ones: a classifier two-sample test."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

COMPONENTS = 16
FOLDS = 5
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
    """The cross-fitted AUROC of a logistic regression, with the p-value of its rank sum.

    Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017; the AUROC is the
    statistic of Mann and Whitney, 1947. The vectors are reduced to their main components, so that a
    few hundred texts are enough. None with fewer than forty.
    """
    if min(len(vectors), len(reference)) < LEAST_TEXTS:
        return None
    everything = np.concatenate([vectors, reference])
    labels = np.concatenate([np.ones(len(vectors)), np.zeros(len(reference))]).astype(int)
    reduced = PCA(COMPONENTS, random_state=seed).fit_transform(everything)
    reduced = reduced / (reduced.std(axis=0) + 1e-9)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    model = LogisticRegression(C=0.3, max_iter=200)
    scores = cross_val_predict(model, reduced, labels, cv=folds, method="decision_function")
    ranked = mannwhitneyu(scores[labels == 1], scores[labels == 0], alternative="greater")
    auroc = float(ranked.statistic) / (len(vectors) * len(reference))
    return Separation(auroc, float(ranked.pvalue), len(vectors), len(reference))
