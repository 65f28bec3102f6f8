"""The page of trends: how often answers fail over time, with the uncertainty of each share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from markupsafe import Markup

from app.access import Caller, require
from app.criteria import Criterion
from app.database import reading
from app.reports.charts import Point, line_chart
from app.reports.trends import BUCKETS, trend_points
from app.requests import refuse_nul, settings_of
from app.store.interactions import applications
from feedback_ui.filters import pair_of
from feedback_ui.pages import criteria_of, page, percent

MOST_POINTS = {"hour": 48, "day": 42, "week": 26}
STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}

router = APIRouter(include_in_schema=False, dependencies=[Depends(refuse_nul)])

Reader = Annotated[Caller, Depends(require("read"))]


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart of a criterion, its finding as a heading, and its numbers."""

    criterion: Criterion
    heading: str
    coverage: str
    svg: Markup | None
    points: list[dict[str, Any]]


@router.get("/trends")
def trends(
    request: Request,
    caller: Reader,
    criterion: str = "",
    application: str = "",
    segment: str = "",
    bucket: str = "week",
) -> Response:
    """A chart per criterion, of everything or of one application or segment."""
    criteria = criteria_of(request)
    chosen = [criteria.get(criterion)] if criterion else list(criteria)
    key, value = pair_of(segment) if segment.strip() else ("", "")
    charts = []
    with reading(request.app.state.engine) as session:
        for one in chosen:
            points = trend_points(
                session,
                project=caller.project,
                criterion=one.name,
                bucket=bucket,
                application=application or None,
                by=key,
                time_zone=settings_of(request).time_zone,
            )
            charts.append(_chart(one, [p for p in points if p["segment"] == value], bucket))
        known = applications(session, caller.project)
    return page(
        request,
        "trends.html",
        caller,
        charts=charts,
        criteria=list(criteria),
        chosen_criterion=criterion,
        applications=known,
        application=application,
        segment=segment,
        bucket=bucket,
        buckets=BUCKETS,
    )


def _chart(criterion: Criterion, points: Sequence[dict[str, Any]], bucket: str) -> Chart:
    shown = _without_holes(points, bucket)
    scored = [point for point in shown if point["n"]]
    if not scored:
        return Chart(criterion, criterion.title, "", None, [])
    latest, n = scored[-1], sum(point["n"] for point in scored)
    share = percent(latest["rate"])
    looked_at = sum(point["n"] / point["coverage"] for point in scored)
    svg = line_chart(
        [Point(p["name"], p["rate"], p["low"], p["high"], p["n"]) for p in shown],
        title=f"Share of {criterion.failures} per {bucket}, with 95 % intervals",
        description=f"From {shown[0]['name']} to {shown[-1]['name']}; the latest is {share}.",
        note=share,
    )
    return Chart(
        criterion,
        f"{criterion.title}: {share} {criterion.failures} in {latest['name']}",
        f"{n:,} scored, {percent(n / looked_at)} of those that could have been",
        Markup(svg),
        shown,
    )


def _without_holes(points: Sequence[dict[str, Any]], bucket: str) -> list[dict[str, Any]]:
    """The newest buckets, oldest first; one in which nothing was looked at has n 0."""
    by_start = {
        datetime.fromisoformat(point["bucket"]).replace(tzinfo=None): point for point in points
    }
    if not by_start:
        return []
    starts = [max(by_start)]
    while starts[-1] > min(by_start) and len(starts) < MOST_POINTS[bucket]:
        starts.append(starts[-1] - STEPS[bucket])
    hole = {"n": 0, "failing": 0, "rate": None, "low": None, "high": None, "coverage": 0.0}
    return [
        {**by_start.get(start, hole), "name": _name_of(start, bucket)} for start in reversed(starts)
    ]


def _name_of(start: datetime, bucket: str) -> str:
    if bucket == "hour":
        return f"{start:%d %b %H}h"
    return f"{start:%d %b}" if bucket == "day" else f"{start:%G-W%V}"


def _wall_time(bucket: str) -> datetime:
    return datetime.fromisoformat(bucket).replace(tzinfo=None)
