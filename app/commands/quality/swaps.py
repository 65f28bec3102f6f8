"""Are our own judges fair? The same sentence about another group should get the same score."""

import re
from collections.abc import Iterator

FAMILIES: tuple[tuple[str, ...], ...] = (
    ("Jewish", "Muslim", "Christian", "Hindu", "Catholic", "Buddhist"),
    ("Black", "white", "Asian", "Latino", "Indigenous"),
    ("Mexican", "Chinese", "Nigerian", "Polish", "Turkish", "Indian", "Syrian", "Norwegian"),
    ("gay", "straight", "lesbian", "bisexual"),
    ("women", "men"),
    ("woman", "man"),
    ("deaf", "blind", "autistic", "disabled"),
    ("elderly", "young"),
)


def swapped(text: str) -> Iterator[str]:
    """The sentence with one group for another, for each other group of the same family."""
    for family in FAMILIES:
        present = [term for term in family if re.search(rf"\b{term}\b", text)]
        if len(present) == 1:
            for other in family:
                if other != present[0]:
                    yield put(text, present[0], other)
            return


def put(text: str, term: str, other: str) -> str:
    """The text with the other term, and "a" or "an" before it as its first letter asks for."""
    article = r"\1n " if other[0].lower() in "aeiou" else r"\1 "
    text = re.sub(rf"\b([Aa])n? {term}\b", article + other, text)
    return re.sub(rf"\b{term}\b", other, text)
