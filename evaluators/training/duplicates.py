"""Training rows that nearly equal measured rows, found by the runs of words that they share.

A text is the set of its runs of eight words (a shorter text is one run), as 64-bit hashes; the
overlap of a text is the share of its runs that occur anywhere in the measured texts. Shared runs of
eight words are the test for contamination of GPT-3 (Brown et al. 2020, appendix C, with 13 words)
and of PaLM (Chowdhery et al. 2022, section 8, with eight).
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluators.training.rows import Row, Source, read_rows

RUN = 8
"""How many words make a run."""
SHARE = 0.5
"""From which share of known runs on a text counts as known."""
WORD = re.compile(r"[^\W_]+")
FACTOR = np.uint64(0x9E3779B97F4A7C15)

Hashes = NDArray[np.uint64]


def run_hashes(texts: Sequence[str]) -> tuple[Hashes, NDArray[np.int64]]:
    """The hashes of all runs of all texts, and the index of the text that each belongs to.

    A text without any word has no run. Case and punctuation do not count.
    """
    words = [WORD.findall(text.casefold()) for text in texts]
    padded = [own + [""] * (RUN - len(own)) for own in words if own]
    lengths = np.array([len(own) for own in padded], dtype=np.int64)
    if not padded:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    numbers = _numbers([word for own in padded for word in own])
    hashes = np.zeros(len(numbers) - RUN + 1, dtype=np.uint64)
    for offset in range(RUN):
        hashes = hashes * FACTOR + numbers[offset : len(numbers) - RUN + 1 + offset]
    owners = np.array([index for index, own in enumerate(words) if own], dtype=np.int64)
    owner = np.repeat(owners, lengths)[: len(hashes)]
    left = np.repeat(np.cumsum(lengths), lengths)[: len(hashes)] - np.arange(len(hashes))
    return hashes[left >= RUN], owner[left >= RUN]


def _numbers(words: list[str]) -> Hashes:
    known = {word: np.uint64(hash_word(word)) for word in set(words)}
    return np.array([known[word] for word in words], dtype=np.uint64)


def hash_word(word: str) -> int:
    """A 64-bit number for a word that is the same in every run (FNV-1a of its UTF-8 bytes)."""
    value = 0xCBF29CE484222325
    for byte in word.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def overlaps(texts: Sequence[str], measured: Hashes) -> NDArray[np.float64]:
    """The share of each text's runs that stand among these; 0 for a text without words."""
    hashes, owner = run_hashes(texts)
    found = np.bincount(owner[np.isin(hashes, measured)], minlength=len(texts))
    total = np.bincount(owner, minlength=len(texts))
    return np.asarray(found / np.maximum(total, 1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Measured:
    """The runs of the measured rows, by the field that they stand in."""

    prompts: Hashes
    responses: Hashes
    contexts: Hashes

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Measured":
        samples = [row.sample for row in rows]
        return cls(
            prompts=_known(sample.prompt for sample in samples),
            responses=_known(sample.response for sample in samples),
            contexts=_known(text for sample in samples for text in sample.contexts),
        )


def _known(texts: Iterable[str]) -> Hashes:
    return np.unique(run_hashes(list(dict.fromkeys(texts)))[0])


def near_duplicates(
    rows: Sequence[Row], measured: Measured, share: float = SHARE
) -> NDArray[np.bool_]:
    """Whether each training row nearly equals measured rows.

    A row with contexts does if its contexts are known, because rows about one document must not
    stand on both sides; a row without does if both its prompt and its response are known, so that
    "Yes." to a new question stays. Of those, a field without words does not count.
    """
    contexts = overlaps([" ".join(row.sample.contexts) for row in rows], measured.contexts)
    prompts = overlaps([row.sample.prompt for row in rows], measured.prompts)
    responses = overlaps([row.sample.response for row in rows], measured.responses)
    has_contexts = np.array([row.sample.has("contexts") for row in rows], dtype=bool)
    has_prompt = np.array([row.sample.has("prompt") for row in rows], dtype=bool)
    has_response = np.array([row.sample.has("response") for row in rows], dtype=bool)
    wording = ((prompts >= share) | ~has_prompt) & ((responses >= share) | ~has_response)
    known = np.where(has_contexts, contexts >= share, wording & (has_prompt | has_response))
    return np.asarray(known, dtype=np.bool_)


def drop_near_duplicates(
    rows: Sequence[Row], measured: Measured, share: float = SHARE
) -> tuple[list[Row], Counter[str]]:
    """The rows that equal no measured row, and how many were dropped of each source."""
    known = near_duplicates(rows, measured, share)
    kept = [row for row, is_known in zip(rows, known, strict=True) if not is_known]
    dropped = Counter(row.source for row, is_known in zip(rows, known, strict=True) if is_known)
    return kept, dropped


@cache
def measured_rows(data: Path) -> Measured:
    """Every development row of every criterion."""
    paths = sorted(path for path in data.glob("*/*.dev.jsonl.gz") if path.parent.name != "chat")
    return Measured.of(row for path in paths for row in read_rows(path))


def training_rows(source: Source, data: Path, criterion: str) -> list[Row]:
    """The picked training rows of a set, without those that nearly equal a development row."""
    return drop_near_duplicates(source.rows(data, criterion, "train"), measured_rows(data))[0]


def main(arguments: Sequence[str]) -> None:
    """Print how many rows of every training file nearly equal a development row."""
    parser = argparse.ArgumentParser(prog="python -m evaluators.training.duplicates")
    parser.add_argument("data", type=Path, help="the folder of labelled lines, one per criterion")
    data = parser.parse_args(arguments).data
    for path in sorted(data.glob("*/*.train.jsonl.gz")):
        rows = list(read_rows(path))
        dropped = int(near_duplicates(rows, measured_rows(data)).sum())
        print(f"{path.parent.name}/{path.name}: {dropped} of {len(rows)} rows")


if __name__ == "__main__":
    main(sys.argv[1:])
