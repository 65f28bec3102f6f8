"""Sentence vectors on disk, so that a second training run need not encode again."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluators.engine import Encoder
from evaluators.training.caching import Progress, no_progress

CHUNK = 512


class VectorCache:
    """Encodes texts to unit vectors in half precision and keeps them in one file."""

    def __init__(
        self, encoder: Encoder, path: Path | None, progress: Progress = no_progress
    ) -> None:
        self._encoder = encoder
        self._path = path
        self._progress = progress
        self._rows: dict[bytes, NDArray[np.float16]] = {}
        self._saved_at = time.monotonic()
        if path is not None and path.is_file():
            with np.load(path) as stored:
                keys = [key.tobytes() for key in stored["keys"]]
                self._rows = dict(zip(keys, stored["vectors"], strict=True))

    def prepare(self, texts: Iterable[str], what: str = "encoding") -> None:
        """Make the vectors of all texts available."""
        unique = {_key(text): text for text in texts}
        missing = sorted((text for key, text in unique.items() if key not in self._rows), key=len)
        for start in range(0, len(missing), CHUNK):
            chunk = missing[start : start + CHUNK]
            for text, encoded in zip(chunk, self._encoder.encode(chunk), strict=True):
                self._rows[_key(text)] = encoded.vector.astype(np.float16)
            self._progress(what, min(start + CHUNK, len(missing)), len(missing))
            if time.monotonic() - self._saved_at > 120:
                self.save()
        if missing:
            self.save()

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of prepared texts, shape (texts, width)."""
        return np.stack([self._rows[_key(text)] for text in texts]).astype(np.float32)

    def save(self) -> None:
        """Write all vectors to the file, if there is one."""
        self._saved_at = time.monotonic()
        if self._path is None:
            return
        keys = np.frombuffer(b"".join(self._rows), dtype=np.uint8).reshape(-1, 16)
        np.savez(self._path, keys=keys, vectors=np.stack(list(self._rows.values())))


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[:16]
