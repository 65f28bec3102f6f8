"""Finds, for each claim of a response, the few pieces of the contexts that could support it.

Pieces are chosen by the words they share with the claim, rare words, numbers and names first, until
the words of the claim are covered. No network is needed for that, so that contexts of any length
cost little, and the network reads a claim with its evidence only. Weights are added exactly: the
order of the words of a set, which is another in every process, changes nothing.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from evaluators.attribution import announces, without_sources
from evaluators.heads.pieces import Piece, is_prose, pieces_of
from evaluators.opposites import reversed_words
from evaluators.places import Places, place_signals, places_of
from evaluators.protocol import Sample
from evaluators.sentences import Span, split_sentences
from evaluators.signals import (
    bare_numbers,
    content_words,
    has_negation,
    is_refusal,
    is_small_talk,
    names,
    numbers,
    words,
)

MAX_CLAIMS = 60
MAX_CHOSEN = 5
SHORT_WORDS = 9
"""A claim of fewer words is read together with the end of the question it answers."""
QUESTION_CHARACTERS = 160
NEARLY = 0.5
"""Which share of a claim's words a piece must hold to be about the same thing."""
COUNTED = frozenset({"0", "1", "2", "3", "4"})
"""Numbers that a reader counts for himself: of "a man and his wife" it is true that two came."""
AROUND = " .!;:,*_\"'“”‘’"
"""What may stand around a sentence; a question mark says something else."""
KEPT = 4096
"""Of how many pieces the words, numbers and names are kept."""
AGAIN = 0.25
"""What a word that is covered already counts when the next piece is chosen."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of the response with its evidence, best first, and exact signals about both."""

    span: Span
    text: str
    evidence: tuple[Piece, ...]
    signals: tuple[float, ...]
    contradicts: bool
    """Whether the nearest piece says nearly the same with another number or the other way round."""
    is_copied: bool
    """Whether a piece says the same word for word, and the claim can be understood by itself."""

    @property
    def packed(self) -> list[str]:
        """The texts of the evidence in the order of the contexts."""
        ordered = sorted(self.evidence, key=lambda piece: (piece.context, piece.span.start))
        return [piece.text for piece in ordered]


@dataclass(frozen=True, slots=True)
class Reading:
    """A response taken apart: its claims, and whether anything in it was a refusal."""

    claims: tuple[Claim, ...]
    refuses: bool


class Facts(NamedTuple):
    """What is looked up in a piece for every claim."""

    words: tuple[str, ...]
    stems: frozenset[str]
    numbers: frozenset[str]
    names: frozenset[str]
    denies: bool
    length: float
    """By how much what a piece adds is divided: a long one holds more by chance."""


class Known(NamedTuple):
    """A piece and its facts."""

    piece: Piece
    facts: Facts


def read_sample(sample: Sample) -> Reading:
    """The claims of a response, each with its evidence; none where the contexts are empty."""
    spans, refuses = claim_spans(sample.response)
    known = [_known(piece) for piece in pieces_of(sample.contexts)] if spans else []
    if not known:
        return Reading((), refuses)
    whole = _Whole.of(sample, known)
    claims = [_claim(sample.response[span.start : span.end], span, whole) for span in spans]
    return Reading(tuple(claims), refuses)


def claim_spans(response: str) -> tuple[list[Span], bool]:
    """The sentences that claim something, and whether any sentence was a refusal."""
    spans, refuses = [], False
    for span in split_sentences(response)[:MAX_CLAIMS]:
        sentence = response[span.start : span.end]
        if is_refusal(sentence):
            refuses = True
        elif any(map(str.isalnum, sentence)) and not (
            is_small_talk(sentence) or announces(sentence)
        ):
            spans.append(span)
    return spans, refuses


def _known(piece: Piece) -> Known:
    return Known(piece, _facts(piece.text))


@lru_cache(maxsize=KEPT)
def _facts(text: str) -> Facts:
    """What is looked up in a text; two judges read each piece, and passages come again."""
    listed = tuple(content_words(text))
    return Facts(
        words=listed,
        stems=frozenset(listed),
        numbers=frozenset(numbers(text) | bare_numbers(text)),
        names=frozenset(names(text)),
        denies=has_negation(text),
        length=math.sqrt(math.sqrt(8 + len(listed))),
    )


@dataclass(frozen=True, slots=True)
class _Whole:
    """All pieces of a sample together, and its question."""

    known: list[Known]
    stems: frozenset[str]
    bigrams: frozenset[tuple[str, str]]
    numbers: frozenset[str]
    names: frozenset[str]
    question: str
    question_stems: frozenset[str]
    question_numbers: frozenset[str]
    frequency: dict[str, int]
    places: Places
    is_prose: bool
    """Whether every context is told in sentences, so that no number has to be counted or summed."""

    @classmethod
    def of(cls, sample: Sample, known: list[Known]) -> "_Whole":
        frequency: dict[str, int] = {}
        for one in known:
            for stem in one.facts.stems:
                frequency[stem] = frequency.get(stem, 0) + 1
        question = sample.prompt.strip()[-QUESTION_CHARACTERS:]
        return cls(
            known=known,
            stems=frozenset(frequency),
            bigrams=frozenset(
                pair for one in known for pair in itertools.pairwise(one.facts.words)
            ),
            numbers=frozenset().union(*(one.facts.numbers for one in known)),
            names=frozenset().union(*(one.facts.names for one in known)),
            question=question,
            question_stems=frozenset(content_words(question)),
            question_numbers=frozenset(numbers(question) | bare_numbers(question)),
            frequency=frequency,
            places=places_of((one.piece.context, one.facts.words) for one in known),
            is_prose=all(map(is_prose, sample.contexts)),
        )

    def weight(self, stem: str) -> float:
        """How much a word counts: rare ones in the contexts, long ones and numbers more."""
        rarity = 1 / math.sqrt(1 + self.frequency.get(stem, 0))
        return (0.5 + min(len(stem), 9) / 9) * (0.4 + rarity) * (2 if stem.isdigit() else 1)


def _claim(sentence: str, span: Span, whole: _Whole) -> Claim:
    sentence = without_sources(sentence)
    listed = content_words(sentence)
    is_short = len(sentence.split()) < SHORT_WORDS
    asked = f"{whole.question} {sentence}" if is_short and whole.question else sentence
    weights = {stem: whole.weight(stem) for stem in listed}
    if is_short:
        asked_weights = {stem: 0.4 * whole.weight(stem) for stem in whole.question_stems}
        weights = asked_weights | weights
    chosen = _choose(weights, numbers(sentence), whole.known)
    signals = claim_signals(sentence, listed, chosen, whole)
    return Claim(
        span=span,
        text=asked,
        evidence=tuple(one.piece for one in chosen),
        signals=signals,
        contradicts=_contradicts(sentence, set(listed), chosen[0]),
        is_copied=not is_short and _is_among(sentence, chosen),
    )


def _is_among(sentence: str, chosen: list[Known]) -> bool:
    return _bare(sentence) in {_bare(one.piece.text) for one in chosen}


def _bare(text: str) -> str:
    """A sentence without what two copies of it may differ in."""
    return " ".join(text.casefold().split()).strip(AROUND)


def _contradicts(sentence: str, stems: set[str], nearest: Known) -> bool:
    if not stems or len(stems & nearest.facts.stems) / len(stems) < NEARLY:
        return False
    said = numbers(sentence)
    other_number = bool(said and nearest.facts.numbers and said - nearest.facts.numbers)
    return other_number or has_negation(sentence) != nearest.facts.denies


def _choose(weights: dict[str, float], wanted: set[str], known: list[Known]) -> list[Known]:
    """Up to `MAX_CHOSEN` pieces, each the one that adds most to what is covered."""
    candidates = [
        (one, {stem for stem in weights if stem in one.facts.stems}, one.facts.numbers & wanted)
        for one in known
    ]
    candidates = [entry for entry in candidates if entry[1] or entry[2]]
    covered: set[str] = set()
    chosen: list[Known] = []
    while candidates and len(chosen) < MAX_CHOSEN:
        best = max(candidates, key=lambda entry: _gain(entry, covered, weights))
        candidates.remove(best)
        chosen.append(best[0])
        covered |= best[1]
    return chosen or known[:2]


def _gain(
    entry: tuple[Known, set[str], frozenset[str]], covered: set[str], weights: dict[str, float]
) -> float:
    one, shared, found = entry
    gain = math.fsum(weights[stem] * (AGAIN if stem in covered else 1) for stem in shared)
    return (gain + 0.5 * len(found)) / one.facts.length


def chosen_pieces(question: str, context: str) -> tuple[Piece, ...]:
    """The pieces of one context that share most with a question, best first."""
    known = [_known(piece) for piece in pieces_of((context,))]
    if not known:
        return ()
    whole = _Whole.of(Sample("", question), known)
    weights = {stem: whole.weight(stem) for stem in content_words(question)}
    return tuple(one.piece for one in _choose(weights, numbers(question), known))


def claim_signals(
    sentence: str, listed: list[str], chosen: list[Known], whole: _Whole
) -> tuple[float, ...]:
    """Exact signals that a small encoder misses: new words, numbers, names, denial, distance."""
    return (
        *_word_signals(listed, chosen, whole),
        *_fact_signals(sentence, chosen, whole),
        *place_signals(listed, whole.places),
        _reverses(sentence, chosen),
        _is_scattered(set(listed), whole),
    )


def _word_signals(listed: list[str], chosen: list[Known], whole: _Whole) -> list[float]:
    stems = set(listed)
    near: set[str] = set().union(*(one.facts.stems for one in chosen))
    new = stems - whole.stems - whole.question_stems
    bigrams = list(itertools.pairwise(listed))
    n = len(stems) or 1
    weight = {stem: whole.weight(stem) for stem in stems}
    total = math.fsum(weight.values()) or 1.0
    best = max((len(stems & one.facts.stems) for one in chosen), default=0)
    return [
        len(stems & whole.stems) / n,
        len(stems & near) / n,
        math.fsum(weight[stem] for stem in stems & near) / total,
        best / n,
        len(new) / n,
        min(len(new), 6) / 6,
        sum(pair in whole.bigrams for pair in bigrams) / (len(bigrams) or 1),
        len(stems & whole.question_stems) / n,
        longest_run(listed, list(chosen[0].facts.words)) / n,
        min(len(listed), 30) / 30,
        float(len(listed) <= 3),
        min(len(whole.known), 100) / 100,
    ]


def _fact_signals(sentence: str, chosen: list[Known], whole: _Whole) -> list[float]:
    said, named = numbers(sentence), names(sentence)
    near: set[str] = set().union(*(one.facts.numbers for one in chosen))
    lacking = said - whole.numbers
    strange = {
        name
        for name in named - whole.names
        if not set(content_words(name)) <= whole.stems | whole.question_stems
    }
    denies = has_negation(sentence)
    return [
        float(bool(said)),
        float(bool(lacking)),
        len(lacking - whole.question_numbers) / (len(said) or 1),
        len(said - near) / (len(said) or 1),
        float(bool(said - chosen[0].facts.numbers and chosen[0].facts.numbers)),
        float(bool(named)),
        float(bool(strange)),
        len(strange) / (len(named) or 1),
        float(denies),
        float(denies != chosen[0].facts.denies),
        float(denies and not any(one.facts.denies for one in chosen)),
        float(whole.is_prose and bool(lacking - whole.question_numbers - COUNTED)),
    ]


def _reverses(sentence: str, chosen: list[Known]) -> float:
    """How many words say the contrary of what the evidence says, two at most."""
    read: set[str] = set().union(*(words(one.piece.text) for one in chosen))
    return float(min(2, len(reversed_words(set(words(sentence)), read))))


def _is_scattered(stems: set[str], whole: _Whole) -> float:
    """How much of a claim the contexts hold, but not the one piece that holds most of it."""
    weights = {stem: whole.weight(stem) for stem in stems}
    held = math.fsum(weights[stem] for stem in stems & whole.stems)
    best = max(math.fsum(weights[stem] for stem in stems & one.facts.stems) for one in whole.known)
    return (held - best) / (math.fsum(weights.values()) or 1.0)


SIGNALS = 30


def longest_run(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one[:60]:
        previous = 0
        for column, candidate in enumerate(other[:120], start=1):
            kept = row[column]
            row[column] = previous + 1 if word == candidate else max(kept, row[column - 1])
            previous = kept
    return max(row)
