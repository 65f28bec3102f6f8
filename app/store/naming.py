"""Names that people give to what they make: something to see, and short enough for a line."""

import unicodedata

from app.errors import UnknownField

LONGEST_NAME = 100


def checked_name(what: str, name: str) -> str:
    """The name without blanks around it, or UnknownField saying whose name it cannot be."""
    name = name.strip()
    kinds = {unicodedata.category(character)[0] for character in name}
    controls = any(unicodedata.category(character) == "Cc" for character in name)
    if controls or len(name) > LONGEST_NAME or not kinds - {"C", "M", "Z"}:
        raise UnknownField(
            f"a {what}'s name needs 1 to {LONGEST_NAME} characters, at least one of which can be "
            f"seen; this one is {name[:40]!r}"
        )
    return name
