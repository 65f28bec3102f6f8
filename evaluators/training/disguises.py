"""Disguises letters as people do who want to slip past a filter."""

from random import Random

LEET = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "$"})
MIN_SWAPPED = 4
MAX_SPACED = 10


def disguise(text: str, random: Random) -> str:
    """The text with some words disguised, by one of three tricks."""
    words = text.split(" ")
    trick = random.random()
    if trick < 0.4:
        changed = [word.translate(LEET) if random.random() < 0.6 else word for word in words]
    elif trick < 0.7:
        changed = _spaced(words)
    else:
        changed = [_swapped(word, random) for word in words]
    return " ".join(changed)


def _spaced(words: list[str]) -> list[str]:
    """The longest word that is not too long, with spaces between its letters."""
    sizes = [len(word) if len(word) < MAX_SPACED else 0 for word in words]
    longest = sizes.index(max(sizes))
    return [" ".join(word) if place == longest else word for place, word in enumerate(words)]


def _swapped(word: str, random: Random) -> str:
    """The word with two of its inner letters in the wrong order, every other time."""
    if len(word) < MIN_SWAPPED or random.random() < 0.5:
        return word
    at = random.randrange(1, len(word) - 2)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
