"""A response as numbered sentences, a context as pieces, and the links between the two.

The sentences are those that an evaluator judged, where one said so; what it did not judge is split
here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from app.tables import Evaluation

_BOUNDARY = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+|\n+")
STATUSES = ("contradicted", "unsupported", "supported")
KINDS: Mapping[str, str] = {
    "supported": "supported",
    "unsupported": "unsupported",
    "contradicted": "contradicted",
    "no_claim": "no claim",
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the response; without a status when nobody judged it or it must stay blind."""

    number: int
    text: str
    status: str | None = None
    score: float | None = None
    passage: str | None = None
    """The letter of the passage that holds the closest evidence."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a passage that the same sentences point to."""

    text: str
    numbers: tuple[int, ...] = ()
    """The sentences that cite it."""
    status: str | None = None
    starts: tuple[int, ...] = ()
    """The sentences whose evidence begins here."""
    ends: tuple[int, ...] = ()
    """The sentences whose evidence ends here."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One retrieved context under the letter that people call it by."""

    letter: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class _Judged:
    start: int
    end: int
    evidence: Mapping[str, Any] | None


def split_sentences(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """The offsets of the sentences between two offsets of a text, without surrounding space."""
    end = len(text) if end is None else end
    bounds = [start, *(match.end() for match in _BOUNDARY.finditer(text, start, end)), end]
    pairs = (_trimmed(text, *pair) for pair in pairwise(bounds))
    return [(first, last) for first, last in pairs if first < last]


def sentence_evidence(evaluations: Iterable[Evaluation]) -> Evaluation | None:
    """The evaluation whose evidence says sentence by sentence what the contexts support."""
    for evaluation in reversed(list(evaluations)):
        if any(_points_to_context(one) for one in evaluation.evidence):
            return evaluation
    return None


def sentences_of(
    response: str, evaluation: Evaluation | None, *, blind: bool = False
) -> list[Sentence]:
    """The whole response as numbered sentences; blind ones carry nothing but their words."""
    evidence = evaluation.evidence if evaluation is not None else []
    threshold = (evaluation.threshold if evaluation is not None else None) or 0.5
    return [
        _sentence(number, response, judged, threshold, blind)
        for number, judged in enumerate(_covering(response, evidence), start=1)
    ]


def passages_of(
    contexts: Sequence[str], response: str = "", evaluation: Evaluation | None = None
) -> list[Passage]:
    """The contexts, cut where evidence begins or ends; uncut without an evaluation."""
    cited: dict[int, list[tuple[int, int, int, str]]] = {}
    evidence = evaluation.evidence if evaluation is not None else []
    threshold = (evaluation.threshold if evaluation is not None else None) or 0.5
    for number, judged in enumerate(_covering(response, evidence), start=1):
        one = judged.evidence
        if one is not None and _within(one, contexts):
            place = (one["context_start"], one["context_end"], number, _status(one, threshold))
            cited.setdefault(one["context"], []).append(place)
    return [
        Passage(letter_of(index), _pieces(text, cited.get(index, [])))
        for index, text in enumerate(contexts)
    ]


def letter_of(index: int) -> str:
    """A, B … Z, AA, AB …: the name of a passage."""
    name = ""
    while index >= 0:
        name = chr(ord("A") + index % 26) + name
        index = index // 26 - 1
    return name


def _covering(response: str, evidence: Sequence[Mapping[str, Any]]) -> list[_Judged]:
    """The judged sentences and, between them, what was not judged, in the order of the text."""
    rows: list[_Judged] = []
    done = 0
    for one in sorted(evidence, key=lambda each: (each["start"], each["end"])):
        start, end = _trimmed(response, max(one["start"], done), min(one["end"], len(response)))
        if start >= end:
            continue
        rows += [_Judged(*gap, None) for gap in split_sentences(response, done, start)]
        rows.append(_Judged(start, end, one))
        done = end
    return rows + [_Judged(*gap, None) for gap in split_sentences(response, done)]


def _sentence(
    number: int, response: str, judged: _Judged, threshold: float, blind: bool
) -> Sentence:
    text = response[judged.start : judged.end]
    one = judged.evidence
    if blind or one is None:
        return Sentence(number, text)
    context = one.get("context")
    letter = letter_of(context) if context is not None else None
    return Sentence(number, text, _status(one, threshold), one["score"], letter)


def _status(one: Mapping[str, Any], threshold: float) -> str:
    known = KINDS.get(str(one.get("kind")))
    return known or ("supported" if one["score"] >= threshold else "unsupported")


def _points_to_context(one: Mapping[str, Any]) -> bool:
    return one.get("context") is not None or one.get("kind") in KINDS


def _within(one: Mapping[str, Any], contexts: Sequence[str]) -> bool:
    context, start, end = one.get("context"), one.get("context_start"), one.get("context_end")
    if context is None or start is None or end is None or not 0 <= context < len(contexts):
        return False
    return bool(0 <= start < end <= len(contexts[context]))


def _pieces(text: str, cited: Sequence[tuple[int, int, int, str]]) -> tuple[Piece, ...]:
    bounds = sorted({0, len(text), *(place[0] for place in cited), *(place[1] for place in cited)})
    pieces = []
    for start, end in pairwise(bounds):
        over = [place for place in cited if place[0] <= start and end <= place[1]]
        found = {status for *_, status in over}
        pieces.append(
            Piece(
                text[start:end],
                tuple(number for _, _, number, _ in over),
                next((status for status in STATUSES if status in found), None),
                tuple(number for first, _, number, _ in over if first == start),
                tuple(number for _, last, number, _ in over if last == end),
            )
        )
    return tuple(pieces)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
