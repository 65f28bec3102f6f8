"""Which interactions say something, the newest first: found by SQLite's index of their words.

The newest interactions are looked at first, which is enough where many say it. Where few do, all
that say it are put in order; else more and more of the older ones are looked at. Either way a page
costs about the same however long the history is, but for what FTS5 does to find all words that
begin like a given one.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import TextClause, bindparam, text
from sqlmodel import Session

from app.columns import UtcDateTime
from app.store.search import Term, fts5_query

FEW = 20_000
WINDOW = 2_000
WIDER = 8
"""How many times as many entries the next window has."""
LAST_ID = (1 << 63) - 1

Place = tuple[datetime, str]
"""When an interaction started, and its id: its place in the list."""
NEWEST: Place = (datetime(9999, 12, 31, tzinfo=UTC), "")
OLDEST: Place = (datetime(1, 1, 1, tzinfo=UTC), "")

COUNT = text(
    "SELECT count(*) FROM (SELECT 1 FROM search_words WHERE search_words MATCH :words LIMIT :most)"
)
BEFORE = (
    "SELECT id, started_at, interaction_id FROM search_entry WHERE project = :project "
    "AND (started_at, interaction_id) < (:before_at, :before_id) "
    "ORDER BY started_at DESC, interaction_id DESC"
)
EXTENT = f"SELECT count(*), min(id), max(id) FROM ({BEFORE} LIMIT :size)"
# The words come first: the other way round they would be looked up for every entry.
HITS = (
    "SELECT entry.interaction_id FROM search_words CROSS JOIN search_entry AS entry "
    "WHERE search_words MATCH :words AND search_words.rowid BETWEEN :first AND :last "
    "AND entry.id = search_words.rowid AND entry.project = :project "
    "AND (entry.started_at, entry.interaction_id) < (:before_at, :before_id) "
    "AND (entry.started_at, entry.interaction_id) >= (:from_at, :from_id) "
    "ORDER BY entry.started_at DESC, entry.interaction_id DESC"
)


class _Window(NamedTuple):
    """Neighbours in the list: how many, between which entries of the index, and the oldest."""

    n: int
    first: int
    last: int
    oldest: Place


EVERYTHING = _Window(0, 0, LAST_ID, OLDEST)


def few_say(session: Session, terms: Sequence[Term]) -> bool:
    """Whether few interactions, of any project, say it."""
    values = {"words": fts5_query(terms), "most": FEW + 1}
    return int(session.execute(COUNT, values).scalar_one()) <= FEW


def that_say(
    session: Session, project: str, terms: Sequence[Term], after: Place | None
) -> Iterator[Sequence[str]]:
    """The ids of a project's interactions that say it, newest first, some at a time."""
    before, size = after or NEWEST, WINDOW
    while (window := _window(session, project, before, size)) is not None:
        yield _hits(session, project, terms, before, window)
        before = window.oldest
        if size == WINDOW and few_say(session, terms):
            yield _hits(session, project, terms, before, EVERYTHING)
            return
        size *= WIDER


def _window(session: Session, project: str, before: Place, size: int) -> _Window | None:
    values = {"project": project, "before_at": before[0], "before_id": before[1]}
    n, first, last = session.execute(_timed(EXTENT), {**values, "size": size}).one()
    if not n:
        return None
    oldest = _timed(f"{BEFORE} LIMIT 1 OFFSET :skipped").columns(started_at=UtcDateTime)
    row = session.execute(oldest, {**values, "skipped": n - 1}).one()
    return _Window(n, first, last, (row.started_at, row.interaction_id))


def _hits(
    session: Session, project: str, terms: Sequence[Term], before: Place, window: _Window
) -> Sequence[str]:
    values: dict[str, Any] = {
        "words": fts5_query(terms),
        "first": window.first,
        "last": window.last,
        "project": project,
        "before_at": before[0],
        "before_id": before[1],
        "from_at": window.oldest[0],
        "from_id": window.oldest[1],
    }
    return session.execute(_timed(HITS), values).scalars().all()


def _timed(statement: str) -> TextClause:
    names = [name for name in ("before_at", "from_at") if f":{name}" in statement]
    return text(statement).bindparams(*(bindparam(name, type_=UtcDateTime) for name in names))
