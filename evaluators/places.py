"""Where the words of a claim stand in the contexts: beside each other, or gathered from afar.

A wrong claim often takes each of its words from the contexts and joins what they keep apart:
"Stanford University lies in Chestnut Hill", where the contexts say so of another university.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

APART = 200
"""How many words lie at least between words of two contexts."""
NEAR = 4
FAR = 15
MOST_PLACES = 100
"""How many places of a word are looked at."""
Places = Mapping[str, Sequence[int]]


def places_of(pieces: Iterable[tuple[int, Sequence[str]]]) -> dict[str, list[int]]:
    """Where each word stands in contexts that are given as pieces, each with its context."""
    places: dict[str, list[int]] = {}
    at, before = 0, None
    for context, listed in pieces:
        at += APART if before is not None and context != before else 0
        before = context
        for word in listed:
            found = places.setdefault(word, [])
            if len(found) < MOST_PLACES:
                found.append(at)
            at += 1
    return places


def place_signals(listed: Sequence[str], places: Places) -> list[float]:
    """How closely the words of a claim stand together in the contexts, each from 0 to 1.

    The density of the narrowest stretch that holds them all, the share of neighbours that stand
    near each other, and the shares of neighbours, and of neighbours but one, that stand far apart.
    """
    neighbours = [pair for pair in itertools.pairwise(listed) if pair[0] != pair[1]]
    apart = list(_distances(neighbours, places))
    next_but_one = list(_distances(zip(listed, listed[2:], strict=False), places))
    return [
        _density([places[word] for word in set(listed) if word in places]),
        sum(distance <= NEAR for distance in apart) / (len(neighbours) or 1),
        sum(distance > FAR for distance in apart) / (len(apart) or 1),
        sum(distance > FAR for distance in next_but_one) / (len(next_but_one) or 1),
    ]


def _distances(pairs: Iterable[tuple[str, str]], places: Places) -> Iterator[int]:
    """How far the words of each pair stand apart at least, where the contexts hold both."""
    for one, other in pairs:
        if one != other and one in places and other in places:
            yield _distance(places[one], places[other])


def _distance(first: Sequence[int], second: Sequence[int]) -> int:
    """The least distance of two rising rows of places."""
    least, i, j = abs(first[0] - second[0]), 0, 0
    while i < len(first) and j < len(second):
        gap = first[i] - second[j]
        least = min(least, abs(gap))
        i, j = (i + 1, j) if gap < 0 else (i, j + 1)
    return least


def _density(found: Sequence[Sequence[int]]) -> float:
    """How many words there are to a place of the narrowest stretch with one of each."""
    if len(found) < 2:
        return float(len(found))
    stops = sorted((place, word) for word, places in enumerate(found) for place in places)
    held = [0] * len(found)
    missing, begin, width = len(found), 0, stops[-1][0] - stops[0][0] + 1
    for place, word in stops:
        missing -= held[word] == 0
        held[word] += 1
        while not missing:
            width = min(width, place - stops[begin][0] + 1)
            held[stops[begin][1]] -= 1
            missing += held[stops[begin][1]] == 0
            begin += 1
    return len(found) / width
