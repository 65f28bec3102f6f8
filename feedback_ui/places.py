"""The names of places in the contexts: B is the second passage, B2 its second sentence."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from app.errors import UnknownField
from feedback_ui.passages import letter_of, split_sentences

MOST_PLACES = 100
"""How many places a page offers; all others can be written."""
LONGEST_WORDS = 60
_NAME = re.compile(r"([A-Z]{1,3})(\d{0,4})$")


class Place(NamedTuple):
    """A stretch of a context, and the name that people call it by."""

    name: str
    context: int
    start: int
    end: int


def places_of(contexts: Sequence[str]) -> Iterator[Place]:
    """Every passage, each followed by its sentences."""
    for index, text in enumerate(contexts):
        letter = letter_of(index)
        yield Place(letter, index, 0, len(text))
        for number, (start, end) in enumerate(split_sentences(text), start=1):
            yield Place(f"{letter}{number}", index, start, end)


def place_named(name: str, contexts: Sequence[str]) -> Place:
    """The place of that name, or UnknownField saying how places are named."""
    wanted = name.strip().upper()
    if _NAME.match(wanted):
        for place in places_of(contexts):
            if place.name == wanted:
                return place
    raise UnknownField(
        f"there is no evidence at {name!r}; write the letter of a passage, like A, or A2 for its "
        "second sentence"
    )


def offered(contexts: Sequence[str]) -> list[tuple[str, str]]:
    """The names to offer, each with the beginning of its words."""
    rows: list[tuple[str, str]] = []
    for place in places_of(contexts):
        if len(rows) == MOST_PLACES:
            break
        rows.append((place.name, contexts[place.context][place.start : place.end][:LONGEST_WORDS]))
    return rows
