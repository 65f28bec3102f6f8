"""Reads the labelled lines that heads are trained on, and picks subsets that never change."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluators.protocol import Sample


class RowsError(Exception):
    """A file of labelled lines is absent or malformed; the sentence says where."""


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled line."""

    id: str
    source: str
    sample: Sample
    label: int
    extra: dict[str, Any] = field(default_factory=dict)
    """The other fields of the line, such as spans, kind, system or pair_id."""


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a JSON Lines file, plain or gzip; RowsError names the line that is wrong."""
    if not path.is_file():
        raise RowsError(f"there is no file {path}")
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield parse_row(line, where=f"{path}, line {number}")


CHATS = "chat/halueval_general.dev.jsonl.gz"
"""Answers of a general chatbot to people's instructions, used for choosing thresholds."""
CHATS_READ = 250


def parse_row(line: str, *, where: str) -> Row:
    """One line as a Row, or RowsError naming the place."""
    try:
        value = json.loads(line)
        sample = Sample(
            prompt=value.pop("prompt", "") or "",
            response=value.pop("response", "") or "",
            contexts=tuple(value.pop("contexts", None) or ()),
        )
        return Row(
            id=str(value.pop("id", where)),
            source=value.pop("source", ""),
            sample=sample,
            label=int(value.pop("label")),
            extra=value,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"the field {error} is missing" if isinstance(error, KeyError) else str(error)
        raise RowsError(f"{where}: {reason}") from None


def rank(key: str) -> float:
    """A number in [0, 1) that depends on the key only, spread evenly over keys."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64


def pick_rows(rows: list[Row], limit: int | None) -> list[Row]:
    """At most `limit` rows, chosen by their ids, so that the choice is the same everywhere."""
    ordered = sorted(rows, key=lambda row: (rank(row.id), row.id))
    return ordered[:limit]


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset that a head learns from or is measured on."""

    name: str
    licence: str = ""
    limit: int | None = None
    folder: str = ""
    """The folder of the data directory, where it is not the criterion's own."""

    def path(self, data: Path, criterion: str, split: str) -> Path:
        return data / (self.folder or criterion) / f"{self.name}.{split}.jsonl.gz"

    def rows(self, data: Path, criterion: str, split: str) -> list[Row]:
        """The picked rows of one split."""
        return pick_rows(list(read_rows(self.path(data, criterion, split))), self.limit)


def read_chats(path: Path, limit: int) -> list[Row]:
    """The first exchange of picked conversations, as rows of label 1: an answer to a prompt."""
    if not path.is_file():
        raise RowsError(f"there is no file {path}")
    rows = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            chat = json.loads(line)
            asked, answered = chat["messages"][:2]
            sample = Sample(asked["content"], answered["content"])
            if sample.has("prompt") and sample.has("response"):
                rows.append(Row(chat["id"], chat["source"], sample, 1))
    return pick_rows(rows, limit)
