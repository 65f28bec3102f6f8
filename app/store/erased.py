"""Which traces were forgotten on purpose, so that a late retry does not bring them back."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete
from sqlmodel import Session, col, select

from app.database import upsert
from app.tables import ErasedTrace

KEYS_PER_QUERY = 500


def remember_erased(
    session: Session, project: str, trace_ids: Sequence[str], *, until_at: datetime | None
) -> None:
    """Take nothing in for these traces until then, or never again."""
    rows = [
        {"project": project, "trace_id": one, "until_at": until_at}
        for one in dict.fromkeys(trace_ids)
    ]
    upsert(session, ErasedTrace, rows, keys=("project", "trace_id"), update=("until_at",))


def erased_among(session: Session, keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the traces, each a project and an id, that were forgotten."""
    by_project: dict[str, list[str]] = {}
    for project, trace_id in dict.fromkeys(keys):
        by_project.setdefault(project, []).append(trace_id)
    found: set[tuple[str, str]] = set()
    for project, ids in by_project.items():
        for start in range(0, len(ids), KEYS_PER_QUERY):
            wanted = col(ErasedTrace.trace_id).in_(ids[start : start + KEYS_PER_QUERY])
            query = select(ErasedTrace.trace_id).where(ErasedTrace.project == project, wanted)
            found |= {(project, one) for one in session.exec(query)}
    return found


def drop_expired(session: Session, now: datetime) -> None:
    """Forget of which traces it need not be known any more that they were forgotten."""
    session.execute(delete(ErasedTrace).where(col(ErasedTrace.until_at) < now))
