"""The relevance heads: how well a text speaks to a prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.heads.network import HeadFile, Network, calibrated
from evaluators.heads.pairs import Encode, make_pair, read_pairs
from evaluators.sentences import Span


@dataclass(frozen=True, slots=True)
class PairScore:
    """The probability that a text is relevant, and its sentence nearest to the prompt."""

    score: float
    span: Span | None


@dataclass(frozen=True, slots=True)
class PairHead:
    """A calibrated network on the features of a pair."""

    network: Network
    curve: tuple[float, float]
    cut: float
    """Texts from this probability on are called relevant."""

    @classmethod
    def of(cls, file: HeadFile) -> "PairHead":
        return cls(file.network("network"), file.curve, float(file.metadata["cut"]))

    def score(self, pairs: Sequence[tuple[str, str]], encode: Encode) -> list[PairScore]:
        """One score per prompt and text."""
        made = [make_pair(prompt, text) for prompt, text in pairs]
        if not made:
            return []
        read = read_pairs(made, encode)
        logits = self.network.logits(np.stack([one.features for one in read]))
        return [
            PairScore(
                score=calibrated(float(logit), self.curve) if pair.spans else 0.0,
                span=pair.spans[one.nearest] if pair.spans else None,
            )
            for pair, one, logit in zip(made, read, logits, strict=True)
        ]
