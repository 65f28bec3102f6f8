"""Values made fit for JSON and for every database, always in the same way.

PostgreSQL refuses NUL in text, SQLite turns NaN into NULL, both refuse lone surrogates and integers
beyond 64 bits. Whatever a client sends is therefore rewritten before it becomes a row, so that the
same bytes give the same rows everywhere.
"""

import base64
import hashlib
import json
import math
import re
from typing import Any

MAX_DEPTH = 24
TOO_DEEP = "(nested too deeply)"
MAX_INT64 = 2**63 - 1
MIN_INT64 = -(2**63)
MAX_INT32 = 2**31 - 1
LARGEST_EXACT_FLOAT = 1e16

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean_text(text: str) -> str:
    """The text with NUL and lone surrogates replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def clean_value(value: Any, depth: int = 0) -> Any:
    """The value as plain JSON: clean text, finite numbers of 64 bits, bounded nesting."""
    if isinstance(value, str):
        return clean_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if MIN_INT64 <= value <= MAX_INT64 else str(value)
    if isinstance(value, float):
        return clean_float(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    # Values inside events and links begin some levels down.
    if depth >= MAX_DEPTH + 8:
        return TOO_DEEP
    if isinstance(value, dict):
        return {clean_text(str(key)): clean_value(item, depth + 1) for key, item in value.items()}
    return [clean_value(item, depth + 1) for item in value]


def clean_float(value: float) -> float | int | str:
    """The float, or what says the same where JSON or a database would lose it.

    PostgreSQL's `jsonb` writes large floats out as integers, of which only those of 64 bits fit.
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if abs(value) < LARGEST_EXACT_FLOAT:
        return value
    return int(value) if MIN_INT64 <= value < MAX_INT64 else repr(value)


def clean_ns(value: int) -> int:
    """The nanoseconds, or 0, which means unknown, where a signed 64-bit column cannot hold them."""
    return value if 0 <= value <= MAX_INT64 else 0


def clean_int32(value: int) -> int:
    """The number, or 0, OTLP's unspecified value, where a 32-bit column cannot hold it."""
    return value if -MAX_INT32 <= value <= MAX_INT32 else 0


def content_hash(content: Any) -> str:
    """The hexadecimal sha256 of clean content, whatever the order of its keys."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
