"""Takes contexts apart into pieces that can support a claim: sentences, table rows, JSON fields.

A piece keeps its place in its context. A row of a table is read with the names of its columns, and
a field of a JSON object with the names that lead to it, since a bare value says little.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from evaluators.sentences import Span, split_sentences

JSON_TOKEN = re.compile(
    r'"(?P<string>(?:[^"\\]|\\.)*)"|(?P<number>-?\d[\d.eE+-]*)|(?P<word>true|false|null)'
    r"|(?P<mark>[{}\[\]:,])"
)
JSON_WORDS = {"true": "yes", "false": "no", "null": "not stated"}
MAX_PIECES = 3000
KEPT = 512
"""Of how many contexts the pieces are kept, since several judges read them."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of one of the contexts, and how it reads on its own."""

    context: int
    span: Span
    text: str


def pieces_of(contexts: tuple[str, ...]) -> list[Piece]:
    """The pieces of all contexts in order, at most `MAX_PIECES`."""
    made = [
        Piece(number, span, text)
        for number, context in enumerate(contexts)
        for span, text in _parts_of(context)
    ]
    return made[:MAX_PIECES]


@lru_cache(maxsize=KEPT)
def _parts_of(context: str) -> tuple[tuple[Span, str], ...]:
    return tuple(itertools.islice(_parts(context), MAX_PIECES))


def is_prose(context: str) -> bool:
    """Whether a context is told in sentences: no table and no JSON."""
    return not (context.lstrip()[:1] in ("{", "[") or _is_table(context))


def _is_table(context: str) -> bool:
    return context.count("|") > 3 and "\n" in context


def _parts(context: str) -> Iterator[tuple[Span, str]]:
    if context.lstrip()[:1] in ("{", "["):
        fields = list(_json_fields(context))
        if len(fields) > 1:
            yield from fields
            return
    if _is_table(context):
        yield from _table_rows(context)
        return
    for span in split_sentences(context):
        yield span, context[span.start : span.end]


def _table_rows(context: str) -> Iterator[tuple[Span, str]]:
    """Lines with bars are rows under the first such line; other lines are read as sentences."""
    columns: list[str] = []
    at = 0
    for line in context.split("\n"):
        span = Span(at, at + len(line))
        at += len(line) + 1
        if "|" not in line:
            if line.strip():
                yield span, line
        elif not columns:
            columns = [cell.strip() for cell in line.strip().strip("|").split("|")]
        elif line.strip(" |-:"):
            yield span, _row_text(columns, line)


def _row_text(columns: list[str], line: str) -> str:
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    if len(cells) != len(columns):
        return " ; ".join(cells)
    named = (f"{name} {cell}" for name, cell in zip(columns, cells, strict=True) if cell)
    return " ; ".join(named)


def _json_fields(context: str) -> Iterator[tuple[Span, str]]:
    """Every value of a JSON text with the names that lead to it; broken JSON gives what it can."""
    path: list[str] = []
    name, starts = "", 0
    for match in JSON_TOKEN.finditer(context):
        mark = match.group("mark")
        if mark in ("{", "["):
            path.append(name)
            name = ""
        elif mark in ("}", "]"):
            name = path.pop() if path else ""
        elif mark is None and context[match.end() : match.end() + 8].lstrip()[:1] == ":":
            name, starts = _spaced(match.group("string") or match.group()), match.start()
        elif mark is None:
            start = starts if starts > match.start() - 200 and name else match.start()
            yield Span(start, match.end()), _field_text([*path, name], match)


def _field_text(path: list[str], match: re.Match[str]) -> str:
    value = match.group("string")
    said = JSON_WORDS.get(match.group(), match.group()) if value is None else value
    names = " ".join(part for part in path if part)
    return f"{names}: {said}" if names else said


def _spaced(name: str) -> str:
    """A name such as `openingHours` or `opening_hours` as words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]+", " ", name).lower()
