"""Which traces were forgotten on purpose, so that a late retry does not bring them back."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import delete
from sqlmodel import Session, col, select

from app.database import exclude_others, upsert
from app.tables import ErasedTrace, Feedback, Interaction

KEYS_PER_QUERY = 500
ERASURE = "erasure"
TOLD = "its trace was deleted here and is not taken in again"
Row = TypeVar("Row", Interaction, Feedback)


def let_nothing_be_erased(session: Session) -> None:
    """Until this transaction ends; so what is taken in cannot slip past an erasure.

    Comes before every other lock of a transaction.
    """
    if not session.info.get(ERASURE):
        exclude_others(session, ERASURE, shared=True)
        session.info[ERASURE] = True


def remember_erased(
    session: Session, project: str, trace_ids: Sequence[str], *, until_at: datetime | None
) -> None:
    """Take nothing in for these traces until then, or never again."""
    rows = [
        {"project": project, "trace_id": one, "until_at": until_at}
        for one in dict.fromkeys(trace_ids)
    ]
    upsert(session, ErasedTrace, rows, keys=("project", "trace_id"), update=("until_at",))


def all_erased(session: Session) -> list[tuple[str, str]]:
    """The traces, each a project and an id, that were forgotten for good."""
    query = select(ErasedTrace.project, ErasedTrace.trace_id)
    return list(session.exec(query.where(col(ErasedTrace.until_at).is_(None))))


def erased_among(
    session: Session, keys: Iterable[tuple[str, str]], *, for_good: bool = False
) -> set[tuple[str, str]]:
    """Those of the traces, each a project and an id, that were forgotten.

    `for_good` leaves out those whose spans alone were forgotten, because they were old.
    """
    by_project: dict[str, list[str]] = {}
    for project, trace_id in dict.fromkeys(keys):
        by_project.setdefault(project, []).append(trace_id)
    found: set[tuple[str, str]] = set()
    for project, ids in by_project.items():
        for start in range(0, len(ids), KEYS_PER_QUERY):
            wanted = col(ErasedTrace.trace_id).in_(ids[start : start + KEYS_PER_QUERY])
            query = select(ErasedTrace.trace_id).where(ErasedTrace.project == project, wanted)
            if for_good:
                query = query.where(col(ErasedTrace.until_at).is_(None))
            found |= {(project, one) for one in session.exec(query)}
    return found


def parted_by_erasure(session: Session, rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows that may be kept, and those on traces that were forgotten for good."""
    let_nothing_be_erased(session)
    traces = ((row.project, row.trace_id) for row in rows)
    erased = erased_among(session, traces, for_good=True)
    kept = [row for row in rows if (row.project, row.trace_id) not in erased]
    return kept, [row for row in rows if (row.project, row.trace_id) in erased]


def drop_expired(session: Session, now: datetime) -> None:
    """Forget of which traces it need not be known any more that they were forgotten."""
    session.execute(delete(ErasedTrace).where(col(ErasedTrace.until_at) < now))
