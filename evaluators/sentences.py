"""Where the sentences of a text begin and end, in code points."""

import re
import unicodedata
from typing import NamedTuple

MAX_CHARACTERS = 500
"""Longer pieces are cut at a space, so that one encoder window holds each."""

ABBREVIATED = """
    mr mrs ms dr prof sr jr st vs etc e.g i.e eg ie no nos fig al approx inc ltd co corp dept
    est min max tel ext vol pp ed eds rev gen col sgt capt jan feb mar apr jun jul aug sep sept
    oct nov dec a.m p.m u.s u.k e.u d.c ph.d z.b bzw ca usw ggf sra dra ud uds pág art núm
"""
ABBREVIATIONS = frozenset(ABBREVIATED.split())
BOUNDARY = re.compile(
    r"(?P<cjk>[。！？｡][」』”’）)]{0,3}(?![。！？｡]))"
    r"|(?P<end>[.!?…][\"'”’»)\]*_]{0,4})(?=\s)"
    r"|(?P<line>\n+)"
)
MARKER = re.compile(r"\s*(?:[-*•–—▪◦>#]+\s+|\(?\d{1,3}[.)]\s+|[a-z]\)\s+)*(?:\*\*|__)?")
LIST_ITEM = re.compile(r"(?:[-*•–—▪◦>#]+\s|\(?\d{1,3}[.)]\s|[a-z]\)\s)")
LAST_WORD = re.compile(r"[\w.]+$")


class Span(NamedTuple):
    """A piece of a text: `text[start:end]`."""

    start: int
    end: int


def split_sentences(text: str) -> list[Span]:
    """The sentences of a text in order, without surrounding space and list markers."""
    spans: list[Span] = []
    start = 0
    for match in BOUNDARY.finditer(text):
        if match.end() <= start or not _is_boundary(text, start, match):
            continue
        end = match.start() if match.lastgroup == "line" else match.end()
        spans.extend(_pieces(text, start, end))
        start = match.end()
    spans.extend(_pieces(text, start, len(text)))
    return spans


def _is_boundary(text: str, start: int, match: re.Match[str]) -> bool:
    if match.lastgroup == "cjk":
        return True
    if match.lastgroup == "line":
        return _breaks_line(text, start, match)
    following = text[match.end() : match.end() + 40].lstrip()
    if following[:1].islower():
        return False
    return match.group()[0] != "." or not _is_abbreviation(text, start, match.start())


def _is_abbreviation(text: str, start: int, stop: int) -> bool:
    """Whether the point at `stop` belongs to the word before it and not to the sentence."""
    word = LAST_WORD.search(text, max(start, stop - 20), stop)
    if word is None:
        return False
    before = text[start : word.start()].strip(" \t\n\r*_-•")
    if word.group().isdigit():
        return not before
    if len(word.group()) == 1 and word.group().isalpha() and word.group().isupper():
        return word.group() != "I"
    return word.group().lower() in ABBREVIATIONS


def _breaks_line(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether a line end also ends a sentence: not where the next line merely continues."""
    if match.group().count("\n") > 1:
        return True
    following = text[match.end() : match.end() + 200].split("\n", 1)[0].lstrip()
    before = text[max(start, match.start() - 200) : match.start()].rstrip()
    if not before or before[-1] in ".!?:;…。！？" or LIST_ITEM.match(following):
        return True
    if "|" in following or "|" in before or "\t" in before:
        return True
    return not (following[:1].islower() or following[:1] in "(,;")


def _pieces(text: str, start: int, end: int) -> list[Span]:
    """The trimmed span, cut at spaces where it is longer than `MAX_CHARACTERS`."""
    marker = MARKER.match(text, start, end)
    start = marker.end() if marker else start
    while end > start and (text[end - 1].isspace() or text[end - 1] == "*"):
        end -= 1
    pieces = []
    while end - start > MAX_CHARACTERS:
        cut = max(text.rfind(mark, start + 200, start + MAX_CHARACTERS) for mark in "\n;, ")
        cut = cut if cut > start else start + MAX_CHARACTERS
        pieces.append(_trimmed(text, start, cut))
        start = cut
    pieces.append(_trimmed(text, start, end))
    return [piece for piece in pieces if any(map(_says_something, text[piece.start : piece.end]))]


def _says_something(letter: str) -> bool:
    """Whether a character is a letter, a digit or a symbol such as an emoji."""
    return letter.isalnum() or unicodedata.category(letter) == "So"


def _trimmed(text: str, start: int, end: int) -> Span:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end)
