"""Which rows a run learned from: files and digests, the same for the same data on any machine.

The manifest lies beside the weights, and the card cites its digest. It names no path of the
machine and holds no time, so that two runs on the same data write the same bytes.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from evaluators.engine import file_digest
from evaluators.training.rows import Row


@dataclass(frozen=True, slots=True)
class UsedFile:
    """A file of labelled lines and what was taken from it."""

    file: str
    """The path inside the data folder, with forward slashes."""
    sha256: str
    rows_used: int
    label_1: int
    """How many of the used rows have label 1."""
    rows_digest: str
    """The sha256 of the used rows' ids in order, one a line: which rows, and in which order."""


def used_file(path: Path, data: Path, rows: Sequence[Row]) -> UsedFile:
    """What a run took from one file."""
    ids = "".join(f"{row.id}\n" for row in rows)
    return UsedFile(
        file=path.relative_to(data).as_posix(),
        sha256=file_digest(path),
        rows_used=len(rows),
        label_1=sum(row.label for row in rows),
        rows_digest=hashlib.sha256(ids.encode()).hexdigest(),
    )


def write_data_manifest(
    path: Path, used: Iterable[UsedFile], *, seed: int, dropped: Counter[str] | None = None
) -> str:
    """Write the manifest, files in the order of their names, and return its sha256.

    `dropped` says how many rows of each source were left out as near duplicates.
    """
    files = sorted((asdict(one) for one in used), key=lambda one: one["file"])
    near = dict(sorted((dropped or Counter()).items()))
    text = json.dumps({"seed": seed, "near_duplicates_dropped": near, "files": files}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    return file_digest(path)


def changed_files(path: Path, data: Path) -> list[str]:
    """The files of a manifest that are absent from a data folder or have other bytes there."""
    files = json.loads(path.read_text(encoding="utf-8"))["files"]
    return [
        one["file"]
        for one in files
        if not (data / one["file"]).is_file() or file_digest(data / one["file"]) != one["sha256"]
    ]
