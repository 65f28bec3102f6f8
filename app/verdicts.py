"""What evaluators answer, held to what can be sent, stored and shown: a plugin may answer anything.

`plain` never raises; what is wrong with an answer is a value beside the others.
"""

from dataclasses import dataclass, replace
from operator import index
from typing import Any

from evaluators.protocol import Abstention, Evidence, Sample, Verdict

MOST_WORDS = 10_000


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong in an evaluator: the name of the error, and its words."""

    kind: str
    words: str


def plain(answer: object) -> Verdict | Abstention | Fault:
    """The answer made of words and numbers only, or what is wrong with it."""
    try:
        if isinstance(answer, Abstention):
            return Abstention(words_of("reason", answer.reason))
        if isinstance(answer, Verdict):
            return _verdict(answer)
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        return fault_of(error)
    return answer if isinstance(answer, Fault) else _no_verdict(answer)


def anchored(piece: Evidence, sample: Sample) -> Evidence | None:
    """The evidence without a place in the contexts that is not there; None outside the response."""
    if piece.end > len(sample.response):
        return None
    if piece.context is not None and 0 <= piece.context < len(sample.contexts):
        length = len(sample.contexts[piece.context])
        start, end = piece.context_start, piece.context_end
        if start is None or end is None or 0 <= start <= end <= length:
            return piece
        return replace(piece, context_start=None, context_end=None)
    return replace(piece, context=None, context_start=None, context_end=None)


def fault_of(error: BaseException) -> Fault:
    """An exception as a value."""
    kind = type(error).__name__
    return Fault(kind, _storable(str(error))[:500] or kind)


def words_of(what: str, value: object) -> str:
    """The text as every database stores it, or TypeError naming what was none."""
    if not isinstance(value, str):
        raise TypeError(f"its {what} is {type(value).__name__}, not a text")
    return _storable(value)[:MOST_WORDS]


def _verdict(answer: Verdict) -> Verdict:
    explanation = answer.explanation
    return Verdict(
        answer.score if isinstance(answer.score, bool) else float(answer.score),
        tuple(_piece(one) for one in answer.evidence),
        None if explanation is None else words_of("explanation", explanation),
    )


def _piece(piece: Any) -> Evidence:
    if not isinstance(piece, Evidence):
        raise TypeError(f"its evidence holds {type(piece).__name__}, not Evidence")
    kind = piece.kind
    return Evidence(
        index(piece.start),
        index(piece.end),
        float(piece.score),
        _place(piece.context),
        _place(piece.context_start),
        _place(piece.context_end),
        None if kind is None else words_of("kind of evidence", kind),
    )


def _place(value: int | None) -> int | None:
    return None if value is None else index(value)


def _no_verdict(answer: object) -> Fault:
    return Fault("TypeError", f"got {type(answer).__name__}, not a Verdict or an Abstention")


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
