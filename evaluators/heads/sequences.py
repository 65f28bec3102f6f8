"""Turns texts and pairs of texts into token sequences of a bounded length for the encoders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evaluators.engine import Tokens
from evaluators.sentences import Span, split_sentences
from evaluators.signals import spell_emoji

FIRST, LAST = 101, 102
"""The ids of `[CLS]` and `[SEP]` in the vocabulary of BERT."""
WINDOW = 56
"""How many tokens of a text are judged at a time."""
MAX_WINDOWS = 64
CHARACTERS_PER_TOKEN = 24


class Window(NamedTuple):
    """Consecutive sentences of a text, as a span of it and as tokens."""

    span: Span
    tokens: Tokens


class Tokenizer:
    """Word pieces of texts, without special tokens."""

    def __init__(self, folder: Path) -> None:
        import tokenizers  # noqa: PLC0415

        self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def ids(self, texts: Sequence[str], limit: int) -> list[list[int]]:
        """The first `limit` ids of every text."""
        cut = [text[: limit * CHARACTERS_PER_TOKEN] for text in texts]
        found = self._tokenizer.encode_batch_fast(cut, add_special_tokens=False)
        return [encoding.ids[:limit] for encoding in found]


def single(ids: Sequence[int]) -> Tokens:
    """One text as a sequence."""
    return Tokens((FIRST, *ids, LAST))


def joined(one: Sequence[int], other: Sequence[int]) -> Tokens:
    """Two texts as one sequence, told apart by their segment ids."""
    types = (0,) * (len(one) + 2) + (1,) * (len(other) + 1)
    return Tokens((FIRST, *one, LAST, *other, LAST), types)


def windows(text: str, tokenizer: Tokenizer, limit: int = WINDOW) -> list[Window]:
    """The text in windows of whole sentences, each of at most `limit` tokens; emoji are spelled.

    Of a text with more than `MAX_WINDOWS` windows, the first and the last ones are given.
    """
    spans = split_sentences(text)
    ids = tokenizer.ids([spell_emoji(text[span.start : span.end]) for span in spans], limit)
    made: list[tuple[Span, list[int]]] = []
    for span, own in zip(spans, ids, strict=True):
        if made and len(made[-1][1]) + len(own) <= limit:
            before, held = made[-1]
            made[-1] = (Span(before.start, span.end), held + own)
        else:
            made.append((span, own))
    if len(made) > MAX_WINDOWS:
        made = made[: MAX_WINDOWS // 2] + made[-MAX_WINDOWS // 2 :]
    return [Window(span, single(own)) for span, own in made]
