"""The letters of the review desk, which everybody may change or turn off for themselves."""

from collections.abc import Mapping
from typing import Any

from app.errors import UnknownField

KEYS: Mapping[str, tuple[str, str]] = {
    "supported": ("s", "Mark the sentence as supported"),
    "unsupported": ("u", "Mark it as unsupported"),
    "contradicted": ("c", "Mark it as contradicted"),
    "no_claim": ("n", "Mark it as no claim"),
    "correct": ("e", "Correct the answer"),
    "comment": ("m", "Write a comment"),
    "undo": ("z", "Undo the last action, also the last stored label"),
    "skip": ("x", "Skip, with a reason"),
    "ask": ("a", "Ask a lead"),
    "change": ("r", "Change your label after the reveal"),
    "passages": ("v", "Show all passages"),
    "matching": ("w", "Word matching on or off"),
    "guidelines": ("g", "Read the guidelines"),
    "history": ("h", "Your last 50"),
    "help": ("?", "Show all keys"),
}
FIXED: Mapping[str, str] = {
    "1 to 9": "Choose in the field you are at, and move to the next",
    "↑ ↓": "Previous and next field",
    "[ ] or , .": "Previous and next sentence",
    "Enter": "Store; after the reveal keep and go on",
    "Esc": "Leave a text or a panel",
}
TAKEN = frozenset("123456789[],.")


def key_map(choices: Mapping[str, Any]) -> dict[str, str]:
    """The key of each action, with a person's own choices."""
    own = choices.get("keys", {})
    return {action: own.get(action, key) for action, (key, _) in KEYS.items()}


def read_keys(form: Mapping[str, str]) -> dict[str, str]:
    """The keys that a form chooses where they differ from the usual, or UnknownField."""
    chosen = {
        action: form.get(f"key.{action}", key).strip().lower() for action, (key, _) in KEYS.items()
    }
    for action, key in chosen.items():
        if len(key) != 1 or key in TAKEN or key.isspace():
            raise UnknownField(f"“{KEYS[action][1]}” needs one letter or sign; {key!r} is not free")
    for key in set(chosen.values()):
        holders = [KEYS[action][1] for action, one in chosen.items() if one == key]
        if len(holders) > 1:
            raise UnknownField(f"the key {key!r} stands for two actions: {' and '.join(holders)}")
    return {action: key for action, key in chosen.items() if key != KEYS[action][0]}
