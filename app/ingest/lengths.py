"""Texts too long to be judged or shown: an interaction keeps their beginning, and says so.

The span keeps the whole text.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

MAX_TEXT = 1_000_000


def cut(text: str) -> str:
    """The text, or its beginning when it is longer than an interaction keeps."""
    return text[:MAX_TEXT]


def note_of_cut(texts: Sequence[str]) -> dict[str, Any]:
    """What to note where one of the texts is cut: how long they are, and sha256 of each whole."""
    if all(len(text) <= MAX_TEXT for text in texts):
        return {}
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in texts if len(text) > MAX_TEXT]
    return {"cut_at": MAX_TEXT, "characters": sum(map(len, texts)), "sha256": digests}
