"""The examples that the two relevance heads learn from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random

from evaluators.signals import content_words
from evaluators.training.duplicates import training_rows
from evaluators.training.rows import Row, Source, rank
from evaluators.training.written import Exchange, Half, written_exchanges

ANSWERS = (
    Source("squad1_sentence", "CC BY-SA 4.0", 16_000),
    Source("ares_answer", "Apache-2.0", 6000),
    Source("xstest_refusals", "CC BY 4.0", 2000, folder="refusal"),
    Source("alce_utility", "MIT", folder="informativeness"),
    Source("mtrag_human", "Apache-2.0", folder="informativeness"),
    Source("expertqa_informativeness", "MIT", folder="informativeness"),
)
ANSWERS_DEV = (
    Source("squad1_sentence", limit=1500),
    Source("wikiqa"),
    Source("trecqa"),
    Source("expertqa_informativeness", limit=400, folder="informativeness"),
)
CONTEXTS = (
    Source("ares_context", "Apache-2.0", 5000),
    Source("squad1_sentence", "CC BY-SA 4.0", 6000, folder="answer_relevance"),
)
PASSAGES = Source("squad1_qa", "CC BY-SA 4.0", 12_000, folder="groundedness")
"""Whose paragraphs are also read beside questions about other paragraphs of the same article."""
PASSAGES_READ = 5000
NEAREST_SHARE = 0.5
"""How often the other paragraph is the one that shares most words with the question."""
CONTEXTS_DEV = (
    Source("msmarco_trulens"),
    Source("squad1_sentence", limit=500, folder="answer_relevance"),
)
HELD_APART = 0.1
"""The share of prompts, by hash, that only the last step and its calibration see."""
GRADES = {"expertqa_informativeness": (1, 3), "mtrag_human": (0, 2), "alce_utility": (1, 3)}
"""Up to which grade an answer is off point, and from which it is to the point."""


@dataclass(frozen=True, slots=True)
class PairExample:
    """A prompt and a text with the truth about them."""

    id: str
    source: str
    prompt: str
    text: str
    label: int

    @property
    def group(self) -> float:
        """The same number in [0, 1) for all examples of one prompt."""
        return rank(self.prompt)


def is_held_apart(example: PairExample) -> bool:
    """Whether an example is left to the last step: the first prompts by hash."""
    return example.group < HELD_APART


def answer_examples(data: Path, *, seed: int = 5) -> list[PairExample]:
    """Prompts with answers, evasions, refusals, echoes and answers to other prompts."""
    random = Random(seed)
    examples = [
        example
        for source in ANSWERS
        for row in training_rows(source, data, "answer_relevance")
        for example in _answer(row)
    ]
    whole = [one for one in examples if one.label == 1]
    examples += _mismatched(whole, random, share=0.25)
    examples += [_echo(one, random) for one in random.sample(whole, min(300, len(whole)))]
    return [*examples, *_evasions(whole, random), *_evasions(whole, random)]


def context_examples(data: Path, *, seed: int = 5) -> list[PairExample]:
    """Prompts with passages that help and passages that do not."""
    examples = [
        example
        for source in CONTEXTS
        for row in training_rows(source, data, "context_relevance")
        for example in _context(row)
    ]
    return examples + _siblings(data, Random(seed))


def _siblings(data: Path, random: Random) -> list[PairExample]:
    """Questions with their paragraph, and with another paragraph of the same article."""
    rows = [row for row in training_rows(PASSAGES, data, "") if row.label == 1]
    articles: dict[str, list[Row]] = {}
    for row in rows:
        articles.setdefault(row.id.split("-")[2], []).append(row)
    made = []
    for row in random.sample(rows, min(PASSAGES_READ, len(rows))):
        article = articles[row.id.split("-")[2]]
        others = [one for one in article if one.sample.contexts != row.sample.contexts]
        is_near = random.random() < NEAREST_SHARE
        other = _nearest(row, others) if others and is_near else random.choice(others or rows)
        prompt, passage = row.sample.prompt, row.sample.contexts[0]
        made.append(PairExample(row.id, "paragraphs", prompt, passage, 1))
        made.append(PairExample(f"{row.id}-x", "paragraphs", prompt, other.sample.contexts[0], 0))
    return made


def _nearest(row: Row, others: Sequence[Row]) -> Row:
    """The row whose paragraph shares most words that carry meaning with the row's question."""
    asked = set(content_words(row.sample.prompt))
    return max(others, key=lambda one: len(asked & _paragraph_words(one.sample.contexts[0])))


@lru_cache(maxsize=20_000)
def _paragraph_words(paragraph: str) -> frozenset[str]:
    return frozenset(content_words(paragraph))


def dev_pairs(data: Path, source: Source, criterion: str) -> list[PairExample]:
    """The picked rows of a development set as pairs."""
    make = _answer if criterion == "answer_relevance" else _context
    return [one for row in source.rows(data, criterion, "dev") for one in make(row)]


def written_examples(half: Half, *, seed: int = 5) -> list[PairExample]:
    """Orders and questions of customers with their answers, with those of others, and evaded."""
    random = Random(seed)
    orders, questions = written_exchanges("orders", half), written_exchanges("help", half)
    examples = []
    for number, one in enumerate(orders):
        others = [orders[(number + step) % len(orders)].response for step in (1, 2)]
        examples += _answered("orders", one, [*others, random.choice(EVASIONS)])
    for one in questions:
        near = [other for other in questions if other.topic == one.topic and other is not one]
        far = [other for other in questions if other.topic != one.topic]
        chosen = [*random.sample(near, min(1, len(near))), random.choice(far)]
        others = [other.response for other in chosen]
        examples += _answered("help", one, [*others, random.choice(EVASIONS)])
        examples.append(_polite(one))
    return examples


def _answered(source: str, one: Exchange, wrong: Sequence[str]) -> list[PairExample]:
    return [
        PairExample(f"{one.id}-{place}", source, one.prompt, text, int(place == 0))
        for place, text in enumerate([one.response, *wrong])
    ]


def _polite(one: Exchange) -> PairExample:
    prompt, text = f"Good morning. {one.prompt}", f"Happy to help. {one.response}"
    return PairExample(f"{one.id}-polite", "help", prompt, text, 1)


def chat_pairs(rows: Sequence[Row]) -> list[PairExample]:
    """Every prompt with its answer, and with the answer to the prompt before it."""
    pairs = []
    for row, other in zip(rows, [*rows[-1:], *rows[:-1]], strict=True):
        prompt = row.sample.prompt
        pairs.append(PairExample(row.id, row.source, prompt, row.sample.response, 1))
        pairs.append(PairExample(f"{row.id}-other", row.source, prompt, other.sample.response, 0))
    return pairs


def _answer(row: Row) -> Iterator[PairExample]:
    label = row.label
    if row.source in GRADES:
        low, high = GRADES[row.source]
        if low < label < high:
            return
        label = int(label >= high)
    if row.sample.prompt.strip() and row.sample.response.strip():
        yield PairExample(row.id, row.source, row.sample.prompt, row.sample.response, label)


def _context(row: Row) -> Iterator[PairExample]:
    texts = row.sample.contexts or (row.sample.response,)
    label = 1 if row.source == "squad1_qa" else row.label
    for number, text in enumerate(texts):
        if row.sample.prompt.strip() and text.strip():
            yield PairExample(f"{row.id}-{number}", row.source, row.sample.prompt, text, label)


def _mismatched(
    examples: Sequence[PairExample], random: Random, *, share: float
) -> list[PairExample]:
    """Texts under the prompts of other examples of the same source."""
    by_source: dict[str, list[PairExample]] = {}
    for example in examples:
        by_source.setdefault(example.source, []).append(example)
    return [
        PairExample(f"{one.id}-other", "mismatched", one.prompt, random.choice(group).text, 0)
        for group in by_source.values()
        for one in group
        if random.random() < share and len(group) > 20
    ]


def _echo(example: PairExample, random: Random) -> PairExample:
    opening = random.choice(("", "You asked: ", "You would like to know: ", "Good question. "))
    return PairExample(f"{example.id}-echo", "echo", example.prompt, opening + example.prompt, 0)


EVASIONS = (
    "I'm sorry, but I can't help with that.",
    "I don't know the answer to that question.",
    "That depends on many things.",
    "Please contact our support team for more information.",
    "There are many opinions about this topic.",
    "I could not find any information about this in the documents.",
    "It is hard to say.",
    "You should ask an expert.",
    "Thank you for your question! We value your interest.",
    "Please have a look at our website.",
    "That is a very interesting question, and people have been discussing it for years.",
    "As an AI language model, I cannot answer this.",
    "The provided context does not mention this.",
    "Unfortunately this is not something that I can answer at the moment.",
)


def _evasions(examples: Sequence[PairExample], random: Random) -> Iterator[PairExample]:
    """Prompts answered with a phrase that answers nothing."""
    for one in random.sample(examples, min(350, len(examples))):
        text = random.choice(EVASIONS)
        yield PairExample(f"{one.id}-evasion", "evasion", one.prompt, text, 0)
