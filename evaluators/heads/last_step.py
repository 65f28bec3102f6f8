"""The last step of every judge: signals in, a probability out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.heads.network import HeadFile, Network, calibrated

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LastStep:
    """A small network on the output of an encoder and on exact signals, and its calibration."""

    network: Network
    curve: tuple[float, float]
    cut: float
    """The probability from which the criterion is said to hold."""

    @classmethod
    def of(cls, file: HeadFile) -> "LastStep":
        return cls(file.network("network"), file.curve, float(file.metadata["cut"]))

    def probabilities(self, features: Array) -> list[float]:
        """A probability per row of features."""
        if not len(features):
            return []
        logits = self.network.logits(features)
        return [calibrated(float(logit), self.curve) for logit in logits]
