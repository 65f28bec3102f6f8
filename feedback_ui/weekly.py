"""The weekly reports: the weeks there are, and each as the document it was issued as."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import String, column, exists, true, values
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, func, select

from app.access import Caller, require
from app.columns import UtcDateTime
from app.database import reading
from app.errors import NotFound
from app.reports import build_report, render_html
from app.reports.weeks import week_bounds, week_of, weeks_up_to
from app.requests import current_time, refuse_nul, settings_of
from app.store.deliveries import troubled_deliveries
from app.store.interactions import applications
from app.store.reports import list_reports, load_report
from app.tables import Interaction
from feedback_ui.pages import criteria_of, page, whole_page
from feedback_ui.queues import is_lead

MOST_WEEKS = 60

router = APIRouter(include_in_schema=False, dependencies=[Depends(refuse_nul)])

Reader = Annotated[Caller, Depends(require("read"))]
Now = Annotated[datetime, Depends(current_time)]
Revision = Annotated[int | None, Query(ge=1, le=1_000_000)]


@router.get("/reports")
def reports(request: Request, caller: Reader, now: Now) -> Response:
    """The weeks that have a report or could have one, newest first."""
    zone = settings_of(request).time_zone
    with reading(request.app.state.engine) as session:
        issued = {row.week: row for row in list_reports(session, caller.project)}
        weeks = sorted({*_weeks(session, caller.project, zone), *issued}, reverse=True)
        bounds = {week: week_bounds(week, zone) for week in weeks}
        answering = _answering(session, caller.project, bounds)
        troubles = [
            {
                "week": report.week,
                "channel": delivery.channel,
                "error": delivery.error,
                "attempts": delivery.attempts,
                "next_at": delivery.next_at,
                "given_up": delivery.status == "failed",
            }
            for delivery, report in troubled_deliveries(session, caller.project)
        ]
    rows = []
    for week in weeks:
        from_at, to_at = bounds[week]
        report = issued.get(week)
        rows.append(
            {
                "week": week,
                "from_at": from_at,
                "to_at": to_at - timedelta(minutes=1),
                "issued_at": report.created_at if report is not None else None,
                "revision": report.revision if report is not None else None,
                "verdict": report.body.get("verdict", "") if report is not None else "",
                "applications": answering.get(week, []),
            }
        )
    return page(
        request,
        "reports.html",
        caller,
        weeks=rows,
        time_zone=zone,
        troubles=troubles,
    )


@router.get("/reports/{week}")
def report(
    request: Request,
    caller: Reader,
    now: Now,
    week: str,
    application: str = "",
    revision: Revision = None,
) -> Response:
    """The report of a week as issued, the newest revision or the one asked for, or as it would be
    now."""
    zone = settings_of(request).time_zone
    week_bounds(week, zone)
    with reading(request.app.state.engine) as session:
        where: dict[str, Any] = {"week": week, "application": application}
        newest = load_report(session, caller.project, **where)
        stored = load_report(session, caller.project, **where, revision=revision)
        if revision is not None and stored is None:
            raise NotFound(f"the report of {week} has no revision {revision}")
        body: dict[str, Any] | None = stored.body if stored is not None else None
        if body is None:
            body = build_report(
                session,
                project=caller.project,
                criteria=criteria_of(request),
                week=week,
                application=application or None,
                now=now,
                time_zone=zone,
            )
    links = _links(body, newest.revision if newest is not None else 1)
    if newest is not None and is_lead(caller):
        query = urlencode({"application": application})
        links.append((f"/reports/{week}/actions?{query}", "Edit the actions"))
    return whole_page(render_html(body, links))


def _links(body: Mapping[str, Any], revisions: int) -> list[tuple[str, str]]:
    """The way back, and to the other revisions of the same report."""
    address = f"/reports/{body['week']}?" + urlencode({"application": body["application"] or ""})
    others = [one for one in range(1, revisions + 1) if one != body["revision"]]
    links = [(f"{address}&revision={one}", f"Revision {one}") for one in others]
    return [("/reports", "All reports"), *links]


def _answering(
    session: Session, project: str, bounds: Mapping[str, tuple[datetime, datetime]]
) -> dict[str, list[str]]:
    """The applications that gave answers in each week, in order: one step in the index for each."""
    names = applications(session, project)
    if not names or not bounds:
        return {}
    times = (column("from_at", UtcDateTime()), column("to_at", UtcDateTime()))
    weeks = values(column("week", String), *times, name="weeks").data(
        [(week, *ends) for week, ends in bounds.items()]
    )
    known = values(column("name", String), name="known").data([(name,) for name in names])
    week, application = weeks.cte("week"), known.cte("application")
    has_answers = exists().where(
        col(Interaction.project) == project,
        col(Interaction.application) == application.c.name,
        col(Interaction.started_at) >= week.c.from_at,
        col(Interaction.started_at) < week.c.to_at,
    )
    rows = session.execute(
        sql_select(week.c.week, application.c.name)
        .select_from(week.join(application, true()))
        .where(has_answers)
        .order_by(application.c.name)
    )
    found: dict[str, list[str]] = {}
    for name, by in rows:
        found.setdefault(name, []).append(by)
    return found


def _weeks(session: Session, project: str, zone: str) -> list[str]:
    ends = select(func.min(Interaction.started_at), func.max(Interaction.started_at))
    first_at, last_at = session.exec(ends.where(Interaction.project == project)).one()
    if first_at is None:
        return []
    first = week_of(first_at, zone)
    return [one for one in weeks_up_to(week_of(last_at, zone), MOST_WEEKS) if one >= first]
