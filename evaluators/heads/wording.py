"""What the judges of a response's wording read: windows of a few sentences, and their disguises.

A window that is written in leetspeak, with spaced letters or with repeated ones is read a second
time with the disguise undone, and the worse of both readings counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluators.engine import Tokens
from evaluators.heads.grounding import Score
from evaluators.heads.sequences import WINDOW, Tokenizer, Window, single, windows
from evaluators.sentences import Span, split_sentences
from evaluators.signals import plain_letters, spell_emoji, words

Array = NDArray[np.float32]


class Part(NamedTuple):
    """A part of a response, its readings and where they stand."""

    span: Span
    readings: tuple[Tokens, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The parts of a response and the worst raw output of each."""

    parts: tuple[Part, ...]
    outputs: Array

    @property
    def worst(self) -> int:
        return int(self.outputs.argmax())


def read_windows(texts: Sequence[str], tokenizer: Tokenizer, score: Score) -> list[Found]:
    """Every text's windows with their outputs."""
    return scored([text_parts(text, windows(text, tokenizer), tokenizer) for text in texts], score)


def read_sentences(text: str, span: Span, tokenizer: Tokenizer, score: Score) -> Found:
    """The sentences of a window with their outputs, to find out which one it was."""
    inner = [
        Span(span.start + one.start, span.start + one.end)
        for one in split_sentences(text[span.start : span.end])
    ]
    ids = tokenizer.ids([spell_emoji(text[one.start : one.end]) for one in inner], WINDOW)
    made = [Window(one, single(own)) for one, own in zip(inner, ids, strict=True)]
    return scored([text_parts(text, made, tokenizer)], score)[0]


def text_parts(text: str, found: Sequence[Window], tokenizer: Tokenizer) -> tuple[Part, ...]:
    """The windows of a text, with a second reading where letters are disguised."""
    return tuple(
        Part(one.span, (one.tokens, *_undisguised(text[one.span.start : one.span.end], tokenizer)))
        for one in found
    )


def _undisguised(text: str, tokenizer: Tokenizer) -> tuple[Tokens, ...]:
    plain = plain_letters(text)
    if words(plain) == words(text):
        return ()
    ids = tokenizer.ids([spell_emoji(plain)], WINDOW)[0]
    return (single(ids),) if ids else ()


def scored(parts: Sequence[tuple[Part, ...]], score: Score) -> list[Found]:
    """The worst output of each part's readings."""
    raw = iter(score([one for own in parts for part in own for one in part.readings]))
    return [
        Found(
            parts=own,
            outputs=np.array([max(next(raw) for _ in part.readings) for part in own], np.float32),
        )
        for own in parts
    ]
