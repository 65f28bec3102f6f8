"""The actions of an issued report, put in other words, given to others or left out by a lead."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from sqlmodel import Session

from app.access import Caller, require
from app.database import reading, transaction
from app.errors import Conflict, NotFound, TouchstoneError
from app.reports.edits import FIELDS, Edit, checked, edits_of, with_edits
from app.reports.weekly import sign
from app.reports.weeks import week_bounds
from app.requests import current_time, refuse_nul, settings_of
from app.store.deliveries import deliveries_of, move_deliveries
from app.store.reports import load_report, save_report
from app.tables import Report
from feedback_ui.pages import go_to, page, posted_form
from feedback_ui.queues import check_lead

router = APIRouter(include_in_schema=False, dependencies=[Depends(refuse_nul)])

Person = Annotated[Caller, Depends(require("review"))]
Form = Annotated[dict[str, str], Depends(posted_form)]
Now = Annotated[datetime, Depends(current_time)]


@router.get("/reports/{week}/actions")
def actions(request: Request, caller: Person, week: str, application: str = "") -> Response:
    """A form with every action that the rules found, as it is now."""
    check_lead(caller, "edits the actions of a report")
    return _form(request, caller, week, application, {})


@router.post("/reports/{week}/actions")
def edit(
    request: Request, caller: Person, form: Form, now: Now, week: str, application: str = ""
) -> Response:
    """Issue the report anew with the actions as they were sent."""
    check_lead(caller, "edits the actions of a report")
    try:
        with transaction(request.app.state.engine) as session:
            last = _editable(session, request, caller, week, application)
            if form.get("revision") != str(last.revision):
                raise Conflict(
                    "this report was issued again since this form was opened; reload it and see"
                )
            body = sign(with_edits(last.body, _edits(last.body, form, caller.name)))
            why = f"Actions edited by {caller.name}."
            made = save_report(session, body, now=now, actor=caller.actor, why=why)
            if last.id is not None and made.id is not None and made.id != last.id:
                move_deliveries(session, last.id, made.id)
    except TouchstoneError as error:
        return _form(request, caller, week, application, form, problem=error)
    return go_to(f"/reports/{week}", application=application)


def _edits(body: Mapping[str, Any], form: Mapping[str, str], editor: str) -> list[Edit]:
    """The edits of the form; what is as it was before keeps its editor."""
    before, found = edits_of(body), []
    for number, action in enumerate(body["found_actions"]):
        edit = Edit(
            cause=action["cause"],
            what=form.get(f"what.{number}", action["what"]),
            owner=form.get(f"owner.{number}", action["owner"]),
            by=form.get(f"by.{number}", action["by"]),
            dropped=form.get(f"dropped.{number}", ""),
            editor=editor,
        )
        edit = checked(edit).beside(action)
        same = [one for one in before if one._replace(editor=editor) == edit]
        found.append(same[0] if same else edit)
    waiting = [one for one in before if not any(one.is_of(each) for each in body["found_actions"])]
    return [*found, *waiting]


def _editable(
    session: Session, request: Request, caller: Caller, week: str, application: str
) -> Report:
    week_bounds(week, settings_of(request).time_zone)
    report = load_report(session, caller.project, week=week, application=application)
    if report is None:
        raise NotFound(
            f"the report of {week} is not issued yet, so that its actions may still change; "
            f"`touchstone report --week {week}` issues it"
        )
    if "found_actions" not in report.body:
        raise Conflict(
            f"the report of {week} is of an earlier release; issue it anew with "
            f"`touchstone report --week {week}`, then edit it"
        )
    return report


def _form(
    request: Request,
    caller: Caller,
    week: str,
    application: str,
    form: Mapping[str, str],
    *,
    problem: TouchstoneError | None = None,
) -> Response:
    with reading(request.app.state.engine) as session:
        report = _editable(session, request, caller, week, application)
        sent = deliveries_of(session, report)
    edits = edits_of(report.body)
    rows = []
    for number, action in enumerate(report.body["found_actions"]):
        mine = next((one for one in edits if one.is_of(action)), None)
        now = {name: action[name] for name in FIELDS} | (mine.words if mine else {})
        now["dropped"] = mine.dropped if mine else ""
        typed = {name: form.get(f"{name}.{number}", value) for name, value in now.items()}
        rows.append({"found": action, **typed})
    query = "?" + urlencode({"application": application}) if application else ""
    return page(
        request,
        "actions.html",
        caller,
        status=problem.status_code if problem is not None else 200,
        problem=problem.detail if problem is not None else None,
        week=week,
        application=application,
        address=f"/reports/{week}",
        query=query,
        revision=form.get("revision", report.revision),
        rows=rows,
        sent=[one for one in sent if one.status == "sent"],
        waiting=[one for one in sent if one.status == "waiting"],
    )
