"""The relevance judges: how well an answer or a passage speaks to a question."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.heads.grounding import Score
from evaluators.heads.manner import answer_signals, passage_signals
from evaluators.heads.pairing import answer_windows, passage_sequence
from evaluators.heads.sequences import Tokenizer
from evaluators.sentences import Span

Array = NDArray[np.float32]
Pair = tuple[str, str]
"""A prompt and an answer, or a prompt and a context."""


@dataclass(frozen=True, slots=True)
class Relevance:
    """The features of a pair, and the part of its text that speaks to the prompt most."""

    features: Array
    nearest: Span | None


def read_answers(pairs: Sequence[Pair], tokenizer: Tokenizer, score: Score) -> list[Relevance]:
    """What shows whether each response answers its prompt."""
    found = [answer_windows(prompt, response, tokenizer) for prompt, response in pairs]
    raw = iter(score([one.tokens for windows in found for one in windows]))
    read = []
    for (prompt, response), windows in zip(pairs, found, strict=True):
        outputs = np.array([next(raw) for _ in windows] or [0.0], dtype=np.float32)
        best = int(outputs.argmax())
        dense = [outputs[best], outputs[0], *answer_signals(prompt, response)]
        span = windows[best].span if windows else None
        read.append(Relevance(np.array(dense, dtype=np.float32), span))
    return read


def read_passages(pairs: Sequence[Pair], tokenizer: Tokenizer, score: Score) -> list[Relevance]:
    """What shows whether each context helps to answer its prompt."""
    found = [passage_sequence(prompt, context, tokenizer) for prompt, context in pairs]
    raw = score([one.tokens for one in found])
    return [
        Relevance(np.array([output, *passage_signals(*pair)], dtype=np.float32), one.span)
        for pair, one, output in zip(pairs, found, raw, strict=True)
    ]
