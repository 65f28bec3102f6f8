"""The examples that the two relevance heads learn from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from evaluators.training.rows import Row, Source, rank

ANSWERS = (
    Source("squad1_sentence", "CC BY-SA 4.0", 2600),
    Source("ares_answer", "Apache-2.0", 1600),
    Source("xstest_refusals", "CC BY 4.0", 600, folder="refusal"),
    Source("alce_utility", "MIT", 400, folder="informativeness"),
    Source("mtrag_human", "Apache-2.0", 300, folder="informativeness"),
    Source("expertqa_informativeness", "MIT", folder="informativeness"),
)
ANSWERS_DEV = (
    Source("squad1_sentence", limit=900),
    Source("wikiqa", limit=700),
    Source("trecqa", limit=500),
    Source("expertqa_informativeness", limit=300, folder="informativeness"),
)
CONTEXTS = (
    Source("ares_context", "Apache-2.0", 900),
    Source("squad1_sentence", "CC BY-SA 4.0", 1800, folder="answer_relevance"),
    Source("squad1_qa", "CC BY-SA 4.0", 400, folder="groundedness"),
)
CONTEXTS_DEV = (
    Source("msmarco_trulens"),
    Source("squad1_sentence", limit=500, folder="answer_relevance"),
)
GRADES = {"expertqa_informativeness": (1, 3), "mtrag_human": (0, 2), "alce_utility": (1, 3)}
"""Up to which grade an answer is off point, and from which it is to the point."""

SHARE = 0.8
"""The share of prompts that is read, chosen by hash, so that a run takes minutes."""


def is_held_apart(example: "PairExample", share: float) -> bool:
    """Whether an example is left to the calibration: the first prompts by hash."""
    return example.group < share * SHARE


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


def answer_examples(data: Path, *, seed: int = 7) -> list[PairExample]:
    """Prompts with answers, evasions, refusals, echoes and answers to other prompts."""
    random = Random(seed)
    examples = [
        example
        for source in ANSWERS
        for row in source.rows(data, "answer_relevance", "train")
        for example in _answer(row)
    ]
    whole = [one for one in examples if one.label == 1]
    examples += _mismatched(whole, random, share=0.3)
    examples += [_echo(one, random) for one in random.sample(whole, min(150, len(whole)))]
    examples += list(_evasions(whole, random))
    kept = [one for one in examples if one.group < SHARE]
    return sorted(kept, key=lambda example: (example.group, example.id))


def context_examples(data: Path, *, seed: int = 7) -> list[PairExample]:
    """Prompts with passages that help and passages that do not."""
    random = Random(seed)
    examples = [
        example
        for source in CONTEXTS
        for row in source.rows(data, "context_relevance", "train")
        for example in _context(row)
    ]
    whole = [one for one in examples if one.label == 1]
    examples += _mismatched(whole, random, share=0.35)
    kept = [one for one in examples if one.group < SHARE]
    return sorted(kept, key=lambda example: (example.group, example.id))


def dev_pairs(data: Path, source: Source, criterion: str) -> list[PairExample]:
    """The picked rows of a development set as pairs."""
    make = _answer if criterion == "answer_relevance" else _context
    return [one for row in source.rows(data, criterion, "dev") for one in make(row)]


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
