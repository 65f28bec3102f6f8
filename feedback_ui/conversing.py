"""A conversation as its user saw it, with what evaluators and reviewers say of every answer."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from app.access import Caller, require
from app.database import reading
from app.errors import NotFound
from app.requests import refuse_nul
from app.store.annotations import annotations_of
from app.store.evaluations import evaluations_of
from app.store.interactions import interactions_of_conversation
from feedback_ui.masks import all_visible, awaited_by
from feedback_ui.pages import criteria_of, page
from feedback_ui.verdicts import shown_annotations, shown_verdicts

MOST_TURNS = 200

router = APIRouter(include_in_schema=False, dependencies=[Depends(refuse_nul)])


@router.get("/conversation")
def conversation(
    request: Request, caller: Annotated[Caller, Depends(require("read"))], id: str = ""
) -> Response:
    """The turns of one conversation, the oldest first."""
    criteria = criteria_of(request)
    with reading(request.app.state.engine) as session:
        rows = interactions_of_conversation(session, caller.project, id, limit=MOST_TURNS + 1)
        ids = [row.id for row in rows]
        evaluations, annotations = evaluations_of(session, ids), annotations_of(session, ids)
        for one in awaited_by(session, caller, ids):
            evaluations.pop(one, None)
            annotations.pop(one, None)
    if not rows:
        raise NotFound(f"there is no conversation {id!r} in this project")
    turns: list[dict[str, Any]] = [
        {
            "row": row,
            "verdicts": shown_verdicts(evaluations.get(row.id, []), criteria),
            "annotations": shown_annotations(annotations.get(row.id, []), criteria),
        }
        for row in all_visible(caller, rows[:MOST_TURNS])
    ]
    failing = sum(any(one.kind == "fail" for one in turn["verdicts"]) for turn in turns)
    return page(
        request,
        "conversation.html",
        caller,
        turns=turns,
        failing=failing,
        more=len(rows) > MOST_TURNS,
        first=rows[0],
    )
