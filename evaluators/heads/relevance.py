"""The relevance judges: how well an answer or a passage speaks to a question."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.heads.grounding import Score
from evaluators.heads.manner import LENGTH, answer_signals, has_sentences, is_order, passage_signals
from evaluators.heads.pairing import answer_windows, passage_sequence, question_of
from evaluators.heads.sequences import Tokenizer
from evaluators.sentences import Span

Array = NDArray[np.float32]
Pair = tuple[str, str]
"""A prompt and an answer, or a prompt and a context."""

Embed = Callable[[Sequence[str]], Array]
"""Unit vectors of texts, shape (texts, width)."""
EMBEDDED_CHARACTERS = 300
"""So much of a response says what it is about."""


@dataclass(frozen=True, slots=True)
class Relevance:
    """The features of a pair, and the part of its text that speaks to the prompt most."""

    features: Array
    nearest: Span | None


def read_answers(
    pairs: Sequence[Pair], tokenizer: Tokenizer, score: Score, embed: Embed
) -> list[Relevance]:
    """What shows whether each response answers its prompt."""
    likeness = _likeness(pairs, embed)
    found = [answer_windows(prompt, response, tokenizer) for prompt, response in pairs]
    raw = iter(score([one.tokens for windows in found for one in windows]))
    read = []
    for (prompt, response), windows, alike in zip(pairs, found, likeness, strict=True):
        outputs = np.array([next(raw) for _ in windows] or [0.0], dtype=np.float32)
        best = int(outputs.argmax())
        signals = answer_signals(prompt, response)
        told = [outputs[best], alike, signals[0], signals[LENGTH]]
        dense = [outputs[best], outputs[0], *signals, alike]
        dense += [*_if(is_order(prompt), told), *_if(has_sentences(response), told[:2])]
        span = windows[best].span if windows else None
        read.append(Relevance(np.array(dense, dtype=np.float32), span))
    return read


def _likeness(pairs: Sequence[Pair], embed: Embed) -> Array:
    """The cosine of each prompt with the beginning of its response."""
    asked = [question_of(prompt) for prompt, _ in pairs]
    vectors = embed([*asked, *(response[:EMBEDDED_CHARACTERS] for _, response in pairs)])
    return np.asarray((vectors[: len(pairs)] * vectors[len(pairs) :]).sum(axis=1), np.float32)


def _if(holds: bool, told: Sequence[float]) -> list[float]:
    """What weighs otherwise where something holds."""
    return [holds * one for one in (1.0, *told)]


def read_passages(pairs: Sequence[Pair], tokenizer: Tokenizer, score: Score) -> list[Relevance]:
    """What shows whether each context helps to answer its prompt."""
    found = [passage_sequence(prompt, context, tokenizer) for prompt, context in pairs]
    raw = score([one.tokens for one in found])
    return [
        Relevance(np.array([output, *passage_signals(*pair)], dtype=np.float32), one.span)
        for pair, one, output in zip(pairs, found, raw, strict=True)
    ]
