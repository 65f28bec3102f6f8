"""The list of queues, and the forms that draw a sample or start a calibration round."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlmodel import Session

from app.access import Caller, require
from app.database import reading, transaction
from app.errors import Forbidden, TouchstoneError, UnknownField
from app.requests import current_time, refuse_nul
from app.store.adjudications import open_cases
from app.store.alerts import open_alerts, within_alert
from app.store.audit import note
from app.store.reviews import (
    Plan,
    create_calibration,
    create_queue,
    list_queues,
    progress_of,
    speaks_of_all,
)
from app.store.strata import MIXED
from app.store.topics import within_topic
from app.tables import ReviewQueue
from feedback_ui.filters import filter_choices, filter_from
from feedback_ui.pages import criteria_of, go_to, page, posted_form

USUAL: Mapping[str, str] = {
    "name": "",
    "size": "50",
    "draw": "mixed",
    "need": "1",
    "overlap": "15",
    "repeat": "2",
    "reveal": "differs",
    "alert": "",
    "kind": "review",
}

router = APIRouter(include_in_schema=False, dependencies=[Depends(refuse_nul)])

Person = Annotated[Caller, Depends(require("review"))]
Form = Annotated[dict[str, str], Depends(posted_form)]
Now = Annotated[datetime, Depends(current_time)]


@router.get("/review")
def queues(request: Request, caller: Person, now: Now) -> Response:
    """The queues with their progress, and a form to draw a new sample."""
    return _queue_list(request, caller, now, dict(request.query_params))


@router.post("/review")
def create(request: Request, caller: Person, form: Form, now: Now) -> Response:
    """Draw a sample of what passes the filter."""
    check_lead(caller, "draws samples")
    criteria = criteria_of(request)
    try:
        with transaction(request.app.state.engine) as session:
            filters = filter_from(request, form)
            filters = within_topic(session, caller.project, filters, form.get("topic"))
            if form.get("alert"):
                filters = within_alert(session, caller.project, filters, form["alert"])
            queue = create_queue(
                session,
                project=caller.project,
                name=form.get("name", ""),
                filters=filters,
                plan=_plan(form),
                criteria=criteria,
                criterion_names=[name for name in criteria.by_name if f"ask.{name}" in form],
                created_by=caller.name,
                now=now,
            )
            _note_queue(session, caller, queue, now)
    except TouchstoneError as error:
        return _queue_list(request, caller, now, form, problem=error)
    return go_to(f"/review/{queue.id}")


@router.post("/calibration")
def calibrate(request: Request, caller: Person, form: Form, now: Now) -> Response:
    """Start a round on items whose labels are known."""
    check_lead(caller, "starts calibration rounds")
    try:
        with transaction(request.app.state.engine) as session:
            queue = create_calibration(
                session,
                project=caller.project,
                name=form.get("name", ""),
                size=_whole(form, "size", "20"),
                criteria=criteria_of(request),
                created_by=caller.name,
                seed=secrets.randbits(32),
                now=now,
            )
            _note_queue(session, caller, queue, now)
    except TouchstoneError as error:
        return _queue_list(request, caller, now, {}, problem=error)
    return go_to("/review")


def check_lead(caller: Caller, what: str) -> None:
    """Raise Forbidden unless the caller is a lead or an admin."""
    if not is_lead(caller):
        raise Forbidden(f"only a lead or an admin {what}; ask one of them")


def is_lead(caller: Caller) -> bool:
    """Whether the caller may draw samples, decide cases and read everybody's measures."""
    return caller.role in ("lead", "admin")


def _note_queue(session: Session, caller: Caller, queue: ReviewQueue, now: datetime) -> None:
    note(
        session,
        caller.actor,
        "queue.created",
        now=now,
        project=caller.project,
        about=queue.id,
        name=queue.name,
        kind=queue.kind,
        criteria=queue.criteria,
        eligible=queue.filters.get("eligible"),
    )


def _queue_list(
    request: Request,
    caller: Caller,
    now: datetime,
    form: Mapping[str, str],
    problem: TouchstoneError | None = None,
) -> Response:
    with reading(request.app.state.engine) as session:
        rows = _rows(session, caller, now)
        alerts = open_alerts(session, caller.project) if is_lead(caller) else []
        fields = {} if isinstance(problem, UnknownField) else form
        choices = filter_choices(session, caller.project, criteria_of(request), fields)
    return page(
        request,
        "queues.html",
        caller,
        status=problem.status_code if problem is not None else 200,
        problem=problem.detail if problem is not None else None,
        queues=rows,
        may_create=is_lead(caller),
        alerts=[alert.name for alert in alerts],
        given={name: form.get(name, usual) for name, usual in USUAL.items()},
        **choices,
    )


def _rows(session: Session, caller: Caller, now: datetime) -> list[dict[str, object]]:
    return [
        {
            "queue": queue,
            "progress": progress_of(session, queue.id, reviewer=caller.name, now=now),
            "of_all": speaks_of_all(queue),
            "eligible": queue.filters.get("eligible", 0),
            "mixed": bool(queue.filters.get("plan", {}).get("shares")),
            "cases": len(open_cases(session, queue)) if is_lead(caller) else 0,
        }
        for queue in list_queues(session, caller.project)
        if queue.id is not None
    ]


def _plan(form: Mapping[str, str]) -> Plan:
    draw = form.get("draw", "random")
    if draw not in ("mixed", "random"):
        raise UnknownField(f"a sample is drawn mixed or random, not {draw!r}")
    return Plan(
        size=_whole(form, "size", USUAL["size"]),
        shares=MIXED if draw == "mixed" else {},
        need=_whole(form, "need", "1"),
        overlap_rate=_whole(form, "overlap", "0") / 100,
        repeat_rate=_whole(form, "repeat", "0") / 100,
        reveal=form.get("reveal", "differs"),
        kind=form.get("kind", "review"),
        seed=secrets.randbits(32),
    )


def _whole(form: Mapping[str, str], name: str, usual: str) -> int:
    text = form.get(name, usual)
    try:
        return int(text)
    except ValueError:
        raise UnknownField(f"{name} must be a whole number, not {text!r}") from None
