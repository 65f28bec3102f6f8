"""The groundedness judge: support of each claim, and of the response as a whole."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.engine import Tokens
from evaluators.heads.evidence import Claim, Reading, read_sample
from evaluators.heads.network import HeadFile, Network, calibrated
from evaluators.heads.pairing import claim_sequences
from evaluators.heads.sequences import Tokenizer
from evaluators.protocol import Sample

Array = NDArray[np.float32]
Score = Callable[[Sequence[Tokens]], Array]
"""Gives the raw support of sequences, shape (sequences,)."""
COPIED = 2.0
"""The raw support of a claim that a context says word for word, which no encoder has to read.

It is the median of what the encoder says of such claims in the training sets.
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """A response's probability of being grounded, and that of each of its claims."""

    score: float
    supports: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class GroundingHead:
    """A network on the signals of a claim, and how claims add up to a response."""

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
        self, samples: Sequence[Sample], tokenizer: Tokenizer, score: Score
    ) -> list[tuple[Reading, Judged | None]]:
        """Each sample's claims, and what is said of them where there are any."""
        readings = [read_sample(sample) for sample in samples]
        features = iter(claim_features(readings, tokenizer, score))
        return [(reading, self._judge(next(features))) for reading in readings]

    def _judge(self, features: Array) -> Judged | None:
        if not len(features):
            return None
        logits = self.network.logits(features)
        score = calibrated(response_logit(logits, self.combine), self.curve)
        return Judged(score, tuple(calibrated(float(one), self.claim_curve) for one in logits))


def claim_features(
    readings: Sequence[Reading], tokenizer: Tokenizer, score: Score, *, reads_copied: bool = False
) -> list[Array]:
    """Per reading, the features of its claims, shape (claims, 1 + signals).

    With `reads_copied` the encoder reads claims that are copied, too.
    """
    claims = [claim for reading in readings for claim in reading.claims]
    supports = _supports(claims, tokenizer, score, reads_copied)
    rows = iter([_features(claim, one) for claim, one in zip(claims, supports, strict=True)])
    return [
        np.stack([next(rows) for _ in reading.claims])
        if reading.claims
        else np.empty((0, 0), np.float32)
        for reading in readings
    ]


def _supports(
    claims: Sequence[Claim], tokenizer: Tokenizer, score: Score, reads_copied: bool
) -> list[float]:
    unread = [claim.is_copied and not reads_copied for claim in claims]
    read = [claim for claim, is_unread in zip(claims, unread, strict=True) if not is_unread]
    found = iter(score(claim_sequences(read, tokenizer)) if read else ())
    return [COPIED if is_unread else float(next(found)) for is_unread in unread]


def _features(claim: Claim, support: float) -> Array:
    return np.array([support, *claim.signals], dtype=np.float32)


def response_logit(logits: Array, combine: Array) -> float:
    """The raw output of a response with claims of these raw outputs."""
    parts = np.array([logits.min(), logits.mean(), np.log(len(logits))])
    return float((combine * parts).sum())
