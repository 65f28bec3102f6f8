"""Counts over many interactions: trends, coverage, the report of a week."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request

from app.access import Caller, require
from app.answers import JsonAnswer
from app.api.shapes import CoverageShape, TrendShape
from app.criteria import Criteria
from app.database import reading
from app.reports import build_report, report_schema
from app.reports.trends import Asked, trend_points
from app.reports.weeks import week_bounds
from app.requests import current_time, instant_of, refuse_nul, settings_of
from app.store.evaluations import coverage
from app.store.reports import load_report

router = APIRouter(tags=["read"], dependencies=[Depends(refuse_nul)])

Reader = Annotated[Caller, Depends(require("read"))]
Now = Annotated[datetime, Depends(current_time)]


@router.get("/api/v1/trends", response_model=TrendShape)
def get_trends(
    request: Request,
    caller: Reader,
    criterion: Annotated[str, Query(examples=["groundedness"])],
    bucket: Literal["hour", "day", "week"] = "day",
    from_: Annotated[str | None, Query(alias="from", examples=["2026-11-16"])] = None,
    to: Annotated[str | None, Query(description="Not included", examples=["2026-11-23"])] = None,
    by: Annotated[str, Query(description="A segment key to split by", examples=["language"])] = "",
    application: str | None = None,
) -> JsonAnswer:
    """How often answers failed over time, with 95 % intervals; empty buckets are left out."""
    criteria: Criteria = request.app.state.criteria
    zone = settings_of(request).time_zone
    asked = Asked(
        project=caller.project,
        criterion=criteria.get(criterion).name,
        bucket=bucket,
        from_at=instant_of(from_, zone, name="from"),
        to_at=instant_of(to, zone, name="to"),
        application=application or None,
        time_zone=zone,
    )
    with reading(request.app.state.engine) as session:
        points = trend_points(session, asked, by=by)
    return JsonAnswer({"criterion": criterion, "bucket": bucket, "by": by, "points": points})


@router.get("/api/v1/coverage", response_model=CoverageShape)
def get_coverage(request: Request, caller: Reader, now: Now) -> JsonAnswer:
    """How many evaluations have which status, and how long the oldest has waited."""
    with reading(request.app.state.engine) as session:
        covered = coverage(session, caller.project)
    oldest = covered.oldest_pending_at
    return JsonAnswer(
        {
            "criteria": covered.counts,
            "oldest_pending_at": oldest,
            "oldest_pending_seconds": (now - oldest).total_seconds() if oldest else None,
        }
    )


@router.get("/api/v1/report.schema.json", response_model=dict[str, object])
def get_report_schema(caller: Reader) -> JsonAnswer:
    """The JSON Schema of a report."""
    return JsonAnswer(report_schema())


@router.get("/api/v1/reports/{week}", response_model=dict[str, object])
def get_report(
    request: Request, caller: Reader, now: Now, week: str, application: str = ""
) -> JsonAnswer:
    """The report of an ISO week such as 2026-W47: as issued, or as it would be now."""
    zone = settings_of(request).time_zone
    week_bounds(week, zone)
    with reading(request.app.state.engine) as session:
        issued = load_report(session, caller.project, week=week, application=application)
        if issued is not None:
            return JsonAnswer(issued.body)
        report = build_report(
            session,
            project=caller.project,
            criteria=request.app.state.criteria,
            week=week,
            application=application or None,
            now=now,
            time_zone=zone,
        )
    return JsonAnswer(report)
