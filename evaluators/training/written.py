"""Lines that we wrote: about groups, hateful ones, exchanges; a part of them is only measured.

Five files of JSON Lines lie in `written/`: `identity` (neutral and positive statements about
groups), `stereotypes` (each with a twin that names the same group and generalises nothing),
`speech` (counter-speech, quotations, rights, reclaimed words, oaths without a target, harsh but
harmless words, harmless disguises), `toxic` (by category, some disguised by digits or spaces) and
`languages` (service talk and insults in other languages than English).
`toxic` is None where a line says nothing about toxicity: stereotypes told in calm words.
Two more hold prompts with responses: `orders` (prompts that ask for a text or a deed) and `help`
(questions of customers with answers as people give them, by topic).
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).with_name("written")
FILES = ("identity", "stereotypes", "speech", "toxic", "languages")
MEASURED_SHARE = {
    "identity": 0.87,
    "stereotypes": 0.25,
    "speech": 0.25,
    "toxic": 0.25,
    "languages": 0.25,
    "orders": 0.3,
    "help": 0.3,
}
"""The share of each file that no head may be trained on; pairs stay together."""

Half = Literal["train", "measured"]


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence that we wrote, with what it is said to be."""

    id: str
    text: str
    group: str | None
    kind: str
    toxic: int | None
    biased: int
    category: str | None = None
    pair_id: str | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """A prompt that we wrote, with a response that answers it."""

    id: str
    prompt: str
    response: str
    topic: str = ""


def written_lines(name: str, half: Half | None = None) -> list[Line]:
    """The lines of a file of `FILES`, in the file's order: all, or those of one half."""
    lines = [Line(**one) for one in _read(name)]
    return [line for line in lines if half in (None, half_of(name, line))]


def written_exchanges(name: Literal["orders", "help"], half: Half) -> list[Exchange]:
    """The exchanges of one half of a file, in the file's order."""
    exchanges = [Exchange(**one) for one in _read(name)]
    return [one for one in exchanges if half_of(name, one) == half]


def _read(name: str) -> list[dict[str, Any]]:
    text = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def half_of(name: str, line: Line | Exchange) -> Half:
    """Whether a line may be trained on, by a hash of its pair or id that never changes."""
    key = line.pair_id or line.id if isinstance(line, Line) else line.id
    digest = hashlib.sha256(key.encode()).digest()
    share = int.from_bytes(digest[:4], "big") / 2**32
    return "measured" if share < MEASURED_SHARE[name] else "train"
