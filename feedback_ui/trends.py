"""The page of trends: how often answers fail over time, with the uncertainty of each share."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from markupsafe import Markup
from sqlmodel import Session

from app.access import Caller, require
from app.criteria import Criterion
from app.database import reading
from app.reports.charts import ChartMark, Limits, Point, line_chart
from app.reports.courses import Course, Share, follow
from app.reports.marks import Mark, marks, sentence
from app.reports.tallies import Source
from app.reports.targets import LOCKED_POINTS, target_sentence
from app.reports.trends import (
    BUCKETS,
    Asked,
    Origin,
    trend_guidelines,
    trend_origins,
    trend_points,
)
from app.requests import instant_of, refuse_nul, settings_of
from app.store.interactions import applications
from app.store.rollups import newest_hour
from feedback_ui.filters import pair_of
from feedback_ui.pages import criteria_of, page, percent

MOST_POINTS = {"hour": 48, "day": 42, "week": 26}
Guidelines = Mapping[str, frozenset[str]]
STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}

TONES = {1: "concern", -1: "good", 0: ""}

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


@dataclass(frozen=True, slots=True)
class View:
    """What the address asks to see."""

    application: str | None
    key: str
    value: str
    bucket: str
    from_at: datetime | None
    to_at: datetime | None
    time_zone: str


@router.get("/trends")
def trends(
    request: Request,
    caller: Reader,
    criterion: str = "",
    application: str = "",
    segment: str = "",
    bucket: str = "week",
    from_: Annotated[str, Query(alias="from")] = "",
    to: str = "",
) -> Response:
    """A control chart per criterion, of everything or of one application or segment."""
    criteria = criteria_of(request)
    chosen = [criteria.get(criterion)] if criterion else list(criteria)
    key, value = pair_of(segment) if segment.strip() else ("", "")
    zone = settings_of(request).time_zone
    last_day = instant_of(to, zone, name="the last day")
    end = last_day + timedelta(days=1) if last_day is not None else None
    start = instant_of(from_, zone, name="the first day")
    view = View(application or None, key, value, bucket, start, end, zone)
    with reading(request.app.state.engine) as session:
        charts = [_read_chart(session, caller.project, one, view) for one in chosen]
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
        from_day=from_,
        to_day=to,
    )


def _read_chart(session: Session, project: str, criterion: Criterion, view: View) -> Chart:
    """The chart of the range, or of as many buckets as are shown, up to the newest."""
    start = view.from_at
    if start is None and view.bucket in STEPS:
        newest = view.to_at or newest_hour(
            session, project, criterion.name, application=view.application, by=view.key
        )
        reach = (MOST_POINTS[view.bucket] + 1) * STEPS[view.bucket]
        start = newest - reach if newest is not None else None
    asked = Asked(
        project=project,
        criterion=criterion.name,
        bucket=view.bucket,
        from_at=start,
        to_at=view.to_at,
        application=view.application,
        time_zone=view.time_zone,
    )
    points = trend_points(session, asked, by=view.key, value=view.value)
    origins, guidelines = trend_origins(session, asked), trend_guidelines(session, asked)
    return _chart(criterion, points, origins, guidelines, view.bucket)


def _chart(
    criterion: Criterion,
    points: Sequence[dict[str, Any]],
    origins: Mapping[str, Origin],
    guidelines: Guidelines,
    bucket: str,
) -> Chart:
    shown = _without_holes(points, bucket)
    scored = [point for point in shown if point["n"]]
    if not scored:
        return Chart(criterion, criterion.title, "", None, [])
    latest, n = scored[-1], sum(point["n"] for point in scored)
    share = percent(latest["rate"])
    looked_at = sum(point["n"] / point["coverage"] for point in scored)
    judged, changes = _changes(shown, origins, guidelines)
    course = follow([Share(p["failing"], p["n"]) for p in shown], _comparable(judged))
    told = sentence(changes, [point["name"] for point in shown])
    wanted = target_sentence(course, criterion.target)
    finding = " ".join(filter(None, [_finding(course, bucket), wanted, told]))
    svg = line_chart(
        [
            Point(p["name"], p["rate"], p["low"], p["high"], p["n"], TONES[flag])
            for p, flag in zip(shown, course.flags, strict=True)
        ],
        title=f"Share of {criterion.failures} per {bucket}, with 95 % intervals",
        description=f"From {shown[0]['name']} to {shown[-1]['name']}; the latest is {share}. "
        + finding,
        limits=_limits(course),
        target=criterion.target,
        note=share,
        marks=[ChartMark(**asdict(mark)) for mark in changes],
    )
    return Chart(
        criterion,
        f"{criterion.title}: {share} {criterion.failures} in {latest['name']}",
        f"{n:,} scored, {percent(n / looked_at)} of those that could have been. {finding}",
        Markup(svg),
        shown,
    )


def _changes(
    shown: Sequence[dict[str, Any]], origins: Mapping[str, Origin], guidelines: Guidelines
) -> tuple[list[frozenset[Source]], list[Mark]]:
    """What judged in each bucket, and the marks of what changed."""
    known = [origins.get(point.get("bucket", ""), Origin()) for point in shown]
    judged, releases = [one.sources for one in known], [one.releases for one in known]
    versions = [guidelines.get(point.get("bucket", ""), frozenset()) for point in shown]
    return judged, marks(judged, releases, versions, [one.precisions for one in known])


def _comparable(judged: Sequence[frozenset[Source]]) -> list[bool]:
    """The buckets that nothing judged but what judged the newest one; all where it is unknown."""
    newest = next((sources for sources in reversed(judged) if sources), frozenset())
    return [not newest or (bool(sources) and sources <= newest) for sources in judged]


def _limits(course: Course) -> Limits | None:
    chart = course.chart
    if chart is None:
        return None
    low, high = ([getattr(ends, side) for ends in chart.limits] for side in ("low", "high"))
    return Limits(chart.centre, low, high)


def _finding(course: Course, bucket: str) -> str:
    """What the control chart says, in a sentence."""
    if course.chart is None:
        return f"Too few {bucket}s were judged like the latest to know what is usual."
    trial = "" if course.points >= LOCKED_POINTS else "; the limits are on trial"
    limits = f"usually {percent(course.chart.centre)}{trial}"
    if course.flags[-1]:
        side = "above" if course.flags[-1] > 0 else "below"
        return f"The latest {bucket} lies {side} its usual variation, {limits}."
    return f"The latest {bucket} is within its usual variation, {limits}."


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
