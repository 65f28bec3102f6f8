"""Interactions of a realistic size to measure speed with, the same in every run.

Each is different: three contexts of 150 words and an answer of 60 to 200 words, of whose sentences
a share is copied from the contexts, so that the judges find what they look for.
"""

import random
from dataclasses import asdict

from evaluators.protocol import Sample

CONTEXTS = 3
CONTEXT_WORDS = 150
ANSWER_WORDS = (60, 200)
COPIED = 0.7
"""The share of an answer's sentences that stand in a context word for word."""

SUBJECTS = """customers; the support team; our warehouse in {city}; drivers in {city};
the insurance; every subscriber of the {plan} plan; new members; the {plan} contract;
a returned parcel;
the billing department; the mobile application; the doctor on duty; the council of {city};
a damaged device"""
VERBS = """can ask for; has to confirm; receives; will replace; does not cover; must report; keeps;
sends back; may cancel; is charged for; normally finishes; never shares"""
OBJECTS = """a refund of {n} euros; the order within {n} days; up to {n} appointments a year;
the receipt number {n}; a deposit of {n} percent; documents older than {n} months;
the meter reading of {month}; an invoice dated {n} {month}; the repair in {city};
all personal data"""
ENDINGS = """by email or by telephone; without giving a reason; as long as the seal is unbroken;
after the request was approved; unless the terms of {month} say otherwise; free of charge;
at the counter in {city}; through the customer portal; before the end of {month}"""
WORDS = {
    "city": ("Hamburg", "Lyon", "Porto", "Graz", "Leeds", "Turin", "Ghent", "Malmo", "Krakow"),
    "plan": ("basic", "family", "premium", "student", "business", "travel"),
    "month": ("January", "February", "March", "April", "June", "July", "August", "October"),
}


def realistic_samples(count: int, *, seed: int = 1, copied: float = COPIED) -> list[Sample]:
    """That many different interactions, with this share of their answers copied."""
    chance = random.Random(seed)
    return [_sample(chance, copied) for _ in range(count)]


def sample_json(sample: Sample) -> dict[str, object]:
    """An interaction as `POST /api/v1/score` and `touchstone import` take it."""
    return {**asdict(sample), "contexts": list(sample.contexts)}


def _sample(chance: random.Random, copied: float) -> Sample:
    contexts = [_text(chance, CONTEXT_WORDS) for _ in range(CONTEXTS)]
    said = [sentence for text in contexts for sentence in text]
    wanted = chance.randint(*ANSWER_WORDS)
    answer: list[str] = []
    while sum(len(sentence.split()) for sentence in answer) < wanted:
        answer.append(chance.choice(said) if chance.random() < copied else _sentence(chance))
    asked = " ".join(_filled(chance, _one(chance, kind)) for kind in (SUBJECTS, VERBS, OBJECTS))
    texts = tuple(" ".join(text) for text in contexts)
    return Sample(f"What happens when {asked}?", " ".join(answer), texts)


def _text(chance: random.Random, words: int) -> list[str]:
    sentences: list[str] = []
    while sum(len(sentence.split()) for sentence in sentences) < words:
        sentences.append(_sentence(chance))
    return sentences


def _sentence(chance: random.Random) -> str:
    parts = [_filled(chance, _one(chance, kind)) for kind in (SUBJECTS, VERBS, OBJECTS, ENDINGS)]
    sentence = " ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _one(chance: random.Random, listed: str) -> str:
    return chance.choice([" ".join(one.split()) for one in listed.split(";")])


def _filled(chance: random.Random, pattern: str) -> str:
    chosen = {name: chance.choice(words) for name, words in WORDS.items()}
    return pattern.format(n=chance.randint(2, 9999), **chosen)
