"""Studies: what a worker found in the texts of a week, as plain values."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import Session

from app.database import upsert
from app.tables import Study


def save_study(
    session: Session,
    project: str,
    *,
    week: str,
    application: str | None,
    body: Mapping[str, Any],
    now: datetime,
) -> None:
    """Store a study; it replaces an earlier one of the same week."""
    row = {
        "project": project,
        "week": week,
        "application": application or "",
        "body": dict(body),
        "created_at": now,
    }
    keys = ("project", "week", "application")
    upsert(session, Study, [row], keys=keys, update=("body", "created_at"))


def load_study(
    session: Session, project: str, *, week: str, application: str | None
) -> dict[str, Any] | None:
    """The study of a week, or None where no worker made one."""
    row = session.get(Study, (project, week, application or ""))
    return row.body if row is not None else None
