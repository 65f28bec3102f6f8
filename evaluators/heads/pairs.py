"""What shows whether a text (an answer, or a passage) speaks to a prompt."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.engine import Encoded
from evaluators.sentences import Span, split_sentences
from evaluators.signals import content_words, is_refusal, is_small_talk, names, numbers, words

Array = NDArray[np.float32]
Encode = Callable[[Iterable[str]], list[Encoded]]

MAX_SENTENCES = 24
LEADING = 1500
"""How many characters of a text are encoded as a whole."""

ASKS = {
    "who": re.compile(r"\b(?:who|whose|whom|quién|wer|qui)\b"),
    "when": re.compile(
        r"\b(?:when|what (?:year|date|day|month|time)|how long|wann|cuándo|quand)\b"
    ),
    "where": re.compile(r"\b(?:where|which (?:city|country|state)|wo|dónde|où)\b"),
    "how_many": re.compile(
        r"\b(?:how (?:many|much|old|far|often|tall|big|large)|what percent\w*)\b"
    ),
    "why": re.compile(r"\b(?:why|warum|por qué|pourquoi)\b"),
    "how": re.compile(r"\bhow (?:do|does|did|can|to|is|are|should|would)\b"),
    "whether": re.compile(
        r"^(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have)\b"
    ),
}
REASON = re.compile(
    r"\b(?:because|since|due to|so that|in order|therefore|reason)\b", re.IGNORECASE
)
DECIDES = re.compile(r"^(?:yes|no|sí|ja|nein|oui|non)\b", re.IGNORECASE)
PLACE = re.compile(r"\b(?:in|at|near|from|to|on) (?:the )?[A-Z]")


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt and a text, taken apart."""

    prompt: str
    text: str
    spans: tuple[Span, ...]

    def sentence(self, index: int) -> str:
        span = self.spans[index]
        return self.text[span.start : span.end]

    @property
    def head(self) -> str:
        return self.text[:LEADING]

    def texts(self) -> list[str]:
        """Everything that must be encoded."""
        return [self.prompt, self.head, *(self.sentence(i) for i in range(len(self.spans)))]


@dataclass(frozen=True, slots=True)
class PairFeatures:
    """The features of a pair, and its sentence that is nearest to the prompt."""

    features: Array
    nearest: int


def question_of(prompt: str) -> str:
    """The part of a prompt that asks: its last turn, at most its last 600 characters."""
    turn = re.split(r"\n(?:user|human|customer) ?: ?", f"\n{prompt}", flags=re.IGNORECASE)[-1]
    return turn.strip()[-600:] or prompt.strip()[-600:]


def make_pair(prompt: str, text: str) -> Pair:
    """A pair whose text is split into at most `MAX_SENTENCES` sentences."""
    kept = text[: LEADING * 8]
    return Pair(question_of(prompt), kept, tuple(split_sentences(kept)[:MAX_SENTENCES]))


def read_pairs(pairs: Sequence[Pair], encode: Encode) -> list[PairFeatures]:
    """The features of every pair; all texts are encoded in one call."""
    texts = [text for pair in pairs for text in pair.texts()]
    encoded = dict(zip(texts, encode(texts), strict=True))
    return [_features(pair, encoded) for pair in pairs]


def _features(pair: Pair, encoded: dict[str, Encoded]) -> PairFeatures:
    prompt, whole = encoded[pair.prompt], encoded[pair.head]
    sentences = [encoded[pair.sentence(index)] for index in range(len(pair.spans))] or [whole]
    cosines = np.array([float(prompt.vector @ other.vector) for other in sentences])
    nearest = int(cosines.argmax())
    best = sentences[nearest]
    dense = [
        float(prompt.vector @ whole.vector),
        *_cosine_shape(cosines),
        *_alignment(prompt, [sentences[i] for i in np.argsort(-cosines, kind="stable")[:3]]),
        *_overlap(pair, pair.sentence(nearest) if pair.spans else pair.head),
        *_answer_type(pair, pair.sentence(nearest) if pair.spans else pair.head),
        *_manner(pair),
    ]
    blocks = [np.array(dense), np.abs(prompt.vector - best.vector), prompt.vector * best.vector]
    blocks.append(prompt.vector * whole.vector)
    return PairFeatures(np.concatenate(blocks).astype(np.float32), nearest)


def _cosine_shape(cosines: Array) -> list[float]:
    ranked = np.sort(cosines)[::-1]
    second = float(ranked[1]) if len(ranked) > 1 else 0.0
    return [float(ranked[0]), second, float(ranked.mean()), float(cosines[0])]


def _alignment(prompt: Encoded, near: list[Encoded]) -> list[float]:
    """How well each word of the prompt finds a counterpart in the text."""
    tokens = np.concatenate([other.tokens for other in near]).astype(np.float32)
    if not len(prompt.token_ids) or not len(tokens):
        return [0.0] * 4
    best = (prompt.tokens.astype(np.float32) @ tokens.T).max(1)
    rarity = np.clip(np.log(np.maximum(prompt.token_ids, 1) / 1996) / 2.7, 0.03, 1)
    rare = np.sort(best[rarity > 0.3]) if (rarity > 0.3).any() else np.sort(best)
    return [
        float(best.mean()),
        float((best * rarity).sum() / rarity.sum()),
        float(rare[0]),
        float((rare > 0.7).mean()),
    ]


def _overlap(pair: Pair, sentence: str) -> list[float]:
    asked, said = set(content_words(pair.prompt)), set(content_words(pair.text))
    best = set(content_words(sentence))
    n = len(asked) or 1
    return [
        len(asked & said) / n,
        len(asked & best) / n,
        len(best - asked) / (len(best) or 1),
        float(np.log1p(len(said - asked))) / 5,
        float(not said - asked),
    ]


def _answer_type(pair: Pair, sentence: str) -> list[float]:
    """Which kind of answer the prompt wants, and whether the nearest sentence has that kind."""
    asked = pair.prompt.lower()
    wants = [float(pattern.search(asked) is not None) for pattern in ASKS.values()]
    prompt_names = names(pair.prompt) | set(words(pair.prompt))
    has_name = float(bool({name for name in names(f"x {sentence}") if name not in prompt_names}))
    has_number = float(bool(numbers(sentence) - numbers(pair.prompt)))
    gives = [
        has_name,
        has_number,
        has_number,
        float(PLACE.search(sentence) is not None or has_name > 0),
        float(REASON.search(sentence) is not None),
        float(DECIDES.match(sentence) is not None),
    ]
    who, when, where, how_many, why, _, whether = wants
    fits = [who * has_name, when * has_number, where * gives[3], how_many * has_number]
    fits += [why * gives[4], whether * gives[5]]
    misses = [who * (1 - has_name), (when + how_many) * (1 - has_number), where * (1 - gives[3])]
    return [*wants, has_name, has_number, *gives[3:], *fits, *misses]


def _manner(pair: Pair) -> list[float]:
    n = len(pair.spans) or 1
    sentences = [pair.sentence(index) for index in range(len(pair.spans))]
    refusing = [is_refusal(sentence) for sentence in sentences]
    listed = words(pair.text)
    return [
        sum(refusing) / n,
        float(any(refusing)),
        float(bool(refusing) and refusing[0]),
        sum(is_small_talk(sentence) for sentence in sentences) / n,
        sum(sentence.endswith("?") for sentence in sentences) / n,
        float(np.log1p(len(listed))) / 6,
        float(len(listed) <= 4),
        float(np.log1p(len(pair.spans))) / 3,
        float("?" in pair.prompt),
    ]
