"""What shows whether a sentence of a response is supported by the contexts.

Training and judging share these functions, so that a head sees the same features in both.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.engine import Encoded
from evaluators.protocol import Sample
from evaluators.sentences import Span, split_sentences
from evaluators.signals import content_words, has_negation, is_refusal, is_small_talk, names
from evaluators.signals import numbers as numbers_in

Array = NDArray[np.float32]
Encode = Callable[[Iterable[str]], list[Encoded]]

MAX_CLAIMS = 60
MAX_EVIDENCE = 240
NEIGHBOURS = 4
"""How many context sentences are compared with a claim word by word."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence of one of the contexts."""

    context: int
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of the response with its nearest context sentence and its features."""

    span: Span
    nearest: Piece
    features: Array


@dataclass(frozen=True, slots=True)
class Reading:
    """A response taken apart: its claims, and whether anything in it was a refusal."""

    claims: list[Claim]
    refuses: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """The context sentences of one sample, with what is looked up for every claim."""

    pieces: list[Piece]
    stems: list[set[str]]
    all_stems: set[str]
    all_bigrams: set[tuple[str, str]]
    numbers: set[str]
    names: set[str]
    prompt_stems: set[str]
    prompt_numbers: set[str]


def read_samples(samples: Sequence[Sample], encode: Encode) -> list[Reading]:
    """Every sample taken apart; all texts are encoded in one call."""
    parts = [_claim_spans(sample) for sample in samples]
    evidence = [_gather(sample) for sample in samples]
    texts: list[str] = []
    for sample, (spans, _), found in zip(samples, parts, evidence, strict=True):
        if spans and found.pieces:
            texts.extend(_texts(sample, spans, found))
    vectors = dict(zip(texts, encode(texts), strict=True))
    return [
        Reading(_claims(sample, spans, found, vectors) if found.pieces else [], refuses)
        for sample, (spans, refuses), found in zip(samples, parts, evidence, strict=True)
    ]


def _claim_spans(sample: Sample) -> tuple[list[Span], bool]:
    spans, refuses = [], False
    for span in split_sentences(sample.response)[:MAX_CLAIMS]:
        sentence = sample.response[span.start : span.end]
        if is_refusal(sentence):
            refuses = True
        elif not is_small_talk(sentence) and any(map(str.isalnum, sentence)):
            spans.append(span)
    return spans, refuses


def _gather(sample: Sample) -> Evidence:
    pieces = [
        Piece(number, span, context[span.start : span.end])
        for number, context in enumerate(sample.contexts)
        for span in split_sentences(context)
    ]
    stems = [set(content_words(piece.text)) for piece in pieces]
    if len(pieces) > MAX_EVIDENCE:
        pieces, stems = _closest(sample, pieces, stems)
    listed = [content_words(piece.text) for piece in pieces]
    return Evidence(
        pieces=pieces,
        stems=stems,
        all_stems=set().union(*stems),
        all_bigrams={pair for words in listed for pair in itertools.pairwise(words)},
        numbers=set().union(*(numbers_in(piece.text) for piece in pieces)),
        names=set().union(*(names(piece.text) for piece in pieces)),
        prompt_stems=set(content_words(sample.prompt)),
        prompt_numbers=numbers_in(sample.prompt),
    )


def _closest(
    sample: Sample, pieces: list[Piece], stems: list[set[str]]
) -> tuple[list[Piece], list[set[str]]]:
    """The pieces of very long contexts that share most words with the sample, in order."""
    wanted = set(content_words(sample.response)) | set(content_words(sample.prompt))
    order = sorted(range(len(pieces)), key=lambda i: (-len(stems[i] & wanted), i))
    kept = sorted(order[:MAX_EVIDENCE])
    return [pieces[index] for index in kept], [stems[index] for index in kept]


def _asked(sample: Sample, sentence: str) -> str:
    """The sentence after the end of its question, which says what a short answer is about."""
    return f"{sample.prompt[-200:].strip()} {sentence}".strip()


def _texts(sample: Sample, spans: list[Span], found: Evidence) -> Iterable[str]:
    for span in spans:
        sentence = sample.response[span.start : span.end]
        yield sentence
        yield _asked(sample, sentence)
    for piece in found.pieces:
        yield piece.text


def _claims(
    sample: Sample, spans: list[Span], found: Evidence, vectors: dict[str, Encoded]
) -> list[Claim]:
    if not spans:
        return []
    evidence = np.stack([vectors[piece.text].vector for piece in found.pieces])
    claims = []
    for span in spans:
        sentence = sample.response[span.start : span.end]
        asked = _asked(sample, sentence)
        own, whole = vectors[sentence], vectors[asked]
        cosines = np.stack([_dot(evidence, own.vector), _dot(evidence, whole.vector)])
        claims.append(_claim(sentence, span, found, vectors, own, cosines))
    return claims


def _dot(rows: Array, vector: Array) -> Array:
    return np.asarray(np.einsum("ij,j->i", rows, vector), dtype=np.float32)


def _claim(
    sentence: str,
    span: Span,
    found: Evidence,
    vectors: dict[str, Encoded],
    own: Encoded,
    cosines: Array,
) -> Claim:
    stems = set(content_words(sentence))
    shared = np.array([len(stems & other) / (len(stems) or 1) for other in found.stems])
    order = np.argsort(-(cosines.max(0) + 0.5 * shared), kind="stable")[:NEIGHBOURS]
    near = [found.pieces[index] for index in order]
    best = near[0]
    dense = [
        *_closeness(cosines, shared),
        *_wording(sentence, stems, near, found),
        *_facts(sentence, near, found),
        *_alignment(own, [vectors[piece.text] for piece in near]),
    ]
    other = vectors[best.text].vector
    features = np.concatenate([np.array(dense), np.abs(own.vector - other), own.vector * other])
    return Claim(span=span, nearest=best, features=features.astype(np.float32))


def _closeness(cosines: Array, shared: Array) -> list[float]:
    ranked = -np.sort(-cosines, axis=1)
    top = [*ranked[0, :2], *ranked[1, :2]]
    if ranked.shape[1] < 2:
        top = [ranked[0, 0], 0.0, ranked[1, 0], 0.0]
    nearest = int(cosines[0].argmax())
    return [*map(float, top), float(shared.max()), float(shared[nearest]), float(cosines[0].mean())]


def _wording(sentence: str, stems: set[str], near: list[Piece], found: Evidence) -> list[float]:
    listed = content_words(sentence)
    bigrams = list(itertools.pairwise(listed))
    near_stems = set().union(*(content_words(piece.text) for piece in near))
    new = stems - found.all_stems
    n = len(stems) or 1
    return [
        len(stems & found.all_stems) / n,
        len(stems & near_stems) / n,
        len(new - found.prompt_stems) / n,
        min(len(new - found.prompt_stems), 6) / 6,
        sum(pair in found.all_bigrams for pair in bigrams) / (len(bigrams) or 1),
        len(stems & found.prompt_stems) / n,
        _longest_run(listed, content_words(near[0].text)) / n,
        min(len(listed), 30) / 30,
        float(len(listed) <= 3),
        float(np.log1p(len(found.pieces))) / 5,
    ]


def _longest_run(one: list[str], other: list[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one[:60]:
        previous = 0
        for column, candidate in enumerate(other[:120], start=1):
            kept = row[column]
            row[column] = previous + 1 if word == candidate else max(kept, row[column - 1])
            previous = kept
    return max(row)


def _facts(sentence: str, near: list[Piece], found: Evidence) -> list[float]:
    numbers, capitalised = numbers_in(sentence), names(sentence)
    near_numbers = set().union(*(numbers_in(piece.text) for piece in near))
    best_numbers = numbers_in(near[0].text)
    lacking = numbers - found.numbers
    strange = {name for name in capitalised if name not in found.names}
    strange = {name for name in strange if not set(content_words(name)) <= found.all_stems}
    denies = has_negation(sentence)
    return [
        float(bool(numbers)),
        float(bool(lacking)),
        len(lacking) / (len(numbers) or 1),
        len(lacking - found.prompt_numbers) / (len(numbers) or 1),
        len(numbers - near_numbers) / (len(numbers) or 1),
        float(bool(numbers - best_numbers and best_numbers)),
        float(bool(capitalised)),
        float(bool(strange)),
        len(strange) / (len(capitalised) or 1),
        float(denies),
        float(denies != has_negation(near[0].text)),
        float(denies and not any(has_negation(piece.text) for piece in near)),
    ]


def _alignment(own: Encoded, near: list[Encoded]) -> list[float]:
    """How well each word of the claim finds a word of the evidence in the same role."""
    evidence = np.concatenate([other.tokens for other in near]).astype(np.float32)
    if not len(own.token_ids) or not len(evidence):
        return [0.0] * 8
    tokens = own.tokens.astype(np.float32)
    best = np.einsum("ij,kj->ik", tokens, evidence).max(1)
    # The vocabulary is ordered by frequency: a high id is a rare word, which says more.
    rarity = np.clip(np.log(np.maximum(own.token_ids, 1) / 1996) / 2.7, 0.03, 1)
    weighted = float((best * rarity).sum() / rarity.sum())
    rare = np.sort(best[rarity > 0.3]) if (rarity > 0.3).any() else np.sort(best)
    present = set().union(*(other.token_ids for other in near))
    absent = np.array([identity not in present for identity in own.token_ids])
    return [
        float(best.mean()),
        weighted,
        float(best.min()),
        float(rare[0]),
        float(rare[:3].mean()),
        float((rare < 0.6).mean()),
        float((rarity * absent).sum() / rarity.sum()),
        float((rarity * absent * (1 - best)).max()),
    ]


DENSE = 37
"""How many features come before the two blocks of vectors."""


def pick_weakest(scores: Sequence[float]) -> int:
    """The index of the lowest score, the first of equals."""
    return min(range(len(scores)), key=lambda index: (scores[index], index))
