"""Exact signals about an answer or a passage beside its question, for the relevance judges."""

import math
import re
from collections.abc import Sequence

from evaluators.heads.pairing import question_of
from evaluators.sentences import split_sentences
from evaluators.signals import content_words, is_refusal, is_small_talk, names, numbers, words

READ_CHARACTERS = 6000
LENGTH = -2
"""The place of the length among the signals of an answer."""
WHO = re.compile(r"\b(?:who|whose|whom|quién|wer|qui)\b")
WHEN = re.compile(r"\b(?:when|what (?:year|date|day|month|time)|how long|wann|cuándo|quand)\b")
HOW_MANY = re.compile(r"\b(?:how (?:many|much|old|far|often|tall|big|large)|what percent\w*)\b")
WHERE = re.compile(r"\b(?:where|which (?:city|country|state)|wo|dónde|où)\b")
ASKS = re.compile(
    r"(?:who|whose|whom|what|when|where|why|which|how|is|are|was|were|do|does|did|can|could|will"
    r"|would|should|has|have|had|may|in (?:what|which)|wer|wie|was|wo|wann|warum|qui|quel|où"
    r"|comment|quién|qué|cómo|dónde)\b"
)

TREATED = """
    summarize summarise summary sum tldr tl dr overview recap outline abstract rewrite rephrase
    paraphrase shorten simplify translate extract list describe description write draft explain
    fasse fass zusammen zusammenfassung übersetze résume resume resumen
"""
"""What is done with a text or with data that are at hand …"""
MATERIAL = """
    document documents text article passage passages content contents context page file
    conversation transcript chat thread email message letter report data table json information
    info source sources material story news paper study section paragraph paragraphs excerpt
    snippet business company product listing record profile notes meeting following provided
    given attached above below structured format bullet point points fact facts takeaway takeaways
    idea ideas sentence sentences word words line lines key main important short brief concise
    detailed simple plain english german french spanish make give create provide generate produce
    need want like based use using only within one two three four five six seven eight nine ten
    den dem diesen folgenden
"""
"""… and words that say nothing about what it is about."""
SAID_OF_ANY = frozenset(content_words(f"{TREATED} {MATERIAL}"))
DONE = frozenset(content_words(TREATED))
MATERIAL_CHARACTERS = 400
"""So much of the contexts tells what they are about."""


def is_order(prompt: str) -> bool:
    """Whether a prompt asks for no answer but for a text or a deed: it is not put as a question.

    What is ordered may share no word with the order, as a poem does with "Write a poem".
    """
    asked = question_of(prompt).lower()
    return not any(mark in asked for mark in "?？") and not ASKS.match(asked)


def is_about_contexts(prompt: str) -> bool:
    """Whether what is ordered can only be about the contexts: "Summarise the document."."""
    if not is_order(prompt):
        return False
    asked = {word for word in content_words(question_of(prompt)) if not word.isdigit()}
    return bool(asked & DONE) and asked <= SAID_OF_ANY


def whole_prompt(prompt: str, contexts: Sequence[str]) -> str:
    """The prompt, with how the contexts begin where only they tell what it is about."""
    material = " ".join(contexts).strip()[:MATERIAL_CHARACTERS]
    if not material or not is_about_contexts(prompt):
        return prompt
    return f"{question_of(prompt)}\n\n{material}"


def has_sentences(response: str) -> bool:
    """Whether a response has more than one sentence, as answers of people do."""
    return len(split_sentences(response[:READ_CHARACTERS])) > 1


def answer_signals(prompt: str, response: str) -> list[float]:
    """Overlap with the question, evasion, and whether the kind of answer fits."""
    question, text = question_of(prompt), response[:READ_CHARACTERS]
    sentences = [text[span.start : span.end] for span in split_sentences(text)]
    refusing = [is_refusal(sentence) for sentence in sentences]
    n = len(sentences) or 1
    return [
        *_overlap(question, text),
        *_kind(question, text),
        sum(refusing) / n,
        float(bool(refusing) and refusing[0]),
        sum(is_small_talk(sentence) for sentence in sentences) / n,
        math.log1p(len(words(text))) / 6,
        float(len(words(text)) <= 4),
    ]


def passage_signals(prompt: str, context: str) -> list[float]:
    """Overlap with the question, and whether the passage holds the kind of answer it wants."""
    question, text = question_of(prompt), context[:READ_CHARACTERS]
    return [*_overlap(question, text), *_kind(question, text)]


def _overlap(question: str, text: str) -> list[float]:
    asked, said = set(content_words(question)), set(content_words(text))
    n = len(asked) or 1
    return [
        len(asked & said) / n,
        len(said - asked) / (len(said) or 1),
        float(bool(said) and not said - asked),
    ]


def _kind(question: str, text: str) -> list[float]:
    """Whether a name or a number that is asked for is given; 0 where none is asked for."""
    asked = question.lower()
    known = names(question) | set(words(question))
    has_name = bool(names(f"x {text}") - known)
    has_number = bool(numbers(text) - numbers(question))
    wants_name = bool(WHO.search(asked) or WHERE.search(asked))
    wants_number = bool(WHEN.search(asked) or HOW_MANY.search(asked))
    return [
        float(wants_name and has_name) - float(wants_name and not has_name),
        float(wants_number and has_number) - float(wants_number and not has_number),
    ]
