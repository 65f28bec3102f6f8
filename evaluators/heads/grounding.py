"""The groundedness head: support of each claim, and of the response as a whole."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.heads.claims import Array, Encode, Reading, read_samples
from evaluators.heads.network import HeadFile, Network, calibrated
from evaluators.protocol import Sample


@dataclass(frozen=True, slots=True)
class GroundingHead:
    """A network on the features of a claim, and how claims add up to a response."""

    network: Network
    combine: Array
    """Weights of the weakest claim, of the mean claim and of the logarithm of their number."""
    curve: tuple[float, float]
    claim_curve: tuple[float, float]
    cut: float
    """Claims below this probability are called unsupported."""

    @classmethod
    def of(cls, file: HeadFile) -> "GroundingHead":
        slope, offset = json.loads(file.metadata["claim_calibration"])
        return cls(
            network=file.network("network"),
            combine=file.tensors["combine"],
            curve=file.curve,
            claim_curve=(slope, offset),
            cut=float(file.metadata["cut"]),
        )

    def read(
        self, samples: Sequence[Sample], encode: Encode
    ) -> list[tuple[Reading, tuple[float, list[float]] | None]]:
        """Each sample's claims, with the response's score and each claim's, where there are any."""
        return [(reading, self._judge(reading)) for reading in read_samples(samples, encode)]

    def _judge(self, reading: Reading) -> tuple[float, list[float]] | None:
        if not reading.claims:
            return None
        logits = self.network.logits(np.stack([claim.features for claim in reading.claims]))
        score = calibrated(response_logit(logits, self.combine), self.curve)
        return score, [calibrated(float(logit), self.claim_curve) for logit in logits]


def response_logit(logits: Array, combine: Array) -> float:
    """The raw output of a response with claims of these raw outputs."""
    parts = np.array([logits.min(), logits.mean(), np.log(len(logits))])
    return float((combine * parts).sum())
