"""Trend points for a page or a program: the hourly counts added up per hour, day or week."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from app.errors import UnknownField
from app.reports.weeks import zone_of
from app.statistics.intervals import wilson
from app.store.rollups import HourlyCount, hourly_counts

BUCKETS = ("hour", "day", "week")


def trend_points(
    session: Session,
    *,
    project: str,
    criterion: str,
    bucket: str,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    application: str | None = None,
    by: str = "",
    value: str | None = None,
    time_zone: str = "UTC",
) -> list[dict[str, Any]]:
    """One point per bucket and value of the segment `by`, oldest first; empty buckets are left out.
    `value` chooses one of the values.

    `rate`, `low`, `high` and `mean` are None where nothing was scored. Raises UnknownField on an
    unknown bucket. The counts are hourly in UTC, so a zone off by half an hour is rounded down.
    """
    if bucket not in BUCKETS:
        raise UnknownField(f"there is no bucket {bucket!r}; choose {', '.join(BUCKETS)}")
    zone = zone_of(time_zone)
    rows = hourly_counts(
        session,
        project,
        criterion,
        from_at=from_at,
        to_at=to_at,
        application=application,
        by=by,
        value=value,
    )
    sums: dict[tuple[datetime, str], list[HourlyCount]] = {}
    for row in counted_once(rows):
        key = (_start_of(row.bucket_at, bucket, zone), row.segment_value)
        sums.setdefault(key, []).append(row)
    return [_point(at, segment, sums[at, segment]) for at, segment in sorted(sums)]


def counted_once(rows: Iterable[HourlyCount]) -> list[HourlyCount]:
    """Per hour, application and segment only the source that judged most, the later one of equals.

    Two versions of an evaluator that judged the same answers must not count them twice.
    """
    best: dict[tuple[datetime, str, str, str], HourlyCount] = {}
    for row in rows:
        key = (row.bucket_at, row.application, row.segment_key, row.segment_value)
        known = best.get(key)
        if known is None or (_judged(row), row.source) > (_judged(known), known.source):
            best[key] = row
    return [row for row in best.values() if _judged(row)]


def _judged(row: HourlyCount) -> int:
    return row.n + row.abstained + row.failed


def _start_of(at: datetime, bucket: str, zone: ZoneInfo) -> datetime:
    hour = at.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    if bucket == "hour":
        return hour
    day = hour.replace(hour=0, fold=0)
    return day if bucket == "day" else day - timedelta(days=day.weekday())


def _point(at: datetime, segment: str, rows: list[HourlyCount]) -> dict[str, Any]:
    n, failing = sum(row.n for row in rows), sum(row.failing for row in rows)
    interval = wilson(failing, n)
    return {
        "bucket": at.isoformat(),
        "segment": segment,
        "n": n,
        "failing": failing,
        "rate": failing / n if n else None,
        "low": interval.low if n else None,
        "high": interval.high if n else None,
        "mean": sum(row.total for row in rows) / n if n else None,
        "coverage": n / sum(_judged(row) for row in rows),
    }
