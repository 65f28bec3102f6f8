"""The review desk: one item at a time, blind first, then the evaluators' verdicts.

Every action is a form that also works without JavaScript; the script sends the same forms and asks
for JSON, so that a label can wait on the device until the server has it.
"""

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from sqlmodel import Session

from app.access import Caller, require
from app.database import reading, transaction
from app.errors import BadRequest, Conflict, NotFound, UnknownField
from app.requests import current_time, refuse_nul
from app.store.adjudications import QUESTIONS
from app.store.annotations import annotations_of_turn, withdraw_turn
from app.store.audit import note, note_labels
from app.store.interactions import get_interaction
from app.store.reviewing import guidelines_changed, next_calibration
from app.store.reviews import get_item, get_queue
from app.store.turns import (
    finish_turn,
    history,
    keep_draft,
    release_turn,
    renew_turn,
    reopen_turn,
    take_back_skipped,
    turn_of,
)
from app.tables import Annotation, ReviewItem, ReviewQueue, ReviewTurn
from feedback_ui.desk import SKIP_REASONS, asked, criteria_asked
from feedback_ui.labelling import KEPT, fields_of, read_answers, store_answers
from feedback_ui.masks import as_shown, note_unmasked, visible
from feedback_ui.pages import HEADERS, criteria_of, go_to, page, posted_form, rendered
from feedback_ui.queues import check_lead
from feedback_ui.showing import View, next_view, revealed_view, stops_at_verdicts

router = APIRouter(
    prefix="/review/{queue_id}", include_in_schema=False, dependencies=[Depends(refuse_nul)]
)

Person = Annotated[Caller, Depends(require("review"))]
Form = Annotated[dict[str, str], Depends(posted_form)]
Now = Annotated[datetime, Depends(current_time)]


@router.get("")
def next_item(
    request: Request, caller: Person, now: Now, queue_id: int, stored: int | None = None
) -> Response:
    """The next item to label, blind; or why there is none."""
    criteria = criteria_of(request)
    with transaction(request.app.state.engine) as session:
        queue = get_queue(session, caller.project, queue_id)
        first = next_calibration(session, queue, reviewer=caller.name, role=caller.role)
        if first is not None:
            return go_to(f"/review/{first}", first=1)
        changed = guidelines_changed(
            session,
            caller.project,
            reviewer=caller.name,
            versions={one.name: one.guideline_version for one in criteria},
        )
        view = next_view(session, caller, queue, criteria, now, stored=stored, changed=changed)
    return page(request, view.template, caller, **view.shown)


@router.get("/items/{item_id}")
def revealed_item(
    request: Request, caller: Person, now: Now, queue_id: int, item_id: int
) -> Response:
    """An item that the caller has labelled, with what the evaluators say."""
    with transaction(request.app.state.engine) as session:
        queue, item, turn = _mine(session, caller, queue_id, item_id)
        if turn is None or turn.status != "stored":
            return go_to(f"/review/{queue_id}")
        view = revealed_view(session, caller, queue, item, turn, criteria_of(request), now)
    return page(request, view.template, caller, **view.shown)


@router.post("/items/{item_id}")
def label_item(
    request: Request, caller: Person, form: Form, now: Now, queue_id: int, item_id: int
) -> Response:
    """Store the labels, blind or changed; the same key again changes nothing."""
    criteria = criteria_of(request)
    key = form.get("key", "") or request.headers.get("idempotency-key", "")
    if not key:
        raise BadRequest("a label needs a key, so that it is stored once; reload the page")
    rows: list[Annotation] = []
    with transaction(request.app.state.engine) as session:
        queue, item, turn = _mine(session, caller, queue_id, item_id)
        is_first = turn is None or turn.status != "stored"
        if turn is None or turn.key != key:
            row = get_interaction(session, caller.project, item.interaction_id)
            asked_for = criteria_asked(queue, criteria)
            answers = read_answers(form, asked_for, row, shown=visible(caller, row).response)
            turn = _finished(session, item, turn, caller, form, key, now)
            rows = store_answers(
                session, caller, queue, item, turn, answers, key=key, criteria=criteria, now=now
            )
        stops = is_first and stops_at_verdicts(session, caller, queue, item, turn, criteria, now)
        stored = item.id if is_first and not stops and queue.reveal != "never" else None
        view = None
        if _wants_page(request) and stops:
            view = revealed_view(session, caller, queue, item, turn, criteria, now)
        elif _wants_page(request):
            view = next_view(session, caller, queue, criteria, now, stored=stored)
        note_labels(session, caller.actor, rows, now=now, item=item_id)
    address = f"/review/{queue_id}"
    if stops or stored:
        address += f"/items/{item_id}" if stops else f"?stored={item_id}"
    return _answer(request, caller, address, view)


@router.post("/items/{item_id}/unmask")
def unmask_item(
    request: Request, caller: Person, now: Now, queue_id: int, item_id: int
) -> Response:
    """The item that the caller holds, once, with personal data as it is; noted in the audit log."""
    check_lead(caller, "looks at personal data")
    with transaction(request.app.state.engine) as session:
        queue, item, turn = _mine(session, caller, queue_id, item_id)
        if turn is None or turn.status != "held":
            return go_to(f"/review/{queue_id}")
        bare = replace(caller, masked=False)
        view = next_view(session, bare, queue, criteria_of(request), now)
        about = {"queue": queue_id, "item": item_id}
        note_unmasked(session, caller, item.interaction_id, now, **about)
    return page(request, view.template, bare, **view.shown)


@router.post("/items/{item_id}/draft")
def draft(request: Request, caller: Person, form: Form, queue_id: int, item_id: int) -> Response:
    """Keep the form as it stands, to be found again on any device."""
    with transaction(request.app.state.engine) as session:
        _, _, turn = _mine(session, caller, queue_id, item_id)
        if turn is not None:
            keep_draft(session, turn, {name: form[name] for name in form if KEPT.match(name)})
    return Response(status_code=204, headers=dict(HEADERS))


@router.post("/items/{item_id}/lease")
def renew(request: Request, caller: Person, now: Now, queue_id: int, item_id: int) -> Response:
    """Hold the item for longer; Conflict when its lease ended and others took it."""
    with transaction(request.app.state.engine) as session:
        _, _, turn = _mine(session, caller, queue_id, item_id)
        if turn is None or not renew_turn(session, turn, now=now):
            raise Conflict("somebody else has this item by now; what you store is still kept")
        until = turn.until_at
    return JSONResponse({"until": until.isoformat()}, headers=dict(HEADERS))


@router.post("/items/{item_id}/release")
def release(
    request: Request, caller: Person, form: Form, now: Now, queue_id: int, item_id: int
) -> Response:
    """Give the item back when its page is left."""
    with transaction(request.app.state.engine) as session:
        _, _, turn = _mine(session, caller, queue_id, item_id)
        if turn is not None:
            release_turn(session, turn, until_at=_instant(form.get("until", "")), now=now)
    return Response(status_code=204, headers=dict(HEADERS))


@router.post("/items/{item_id}/skip")
def skip(
    request: Request, caller: Person, form: Form, now: Now, queue_id: int, item_id: int
) -> Response:
    """Leave the item to others, with a reason, and go on."""
    if form.get("reason") not in SKIP_REASONS:
        raise UnknownField(f"say why you skip it: {', '.join(SKIP_REASONS)}")
    return _leave(request, caller, form, now, queue_id, item_id, "skipped")


@router.post("/items/{item_id}/ask")
def ask_lead(
    request: Request, caller: Person, form: Form, now: Now, queue_id: int, item_id: int
) -> Response:
    """Hand the item to a lead without a label, and go on."""
    if form.get("reason") not in QUESTIONS:
        raise UnknownField(f"say what to ask: {', '.join(QUESTIONS.values())}")
    return _leave(request, caller, form, now, queue_id, item_id, "asked")


@router.post("/items/{item_id}/withdraw")
def withdraw(request: Request, caller: Person, now: Now, queue_id: int, item_id: int) -> Response:
    """Take a label, a skip or a question back; the item opens again with its answers."""
    with transaction(request.app.state.engine) as session:
        _, _, turn = _mine(session, caller, queue_id, item_id)
        if turn is not None and turn.status != "held":
            _take_back(session, caller, turn, now)
    return go_to(f"/review/{queue_id}")


@router.post("/undo")
def undo(request: Request, caller: Person, now: Now, queue_id: int) -> Response:
    """Take back what the caller finished last in this queue."""
    with transaction(request.app.state.engine) as session:
        get_queue(session, caller.project, queue_id)
        finished = history(session, queue_id, reviewer=caller.name)
        if finished:
            _take_back(session, caller, finished[0], now)
    return go_to(f"/review/{queue_id}")


@router.post("/skipped")
def take_back(request: Request, caller: Person, queue_id: int) -> Response:
    """Put the items that the caller skipped back in the queue."""
    with transaction(request.app.state.engine) as session:
        get_queue(session, caller.project, queue_id)
        take_back_skipped(session, queue_id, reviewer=caller.name)
    return go_to(f"/review/{queue_id}")


@router.get("/history")
def last_fifty(request: Request, caller: Person, now: Now, queue_id: int) -> Response:
    """The caller's last fifty items of a queue, each to be looked at or taken back."""
    criteria = criteria_of(request)
    with reading(request.app.state.engine) as session:
        queue = get_queue(session, caller.project, queue_id)
        rows = []
        for turn in history(session, queue_id, reviewer=caller.name):
            item = get_item(session, queue_id, turn.item_id)
            row = visible(caller, get_interaction(session, caller.project, item.interaction_id))
            labels = annotations_of_turn(session, turn.id or 0)
            answered = asked(criteria_asked(queue, criteria), fields_of(labels))
            rows.append({"turn": turn, "row": row, "asked": answered})
    return page(request, "history.html", caller, queue=queue, rows=rows)


def _mine(
    session: Session, caller: Caller, queue_id: int, item_id: int
) -> tuple[ReviewQueue, ReviewItem, ReviewTurn | None]:
    queue = get_queue(session, caller.project, queue_id)
    item = get_item(session, queue_id, item_id)
    return queue, item, turn_of(session, item_id, reviewer=caller.name)


def _finished(
    session: Session,
    item: ReviewItem,
    turn: ReviewTurn | None,
    caller: Caller,
    form: dict[str, str],
    key: str,
    now: datetime,
) -> ReviewTurn:
    if turn is not None and turn.status == "stored":
        turn.key = key
        session.add(turn)
        return turn
    return finish_turn(
        session,
        item,
        reviewer=caller.name,
        status="stored",
        key=key,
        seconds=_seconds(form.get("seconds")),
        now=now,
    )


def _wants_page(request: Request) -> bool:
    """Whether the script asks for the page that follows in the same answer (RFC 7240)."""
    return request.headers.get("prefer") == "return=representation"


def _answer(request: Request, caller: Caller, address: str, view: View | None) -> Response:
    if "application/json" not in request.headers.get("accept", ""):
        return go_to(address)
    answer = {"next": address}
    if view is not None:
        answer["page"] = rendered(request, view.template, caller, **view.shown)
    return JSONResponse(answer, headers=dict(HEADERS))


def _leave(
    request: Request,
    caller: Caller,
    form: dict[str, str],
    now: datetime,
    queue_id: int,
    item_id: int,
    status: str,
) -> Response:
    with transaction(request.app.state.engine) as session:
        _, item, turn = _mine(session, caller, queue_id, item_id)
        if turn is None:
            raise NotFound("you do not hold this item; open the queue to get one")
        if turn.status == "held":
            finish_turn(
                session,
                item,
                reviewer=caller.name,
                status=status,
                reason=form["reason"],
                seconds=_seconds(form.get("seconds")),
                now=now,
            )
    return go_to(f"/review/{queue_id}")


def _take_back(session: Session, caller: Caller, turn: ReviewTurn, now: datetime) -> None:
    assert turn.id is not None
    taken = withdraw_turn(session, turn.id, now=now)
    fields = fields_of(taken)
    for row in list(taken.values())[:1]:
        said = get_interaction(session, caller.project, row.interaction_id)
        fields = as_shown(caller, said, fields)
    reopen_turn(session, turn, fields, now=now)
    for row in list(taken.values())[:1]:
        note(
            session,
            caller.actor,
            "label.withdrawn",
            now=now,
            project=caller.project,
            about=row.interaction_id,
            labels={one.criterion: one.final_label for one in taken.values()},
            queue=turn.queue_id,
            item=turn.item_id,
        )


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "nan")
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86_400 else None


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest("until must be the end of the lease that the page was given") from None
    if instant.tzinfo is None:
        raise BadRequest("until needs a time zone")
    return instant
