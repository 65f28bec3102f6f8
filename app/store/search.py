"""Full-text search: the words of prompts and responses, indexed by the database.

SQLite keeps an FTS5 index beside the interactions, which is written with them; PostgreSQL has a GIN
index over an expression and keeps it by itself. A search names words, which may be the beginnings
of longer ones where they have three letters or more, or "phrases" in quotes; all of them must
occur. A search in a script that does not part words with spaces, or for signs alone, reads every
text instead.
"""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Boolean, ColumnElement, bindparam, or_, text
from sqlalchemy.ext.compiler import compiles
from sqlmodel import Session, col

from app.columns import UtcDateTime
from app.database import is_sqlite
from app.tables import Interaction

TERM = re.compile(r'"([^"]+)"|(\S+)')
PIECE = re.compile(r"[^\W_]+")
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"
)
BEGINNING_LETTERS = 3
"""Fewer begin so many words that a search for them says little and takes long."""
CHARACTERS_INDEXED = 60_000
"""Of each text in PostgreSQL, whose indexed texts have a limit of a mebibyte."""
POSTGRES_WORDS = (
    "to_tsvector('simple', regexp_replace("
    f"left(interaction.prompt, {CHARACTERS_INDEXED}) || ' ' || "
    f"left(interaction.response, {CHARACTERS_INDEXED}), "
    "'[-!-/_{|}~`^@?=<>;:]+', ' ', 'g'))"
)
"""What is indexed; migrations spell it in the same way, or the index is not used."""

ENTER = text(
    "INSERT INTO search_entry (interaction_id, project, started_at) "
    "VALUES (:id, :project, :started_at)"
).bindparams(bindparam("started_at", type_=UtcDateTime))
DATE = text(
    "UPDATE search_entry SET started_at = :started_at WHERE interaction_id = :id"
).bindparams(bindparam("started_at", type_=UtcDateTime))

Term = tuple[tuple[str, ...], bool]
"""The words that must follow each other, and whether the last may be the beginning of one."""


class WordsMatch(ColumnElement[bool]):
    """Whether the words of an interaction match all terms, by the index of either database."""

    type = Boolean()
    inherit_cache = False

    def __init__(self, terms: Sequence[Term]) -> None:
        self.terms = tuple(terms)


@compiles(WordsMatch, "sqlite")
def _in_sqlite(element: WordsMatch, compiler: Any, **_: Any) -> str:
    return (
        "interaction.id IN (SELECT search_entry.interaction_id FROM search_entry WHERE "
        "search_entry.id IN (SELECT rowid FROM search_words WHERE search_words MATCH "
        f"{_quoted(fts5_query(element.terms))}))"
    )


@compiles(WordsMatch, "postgresql")
def _in_postgres(element: WordsMatch, compiler: Any, **_: Any) -> str:
    query = " & ".join(_tsquery_term(*term) for term in element.terms)
    words = POSTGRES_WORDS.replace("%", "%%")
    return f"{words} @@ to_tsquery('simple', {_quoted(query)})"


def indexed_terms(wanted: str) -> list[Term]:
    """The terms of a search that the index can answer; none where every text must be read."""
    return [] if UNSPACED.search(wanted) else terms_of(wanted)


def fts5_query(terms: Sequence[Term]) -> str:
    """The terms as a query of SQLite's index."""
    return " ".join(_fts5_term(*term) for term in terms)


def words_condition(wanted: str) -> ColumnElement[bool]:
    """The condition that an interaction says what somebody searches for."""
    if terms := indexed_terms(wanted):
        return WordsMatch(terms)
    pattern = f"%{_escape_like(wanted.strip())}%"
    in_prompt = col(Interaction.prompt).ilike(pattern, escape="\\")
    return or_(in_prompt, col(Interaction.response).ilike(pattern, escape="\\"))


def terms_of(wanted: str) -> list[Term]:
    """The terms of a search in lower case; signs part words and mean nothing else."""
    found: list[Term] = []
    for phrase, word in TERM.findall(wanted.lower()):
        pieces = tuple(PIECE.findall(phrase or word))
        if pieces:
            found.append((pieces, not phrase and len(pieces[-1]) >= BEGINNING_LETTERS))
    return found


def index_words(session: Session, rows: Sequence[Interaction]) -> None:
    """Let new interactions be found by their words; in the transaction that stores them."""
    if not rows or not is_sqlite(session):
        return
    names = ("id", "project", "started_at", "prompt", "response")
    values = [{name: getattr(row, name) for name in names} for row in rows]
    connection = session.connection()
    connection.execute(ENTER, values)
    connection.execute(
        text(
            "INSERT INTO search_words (rowid, prompt, response) "
            "SELECT search_entry.id, :prompt, :response FROM search_entry "
            "WHERE interaction_id = :id"
        ),
        values,
    )


def date_words(session: Session, row: Interaction) -> None:
    """Let a search give an interaction at its new time."""
    if is_sqlite(session):
        session.connection().execute(DATE, {"id": row.id, "started_at": row.started_at})


def forget_words(session: Session, ids: Sequence[str]) -> None:
    """Find these interactions no longer, before they go or their words change."""
    if not ids or not is_sqlite(session):
        return
    values = [{"id": one} for one in ids]
    entry = "SELECT search_entry.id FROM search_entry WHERE interaction_id = :id"
    connection = session.connection()
    connection.execute(text(f"DELETE FROM search_words WHERE rowid IN ({entry})"), values)
    connection.execute(text("DELETE FROM search_entry WHERE interaction_id = :id"), values)


def _fts5_term(pieces: Sequence[str], is_beginning: bool) -> str:
    return f'"{" ".join(pieces)}"' + ("*" if is_beginning else "")


def _tsquery_term(pieces: Sequence[str], is_beginning: bool) -> str:
    words = [f"'{piece}'" for piece in pieces]
    return "(" + " <-> ".join([*words[:-1], words[-1] + (":*" if is_beginning else "")]) + ")"


def _quoted(query: str) -> str:
    """As a literal of SQL: terms hold letters, digits and our own signs only."""
    doubled = query.replace("'", "''")
    return f"'{doubled}'"


def _escape_like(words: str) -> str:
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
