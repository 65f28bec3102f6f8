"""Cases for a lead: where reviewers disagree or asked, without their names, in random order."""

import random
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from app.access import Caller, require
from app.criteria import Criteria
from app.database import reading, transaction
from app.requests import current_time, refuse_nul
from app.store.adjudications import (
    CAUSES,
    QUESTIONS,
    Case,
    case_of,
    decide,
    decisions_on,
    open_cases,
)
from app.store.audit import note
from app.store.interactions import get_interaction
from app.store.reviews import get_item, get_queue
from app.tables import Adjudication, Annotation, Interaction
from feedback_ui.labelling import MARKS
from feedback_ui.masks import visible
from feedback_ui.pages import all_posted, criteria_of, go_to, page, posted_form
from feedback_ui.passages import letter_of, passages_of, sentences_of
from feedback_ui.queues import check_lead
from feedback_ui.verdicts import title_of

router = APIRouter(
    prefix="/adjudicate/{queue_id}", include_in_schema=False, dependencies=[Depends(refuse_nul)]
)

Person = Annotated[Caller, Depends(require("review"))]
Now = Annotated[datetime, Depends(current_time)]


@router.get("")
def next_case(
    request: Request,
    caller: Person,
    queue_id: int,
    after: int | None = None,
    decided: int | None = None,
) -> Response:
    """The next case that nobody has decided; `after` an item to leave for later.

    `decided` is the item that was decided just before.
    """
    check_lead(caller, "decides cases")
    criteria = criteria_of(request)
    with reading(request.app.state.engine) as session:
        queue = get_queue(session, caller.project, queue_id)
        cases = open_cases(session, queue)
        position = get_item(session, queue_id, after).position if after is not None else -1
        later = [case for case in cases if case.item.position > position]
        if not cases:
            return page(request, "adjudicated.html", caller, queue=queue, decided=decided)
        case = (later or cases)[0]
        row = get_interaction(session, caller.project, case.item.interaction_id)
        row = visible(caller, row)
    shown = _case(case, row, criteria, queue.criteria, {}) | {"decided": decided}
    return page(request, "adjudicate.html", caller, queue=queue, left=len(cases), **shown)


@router.get("/items/{item_id}")
def decided_case(request: Request, caller: Person, queue_id: int, item_id: int) -> Response:
    """A case with what was decided about it, to be decided again."""
    check_lead(caller, "decides cases")
    criteria = criteria_of(request)
    with reading(request.app.state.engine) as session:
        queue = get_queue(session, caller.project, queue_id)
        item = get_item(session, queue_id, item_id)
        case, before = case_of(session, queue, item), decisions_on(session, item)
        left = len(open_cases(session, queue))
        row = get_interaction(session, caller.project, item.interaction_id)
    shown = _case(case, visible(caller, row), criteria, queue.criteria, before) | {"decided": None}
    return page(request, "adjudicate.html", caller, queue=queue, left=left, **shown)


@router.post("/items/{item_id}")
def settle(
    request: Request,
    caller: Person,
    form: Annotated[dict[str, str], Depends(posted_form)],
    now: Now,
    queue_id: int,
    item_id: int,
) -> Response:
    """Store what the lead decides and go on to the next case."""
    check_lead(caller, "decides cases")
    with transaction(request.app.state.engine) as session:
        queue = get_queue(session, caller.project, queue_id)
        item, labels = get_item(session, queue_id, item_id), all_posted(form, "label.")
        decide(
            session,
            queue,
            item,
            labels,
            cause=form.get("cause", ""),
            comment=form.get("comment"),
            criteria=criteria_of(request),
            decided_by=caller.name,
            now=now,
        )
        note(
            session,
            caller.actor,
            "label.decided",
            now=now,
            project=caller.project,
            about=item.interaction_id,
            labels=labels,
            cause=form["cause"],
            queue=queue_id,
            item=item_id,
        )
    return go_to(f"/adjudicate/{queue_id}", decided=item_id)


def _case(
    case: Case,
    row: Interaction,
    criteria: Criteria,
    asked: list[str],
    before: Mapping[str, Adjudication],
) -> dict[str, Any]:
    names = [name for name in asked if name in criteria.by_name]
    wanted = names if case.asked else [name for name in names if name in case.disputed]
    letters = _letters(case)
    return {
        "item_id": case.item.id,
        "row": row,
        "sentences": sentences_of(row.response),
        "passages": passages_of(row.contexts, row.response),
        "asked": [
            (criteria.by_name[name], _said(case, name, letters, criteria)) for name in wanted
        ],
        "questions": [QUESTIONS.get(turn.reason or "", turn.reason) for turn in case.asked],
        "notes": [(letters.get(note.reviewer, "?"), note) for note in case.notes],
        "marks": _marks(case, row, letters),
        "causes": CAUSES,
        "before": before,
        "former": next(iter(before.values()), None),
    }


def _letters(case: Case) -> dict[str, str]:
    """A letter for each reviewer, in an order that says nothing but stays with the item."""
    rows = [*(row for rows in case.disputed.values() for row in rows), *case.notes]
    names = sorted({row.reviewer for row in rows})
    random.Random(case.item.id).shuffle(names)
    return {name: letter_of(index) for index, name in enumerate(names)}


def _said(
    case: Case, name: str, letters: dict[str, str], criteria: Criteria
) -> list[tuple[str, str, str]]:
    rows: list[Annotation] = case.disputed.get(name, [])
    criterion = criteria.by_name[name]
    said = [(letters[row.reviewer], row.blind_label or "") for row in rows]
    return [(letter, title_of(criterion, label), label) for letter, label in sorted(said)]


def _marks(case: Case, row: Interaction, letters: dict[str, str]) -> list[tuple[str, str, str]]:
    return sorted(
        (letters[one.reviewer], MARKS[mark["mark"]], row.response[mark["start"] : mark["end"]])
        for rows in case.disputed.values()
        for one in rows
        for mark in one.details.get("marks", [])
    )
