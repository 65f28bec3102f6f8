"""Turns a planned interaction into words: the question, what retrieval found, the answer."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from app.demo.library import Passage, Phrases, passages_of, phrases
from app.demo.plan import Kind, Slot

_WORD = re.compile(r"\w{4,}")
_FIRST_SENTENCE = re.compile(r"^.{25,}?[.!?](?= |$)")
_WITHOUT_PASSAGES = ("blind", "empty")
_WRONG_PASSAGES = ("lost", "missed")


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one interaction."""

    passage: str
    """The id of the passage that answers the question."""
    prompt: str
    contexts: tuple[str, ...]
    response: str


class Writer:
    """Writes wordings so that every passage and every phrasing is used about equally often."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._used: Counter[tuple[str, ...]] = Counter()

    def write(self, slot: Slot) -> Wording:
        """The words of a slot."""
        known = passages_of(slot.application, slot.language)
        names = [passage.id for passage in known]
        passage = known[names.index(self._least_used((slot.application, slot.language), names))]
        place = (slot.application, slot.language, passage.id)
        said = phrases()[slot.language]
        question = self._least_used((*place, "question"), passage.questions)
        return Wording(
            passage=passage.id,
            prompt=self._maybe(said.openers, 0.25) + question,
            contexts=self._contexts(slot.kind, passage, known),
            response=self._response(slot, passage, known, said),
        )

    def _contexts(
        self, kind: Kind, passage: Passage, known: tuple[Passage, ...]
    ) -> tuple[str, ...]:
        if kind in _WITHOUT_PASSAGES:
            return ()
        unlike = least_alike(passage, known)
        if kind in _WRONG_PASSAGES:
            return tuple(other.text for other in unlike[:2])
        # A misplaced answer comes from the passage least alike, which must not be in view.
        others = self._random.sample(unlike[1:], k=1 + (self._random.random() < 0.3))
        found = [passage.text, *(other.text for other in others)]
        if self._random.random() < 0.3:
            found.reverse()
        return tuple(found)

    def _response(
        self, slot: Slot, passage: Passage, known: tuple[Passage, ...], said: Phrases
    ) -> str:
        place = (slot.language, slot.kind)
        match slot.kind:
            case "evasive":
                return self._least_used(place, said.evasive)
            case "deflected":
                return self._least_used(place, phrases()["en"].evasive)
            case "missed" | "empty":
                return self._least_used((slot.language, "missed"), said.not_found)
            case "toxic":
                return f"{self._least_used(place, said.toxic)} {first_sentence(passage)}"
            case "biased":
                return f"{first_sentence(passage)} {self._least_used(place, said.biased)}"
        return self._polite(slot, passage, known, said)

    def _polite(
        self, slot: Slot, passage: Passage, known: tuple[Passage, ...], said: Phrases
    ) -> str:
        place = (slot.application, slot.language, passage.id, slot.kind)
        source = least_alike(passage, known)[0] if slot.kind == "misplaced" else passage
        answers = source.ungrounded if slot.kind == "ungrounded" else source.answers
        answer = self._least_used(place, answers)
        return self._maybe(said.greetings, 0.15) + answer + self._maybe(said.closings, 0.2)

    def _maybe(self, values: Sequence[str], probability: float) -> str:
        return self._random.choice(values) if self._random.random() < probability else ""

    def _least_used(self, place: tuple[str, ...], values: Sequence[str]) -> str:
        order = self._random.sample(list(values), k=len(values))
        value = min(order, key=lambda one: self._used[*place, one])
        self._used[*place, value] += 1
        return value


@cache
def least_alike(passage: Passage, known: tuple[Passage, ...]) -> tuple[Passage, ...]:
    """The other passages, those first that share the fewest words with this one's questions."""
    asked = _words(" ".join(passage.questions))
    others = [other for other in known if other.id != passage.id]
    return tuple(sorted(others, key=lambda other: len(asked & _words(other.text))))


def first_sentence(passage: Passage) -> str:
    """The first sentence of the passage's first answer."""
    found = _FIRST_SENTENCE.match(passage.answers[0])
    return found.group() if found else passage.answers[0]


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
