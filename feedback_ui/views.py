"""Saved views: filters of the list of interactions that a project keeps under a name."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Request, Response

from app.access import Caller, require
from app.database import transaction
from app.requests import current_time, refuse_nul
from app.store.preferences import delete_view, save_view
from feedback_ui.filters import filter_from
from feedback_ui.pages import go_to, posted_form

router = APIRouter(include_in_schema=False, dependencies=[Depends(refuse_nul)])

Person = Annotated[Caller, Depends(require("review"))]
Form = Annotated[dict[str, str], Depends(posted_form)]


@router.post("/views")
def save(
    request: Request, caller: Person, form: Form, now: Annotated[datetime, Depends(current_time)]
) -> Response:
    """Keep the filter of a list under a name that everybody in the project sees."""
    query = query_of(dict(parse_qsl(form.get("query", ""))))
    filter_from(request, dict(parse_qsl(query)))
    with transaction(request.app.state.engine) as session:
        save_view(
            session,
            project=caller.project,
            name=form.get("name", ""),
            query=query,
            created_by=caller.name,
            now=now,
        )
    return go_to(f"/interactions?{query}")


@router.post("/views/{view_id}/delete")
def delete(request: Request, caller: Person, view_id: int) -> Response:
    """Forget a view; the interactions are not concerned."""
    with transaction(request.app.state.engine) as session:
        delete_view(session, caller.project, view_id)
    return go_to("/interactions")


def query_of(fields: Mapping[str, str]) -> str:
    """The filled fields of a filter as a query string, without the place in the list."""
    return urlencode({name: value for name, value in fields.items() if value and name != "cursor"})
