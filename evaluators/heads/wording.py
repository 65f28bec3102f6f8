"""What shows whether the wording of a sentence is toxic or biased: its sense and its letters.

The sense is the sentence vector. The letters are hashed words and word pieces with disguises
(leetspeak, spaced letters) undone, so that an insult is recognised however it is spelled.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.engine import Encoded
from evaluators.heads.network import HeadFile, Network, calibrated
from evaluators.sentences import Span, split_sentences
from evaluators.signals import WORD, hashed_grams, spell_emoji

Array = NDArray[np.float32]
Encode = Callable[[Iterable[str]], list[Encoded]]

BUCKETS = 2**15
MAX_SENTENCES = 80


@dataclass(frozen=True, slots=True)
class WordingHead:
    """A network on sentence vectors plus a weight per bucket of letters."""

    network: Network
    gram_weights: Array
    curve: tuple[float, float]
    cut: float = 0.5
    """Sentences from this probability on are shown as evidence."""

    @classmethod
    def of(cls, file: HeadFile) -> "WordingHead":
        cut = float(file.metadata["cut"])
        return cls(file.network("network"), file.tensors["grams"], file.curve, cut)

    def logits(self, vectors: Array, sentences: Sequence[str]) -> Array:
        """One raw output per sentence."""
        letters = np.array([self.letters(sentence) for sentence in sentences], dtype=np.float32)
        return self.network.logits(vectors) + letters

    def scores(self, sentences: Sequence[str], encode: Encode) -> list[float]:
        """The probability of each sentence."""
        if not sentences:
            return []
        spelled = [spell_emoji(sentence) for sentence in sentences]
        vectors = np.stack([encoded.vector for encoded in encode(spelled)])
        return [calibrated(float(one), self.curve) for one in self.logits(vectors, spelled)]

    def letters(self, text: str) -> float:
        """What the letters alone add to the raw output."""
        buckets = hashed_grams(text, len(self.gram_weights))
        return float(self.gram_weights[buckets].sum() / np.sqrt(len(buckets) or 1))

    def strongest_word(self, sentence: str) -> tuple[Span, float] | None:
        """The word whose letters add most, and how much."""
        found = [
            (Span(match.start(), match.end()), self.letters(match.group()))
            for match in WORD.finditer(sentence)
        ]
        return max(found, key=lambda item: item[1], default=None)


def wording_spans(text: str) -> list[Span]:
    """The sentences that are judged, at most `MAX_SENTENCES`: the first and the last ones."""
    spans = split_sentences(text)
    half = MAX_SENTENCES // 2
    return spans if len(spans) <= MAX_SENTENCES else spans[:half] + spans[-half:]
