"""The page of trends: how often answers fail over time, with the uncertainty of each share."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response

from app.access import Caller, require
from app.criteria import Criterion
from app.database import reading
from app.errors import UnknownField
from app.requests import refuse_nul, settings_of
from app.statistics.intervals import wilson
from app.store.interactions import applications
from app.store.rollups import rollup_points
from app.tables import Rollup
from feedback_ui.charts import TrendPoint, trend_chart
from feedback_ui.filters import pair_of
from feedback_ui.pages import criteria_of, page, percent

Bucket = Literal["hour", "day", "week"]
BUCKETS: tuple[Bucket, ...] = get_args(Bucket)
MOST_POINTS: dict[str, int] = {"hour": 48, "day": 42, "week": 26}

router = APIRouter(include_in_schema=False, dependencies=[Depends(refuse_nul)])

Reader = Annotated[Caller, Depends(require("read"))]


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
    if bucket not in BUCKETS:
        raise UnknownField(f"points are per {', '.join(BUCKETS)}, not per {bucket!r}")
    chosen = [criteria.get(criterion)] if criterion else list(criteria)
    key, value = pair_of(segment) if segment.strip() else ("", "")
    zone = ZoneInfo(settings_of(request).time_zone)
    with reading(request.app.state.engine) as session:
        charts = []
        for one in chosen:
            rows = rollup_points(
                session, caller.project, one.name, application=application or None, by=key
            )
            rows = [row for row in rows if row.segment_value == value]
            charts.append(_chart(one, _points(rows, bucket, zone)))
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


def _chart(criterion: Criterion, points: Sequence[TrendPoint]) -> dict[str, Any]:
    scored = [point for point in points if point.n]
    latest = scored[-1] if scored else None
    heading = criterion.title
    if latest is not None:
        heading += f": {percent(latest.rate)} {criterion.failures} in {latest.name}"
    title = f"Share of {criterion.failures} over time, with 95 % intervals"
    return {
        "criterion": criterion,
        "heading": heading,
        "points": points,
        "svg": trend_chart(points, title) if scored else None,
        "coverage": f"{sum(point.n for point in points):,} scored, {percent(_coverage(points))}"
        " of those looked at"
        if scored
        else "",
    }


def _coverage(points: Sequence[TrendPoint]) -> float:
    looked_at = sum(point.n / point.coverage for point in points if point.coverage)
    return sum(point.n for point in points) / looked_at if looked_at else 0.0


def _points(rows: Iterable[Rollup], bucket: str, zone: ZoneInfo) -> list[TrendPoint]:
    """The newest buckets without holes between them, oldest first."""
    sums: dict[datetime, list[int]] = {}
    for row in rows:
        counts = sums.setdefault(_start_of(row.bucket_at, bucket, zone), [0, 0, 0])
        counts[0] += row.n
        counts[1] += row.failing
        counts[2] += row.abstained + row.failed
    if not sums:
        return []
    starts = [max(sums)]
    while starts[-1] > min(sums) and len(starts) < MOST_POINTS[bucket]:
        starts.append(_start_of(starts[-1] - timedelta(hours=1), bucket, zone))
    return [_point(start, sums.get(start, [0, 0, 0]), bucket) for start in reversed(starts)]


def _point(start: datetime, counts: Sequence[int], bucket: str) -> TrendPoint:
    n, failing, unscored = counts
    low, high = wilson(failing, n)
    looked_at = n + unscored
    return TrendPoint(
        _name_of(start, bucket), n, failing, low, high, n / looked_at if looked_at else 0.0
    )


def _start_of(at: datetime, bucket: str, zone: ZoneInfo) -> datetime:
    local = at.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    if bucket == "hour":
        return local
    day = local.replace(hour=0)
    return day if bucket == "day" else day - timedelta(days=day.weekday())


def _name_of(start: datetime, bucket: str) -> str:
    if bucket == "hour":
        return f"{start:%d %b %H:%M}"
    return f"{start:%d %b}" if bucket == "day" else f"{start:%G-W%V}"
