"""What people set for themselves, and the views of the list that a project keeps."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from app.database import upsert
from app.errors import Conflict, UnknownField
from app.store.naming import checked_name
from app.tables import Preference, SavedView

LONGEST_QUERY = 2_000


def preferences_of(session: Session, project: str, reviewer: str) -> dict[str, Any]:
    """The choices of a person, empty for somebody who made none."""
    row = session.get(Preference, (project, reviewer))
    return dict(row.choices) if row is not None else {}


def set_preferences(
    session: Session, project: str, reviewer: str, choices: Mapping[str, Any]
) -> None:
    """Keep these choices in the place of all earlier ones."""
    row = {"project": project, "reviewer": reviewer, "choices": dict(choices)}
    upsert(session, Preference, [row], keys=["project", "reviewer"], update=["choices"])


def saved_views(session: Session, project: str) -> list[SavedView]:
    """The views of a project by name."""
    query = select(SavedView).where(SavedView.project == project)
    return list(session.exec(query.order_by(SavedView.name)))


def save_view(
    session: Session, *, project: str, name: str, query: str, created_by: str, now: datetime
) -> None:
    """Keep the query string of a filtered list under a name."""
    name = checked_name("view", name)
    if len(query) > LONGEST_QUERY:
        raise UnknownField("this filter is too long to be saved; use fewer fields")
    if any(view.name == name for view in saved_views(session, project)):
        raise Conflict(f"there is a view {name!r} already; choose another name")
    session.add(
        SavedView(project=project, name=name, query=query, created_by=created_by, created_at=now)
    )


def delete_view(session: Session, project: str, view_id: int) -> None:
    """Forget a view; without effect when there is none."""
    query = select(SavedView).where(SavedView.project == project, col(SavedView.id) == view_id)
    for view in session.exec(query):
        session.delete(view)
