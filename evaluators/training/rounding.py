"""Finds the ranges that int8 needs: the encoders read texts of the training sets."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from evaluators.engine import ENCODER, MAX_TOKENS, Tokens, find_encoder
from evaluators.heads.bert import Bert, read_bert
from evaluators.heads.ranges import Ranges, find_ranges, write_ranges
from evaluators.heads.sequences import Tokenizer, single
from evaluators.heads.tuned import tuned_bert
from evaluators.training import pairing
from evaluators.training.encoders import pair_bags, text_bags
from evaluators.training.progress import Progress, no_progress
from evaluators.training.tuning import Bag
from evaluators.weights import BUNDLED, bundled_encoder

READ = 3000
"""How many sequences each encoder reads."""


def train_ranges(data: Path, out: Path, progress: Progress = no_progress) -> dict[str, object]:
    """Write the ranges of the three encoders and return the entry of their file.

    The fine-tuned encoders are those of `out` where it has some, and the bundled ones elsewhere.
    """
    folder = out if (out / "encoders.json").is_file() else BUNDLED
    base, tokenizer = find_encoder(), Tokenizer(find_encoder())
    found: dict[str, tuple[str, Ranges]] = {}
    pair, text = bundled_encoder("pair", folder), bundled_encoder("text", folder)
    for name, one, bags in (("pair", pair, pair_bags), ("text", text, text_bags)):
        read = _sample(bags(data, tokenizer).bags)
        found[name] = one.sha256, _ranges(tuned_bert(base, one.path), read, name, progress)
    texts = list(_texts(data, tokenizer))
    found["base"] = ENCODER.sha256, _ranges(read_bert(base, "cpu"), texts, "base", progress)
    return write_ranges(found, out)


def _sample(bags: Sequence[Bag]) -> list[Tokens]:
    chosen = Random(3).sample(bags, min(READ, len(bags)))
    return [Random(number).choice(bag.sequences) for number, bag in enumerate(chosen)]


def _texts(data: Path, tokenizer: Tokenizer) -> Iterator[Tokens]:
    """Prompts, answers and passages, the long ones at full length."""
    examples = [*pairing.answer_examples(data), *pairing.context_examples(data)]
    texts = sorted({text for one in examples for text in (one.prompt, one.text) if text.strip()})
    chosen = Random(3).sample(texts, min(READ, len(texts)))
    return map(single, tokenizer.ids(chosen, MAX_TOKENS - 2))


def _ranges(bert: Bert, read: Sequence[Tokens], name: str, progress: Progress) -> Ranges:
    def told() -> Iterator[Tokens]:
        for number, one in enumerate(read, start=1):
            progress(f"reading for int8: {name}", number, len(read))
            yield one

    return find_ranges(bert, told())
