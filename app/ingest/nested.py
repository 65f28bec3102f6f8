"""JSON that lies inside strings, as most conventions send what is no plain text."""

import json
from typing import Any

MAX_CHARACTERS = 8_000_000
MAX_DEPTH = 100
REDACTED = "__REDACTED__"


def parsed(value: Any) -> Any:
    """What a string holds when it is a JSON object or list; any other value as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    return decoded(value)


def decoded(value: Any) -> Any:
    """What a string holds when it is JSON of any kind; any other value as it is."""
    if not isinstance(value, str) or len(value) > MAX_CHARACTERS:
        return value
    try:
        held = json.loads(value)
    except (ValueError, RecursionError):
        return value
    # Whoever walks through the result may then recurse.
    return value if _depth_exceeds(held, MAX_DEPTH) else held


def visible(text: str) -> str:
    """The text, or an empty one where the client has hidden it."""
    return "" if text.strip() == REDACTED else text


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            item
            for one in level
            if isinstance(one, dict | list)
            for item in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True
