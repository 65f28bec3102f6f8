"""Keeps computed features on disk, so that a second training run need not compute them again."""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float16]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is."""

CHUNK = 32
SAVE_SECONDS = 120


def no_progress(what: str, done: int, total: int) -> None:
    """A Progress that shows nothing."""


def text_key(*texts: str) -> bytes:
    """A key that differs whenever a text differs."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode("utf-8", "replace") + b"\x00")
    return digest.digest()[:16]


class FeatureCache:
    """Feature rows by key: each key has any number of rows of one width."""

    def __init__(self, path: Path | None, progress: Progress = no_progress) -> None:
        self._path = path
        self._progress = progress
        self._rows: dict[bytes, Rows] = {}
        self._saved_at = time.monotonic()
        if path is not None and path.is_file():
            with np.load(path) as stored:
                keys, starts, rows = stored["keys"], stored["starts"], stored["rows"]
            for number, key in enumerate(keys):
                self._rows[key.tobytes()] = rows[starts[number] : starts[number + 1]]

    def collect(
        self, keys: Sequence[bytes], compute: Callable[[list[int]], list[Rows]], what: str
    ) -> list[Rows]:
        """The rows of every key; `compute` is given the indices of keys that are not held."""
        missing = [i for i, key in enumerate(keys) if key not in self._rows]
        for start in range(0, len(missing), CHUNK):
            chunk = missing[start : start + CHUNK]
            for index, rows in zip(chunk, compute(chunk), strict=True):
                self._rows[keys[index]] = rows
            self._progress(what, start + len(chunk), len(missing))
            if time.monotonic() - self._saved_at > SAVE_SECONDS:
                self.save()
        if missing:
            self.save()
        return [self._rows[key] for key in keys]

    def save(self) -> None:
        """Write everything to the file, if there is one."""
        self._saved_at = time.monotonic()
        if self._path is None:
            return
        keys = np.frombuffer(b"".join(self._rows), dtype=np.uint8).reshape(-1, 16)
        starts = np.cumsum([0, *(len(rows) for rows in self._rows.values())])
        filled = [rows for rows in self._rows.values() if len(rows)]
        np.savez(self._path, keys=keys, starts=starts, rows=np.concatenate(filled))
