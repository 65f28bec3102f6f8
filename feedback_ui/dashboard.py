"""The dashboard: the sections of a report, live, for any run of days, application and segment."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlmodel import Session

from app.access import Caller, require
from app.criteria import Criteria
from app.database import reading
from app.errors import NotFound, UnknownField
from app.reports import live, render_section
from app.reports.blocks import Section
from app.reports.live import Against, View
from app.reports.tallies import EVERYTHING, Slice
from app.reports.weeks import zone_of
from app.requests import current_time, instant_of, refuse_nul, settings_of
from app.store.interactions import applications
from app.store.rollups import newest_hour
from feedback_ui.filters import pair_of
from feedback_ui.pages import criteria_of, page

DAYS = 7
"""How many days are shown unless somebody chooses."""
MOST_DAYS = 366

PARTS: Mapping[str, tuple[str, Callable[[Session, View, Criteria], Section]]] = {
    "slices": ("Slices", live.regressions),
    "trust": ("Trust in the evaluators", live.confidence),
    "fairness": ("Fairness", live.groups),
}
"""What takes longer to make, and is asked for apart."""
BASELINES: Mapping[Against, tuple[str, str]] = {
    "periods": ("the periods before", "against up to twelve periods as long before it"),
    "weeks": (
        "the same weekdays before",
        "against the same weekdays of earlier weeks, up to twelve",
    ),
    "none": ("nothing", "compared with nothing"),
}
"""Per baseline its name in the form, and the words for what is shown."""

router = APIRouter(include_in_schema=False, dependencies=[Depends(refuse_nul)])

Reader = Annotated[Caller, Depends(require("read"))]
Now = Annotated[datetime, Depends(current_time)]
Day = Annotated[str, Query(alias="from")]


@router.get("/dashboard")
def dashboard(
    request: Request,
    caller: Reader,
    now: Now,
    application: str = "",
    segment: str = "",
    from_: Day = "",
    to: str = "",
    against: str = "",
) -> Response:
    """Scorecard, trend and coverage; the browser asks for the other parts."""
    criteria, zone = criteria_of(request), settings_of(request).time_zone
    with reading(request.app.state.engine) as session:
        view = _view(
            session, caller, criteria, (application, segment, from_, to, against), zone, now
        )
        made = live.overview(session, view, criteria, now=now)
        known = applications(session, caller.project)
    return _page(request, caller, view, known, made, PARTS)


@router.get("/dashboard/{part}")
def dashboard_part(
    request: Request,
    caller: Reader,
    now: Now,
    part: str,
    application: str = "",
    segment: str = "",
    from_: Day = "",
    to: str = "",
    against: str = "",
) -> Response:
    """One of the other parts, as a page that needs no script."""
    if part not in PARTS:
        raise NotFound(f"the dashboard has no part {part!r}; it has {', '.join(PARTS)}")
    criteria, zone = criteria_of(request), settings_of(request).time_zone
    _, make = PARTS[part]
    with reading(request.app.state.engine) as session:
        view = _view(
            session, caller, criteria, (application, segment, from_, to, against), zone, now
        )
        made = make(session, view, criteria)
        known = applications(session, caller.project)
    return _page(request, caller, view, known, [made], {}, part)


def _page(
    request: Request,
    caller: Caller,
    view: View,
    known: list[str],
    made: list[Section],
    parts: Mapping[str, tuple[str, object]],
    region: str = "overview",
) -> Response:
    return page(
        request,
        "dashboard.html",
        caller,
        sections=[render_section(one, "card drawn") for one in made],
        region=region,
        parts={name: title for name, (title, _) in parts.items()},
        query=request.url.query,
        applications=known,
        application=view.application,
        segment="" if not view.is_part else f"{view.part.key}={view.part.value}",
        from_day=view.first.isoformat(),
        to_day=view.last.isoformat(),
        time_zone=view.time_zone,
        against=view.against,
        baselines={name: words for name, (words, _) in BASELINES.items()},
        beside=BASELINES[view.against][1],
        days=(view.last - view.first).days + 1,
    )


def _view(
    session: Session,
    caller: Caller,
    criteria: Criteria,
    asked: tuple[str, str, str, str, str],
    time_zone: str,
    now: datetime,
) -> View:
    """What the address asks to see; without days, the newest seven that have verdicts."""
    application, segment, first, last, against = asked
    zone = zone_of(time_zone)
    until = instant_of(last, time_zone, name="the last day") or _newest(
        session, caller.project, criteria, application or None, now
    )
    end = until.astimezone(zone).date()
    since = instant_of(first, time_zone, name="the first day")
    start = since.astimezone(zone).date() if since else end - timedelta(days=DAYS - 1)
    if not 0 <= (end - start).days < MOST_DAYS:
        raise UnknownField(
            f"from {start} to {end} is not a period of 1 to {MOST_DAYS} days; choose other days"
        )
    part = Slice(*pair_of(segment)) if segment.strip() else EVERYTHING
    baseline = _baseline(against)
    return View(caller.project, application or None, part, start, end, time_zone, baseline)


def _baseline(text: str) -> Against:
    for name in BASELINES:
        if text in ("", name):
            return name
    raise UnknownField(f"against is one of {', '.join(BASELINES)}, not {text!r}")


def _newest(
    session: Session, project: str, criteria: Criteria, application: str | None, now: datetime
) -> datetime:
    hours = [
        newest_hour(session, project, one.name, application=application, by="") for one in criteria
    ]
    return max((hour for hour in hours if hour is not None), default=now)
