"""A response as numbered sentences, a context as pieces, and the links between the two.

The sentences are those that an evaluator judged, where one said so; what it did not judge is split
here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import evaluators.sentences
from app.tables import Evaluation

SHOWN_PASSAGES = 4
OBJECTIONS = ("contradicted", "unsupported")
SEVERITY = (*OBJECTIONS, "supported", "no claim")
_Citation = tuple[int, int, int, str]
"""Start and end in a passage, the number of the sentence, and its status."""
KINDS: Mapping[str, str] = {
    "supported": "supported",
    "unsupported": "unsupported",
    "contradicted": "contradicted",
    "no_claim": "no claim",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a sentence, and whether an evaluator objects to it."""

    text: str
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the response; without a status when nobody judged it or it must stay blind."""

    number: int
    parts: tuple[Part, ...]
    start: int
    end: int
    status: str | None = None
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
    is_apart: bool = False
    """Whether it shares no longer word with the response, among many others."""


def split_sentences(text: str) -> list[tuple[int, int]]:
    """The offsets of the sentences that evaluators see, which together hold the whole text."""
    ends = [span.end for span in evaluators.sentences.split_sentences(text)]
    bounds = [0, *ends[:-1], len(text)]
    pairs = (_trimmed(text, *pair) for pair in pairwise(bounds))
    return [(first, last) for first, last in pairs if first < last]


def sentence_evidence(evaluations: Iterable[Evaluation]) -> Evaluation | None:
    """The evaluation whose evidence says sentence by sentence what the contexts support."""
    for evaluation in reversed(list(evaluations)):
        if any(_points_to_context(one) for one in evaluation.evidence):
            return evaluation
    return None


def sentences_of(response: str, evaluation: Evaluation | None = None) -> list[Sentence]:
    """The whole response as numbered sentences, with what an evaluation says of each."""
    evidence, threshold = _evidence_of(evaluation)
    return [
        _sentence(number, response, span, evidence, threshold)
        for number, span in enumerate(_spans(response, evidence), start=1)
    ]


def passages_of(
    contexts: Sequence[str], response: str = "", evaluation: Evaluation | None = None
) -> list[Passage]:
    """The contexts, cut where evidence begins or ends; uncut without an evaluation."""
    evidence, threshold = _evidence_of(evaluation)
    cited: dict[int, list[_Citation]] = {}
    for number, span in enumerate(_spans(response, evidence), start=1):
        one = _worst(span, evidence, threshold)
        if one is not None and _within(one, contexts):
            place = (one["context_start"], one["context_end"], number, _status(one, threshold))
            cited.setdefault(one["context"], []).append(place)
    apart = _apart(contexts, response) - set(cited)
    return [
        Passage(letter_of(index), _pieces(text, cited.get(index, [])), index in apart)
        for index, text in enumerate(contexts)
    ]


def _apart(contexts: Sequence[str], response: str) -> set[int]:
    """Which of more passages than fit a screen share no longer word with the response."""
    if len(contexts) <= SHOWN_PASSAGES:
        return set()
    said = _long_words(response)
    return {index for index, text in enumerate(contexts) if not said & _long_words(text)}


def _long_words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}


def letter_of(index: int) -> str:
    """A, B … Z, AA, AB …: the name of a passage."""
    name = ""
    while index >= 0:
        name = chr(ord("A") + index % 26) + name
        index = index // 26 - 1
    return name


def _evidence_of(evaluation: Evaluation | None) -> tuple[list[dict[str, Any]], float]:
    if evaluation is None:
        return [], 0.5
    threshold = evaluation.threshold if evaluation.threshold is not None else 0.5
    return sorted(evaluation.evidence, key=lambda one: (one["start"], one["end"])), threshold


def _spans(response: str, evidence: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """The judged spans where they make up the whole response, else sentences found here."""
    judged = [_trimmed(response, one["start"], min(one["end"], len(response))) for one in evidence]
    judged = [span for span in judged if span[0] < span[1]]
    ends = [0, *(end for _, end in judged)]
    starts = [*(start for start, _ in judged), len(response)]
    gaps = list(zip(ends, starts, strict=True))
    if judged and all(end <= start and not response[end:start].strip() for end, start in gaps):
        return judged
    return split_sentences(response)


def _over(span: tuple[int, int], evidence: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The evidence whose first character lies in the span."""
    return [one for one in evidence if span[0] <= one["start"] < span[1]]


def _worst(
    span: tuple[int, int], evidence: Sequence[Mapping[str, Any]], threshold: float
) -> Mapping[str, Any] | None:
    """The gravest evidence about a span: what its status, and its one citation, come from."""
    found = _over(span, evidence)
    return min(found, key=lambda one: SEVERITY.index(_status(one, threshold)), default=None)


def _sentence(
    number: int,
    response: str,
    span: tuple[int, int],
    evidence: Sequence[Mapping[str, Any]],
    threshold: float,
) -> Sentence:
    worst = _worst(span, evidence, threshold)
    if worst is None:
        return Sentence(number, (Part(response[span[0] : span[1]]),), *span)
    context = worst.get("context")
    letter = letter_of(context) if context is not None else None
    objections = [
        (one["start"], min(one["end"], span[1]))
        for one in _over(span, evidence)
        if _status(one, threshold) in OBJECTIONS
    ]
    parts = _parts(response, span, objections)
    return Sentence(number, parts, *span, _status(worst, threshold), letter)


def _parts(text: str, span: tuple[int, int], marked: Sequence[tuple[int, int]]) -> tuple[Part, ...]:
    bounds = sorted({*span, *(place for pair in marked for place in pair)})
    return tuple(
        Part(text[start:end], any(first <= start and end <= last for first, last in marked))
        for start, end in pairwise(bounds)
    )


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


def _pieces(text: str, cited: Sequence[_Citation]) -> tuple[Piece, ...]:
    bounds = sorted({0, len(text), *(place[0] for place in cited), *(place[1] for place in cited)})
    pieces = []
    for start, end in pairwise(bounds):
        over = [place for place in cited if place[0] <= start and end <= place[1]]
        found = {status for *_, status in over}
        pieces.append(
            Piece(
                text[start:end],
                tuple(number for _, _, number, _ in over),
                next((status for status in SEVERITY if status in found), None),
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
