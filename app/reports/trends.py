"""Trend points for a page or a program: the counts added up per hour, day or week."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlmodel import Session

from app.errors import UnknownField
from app.reports.counting import RELEASE
from app.reports.guidelines import guidelines_by
from app.reports.tallies import Release, Source
from app.reports.weeks import zone_of
from app.statistics.intervals import wilson
from app.store.rollups import JUDGE, Count, counts_between, day_of
from app.tables import DailyRollup, Rollup

BUCKETS = ("hour", "day", "week")
KEPT = 20_000
"""Of how many moments it is kept when their bucket begins: a chart asks it of each many times."""
LATE = timedelta(hours=23)
"""From the first hour of a day to its last."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which counts a trend adds up, and per which bucket of which time zone."""

    project: str
    criterion: str
    bucket: str
    from_at: datetime | None = None
    to_at: datetime | None = None
    application: str | None = None
    time_zone: str = "UTC"

    def counts(self, session: Session, *, by: str = "", value: str | None = None) -> list[Count]:
        """The counts of a segment, and of one of its values where one is chosen."""
        read = partial(
            counts_between,
            session,
            project=self.project,
            criterion=self.criterion,
            application=self.application,
            by=by,
            value=value,
        )
        return _counts(read, self.bucket, zone_of(self.time_zone), self.from_at, self.to_at)

    def start_of(self, row: Count) -> datetime:
        """When the bucket of a count begins."""
        return _start_of(row.bucket_at, self.bucket, zone_of(self.time_zone))


def trend_points(
    session: Session, asked: Asked, *, by: str = "", value: str | None = None
) -> list[dict[str, Any]]:
    """One point per bucket and value of the segment `by`, oldest first; empty buckets are left out.
    `value` chooses one of the values.

    `rate`, `low`, `high` and `mean` are None where nothing was scored. Raises UnknownField on an
    unknown bucket. The counts are hourly in UTC, so a zone off by half an hour is rounded down.
    """
    if asked.bucket not in BUCKETS:
        raise UnknownField(f"there is no bucket {asked.bucket!r}; choose {', '.join(BUCKETS)}")
    sums: dict[tuple[datetime, str], list[Count]] = {}
    for row in counted_once(asked.counts(session, by=by, value=value)):
        sums.setdefault((asked.start_of(row), row.segment_value), []).append(row)
    return [_point(at, segment, sums[at, segment]) for at, segment in sorted(sums)]


class Origin(NamedTuple):
    """Where the numbers of a bucket come from."""

    sources: frozenset[Source] = frozenset()
    """What judged."""
    releases: frozenset[Release] = frozenset()
    """The releases that were seen."""
    precisions: frozenset[str] = frozenset()
    """What verdicts were computed in, where they tell."""


def trend_origins(session: Session, asked: Asked) -> dict[str, Origin]:
    """The origin of each bucket that has counts, whatever its segment; the keys are the buckets of
    `trend_points`.
    """
    whole = counted_once(asked.counts(session))
    counted = {(asked.start_of(row), row.application, row.source) for row in whole}
    sources: dict[datetime, set[Source]] = defaultdict(set)
    releases: dict[datetime, set[Release]] = defaultdict(set)
    precisions: dict[datetime, set[str]] = defaultdict(set)
    for row in asked.counts(session, by=JUDGE):
        at = asked.start_of(row)
        if row.n and (at, row.application, row.source) in counted:
            sources[at].add(_source(row))
            precisions[at] |= _precisions(row)
    for row in asked.counts(session, by=RELEASE):
        if _judged(row):
            releases[asked.start_of(row)].add(Release(row.application, row.segment_value))
    starts = {at for at, *_ in counted}
    return {
        at.isoformat(): Origin(
            frozenset(sources[at]), frozenset(releases[at]), frozenset(precisions[at])
        )
        for at in starts
    }


def trend_guidelines(session: Session, asked: Asked) -> Mapping[str, frozenset[str]]:
    """Per bucket in which labels were given the versions of the guideline that they carry."""
    zone = zone_of(asked.time_zone)

    def bucket_of(at: datetime) -> str:
        return _start_of(at, asked.bucket, zone).isoformat()

    bounds = asked.from_at, asked.to_at
    return guidelines_by(session, asked.project, bounds, bucket_of).get(asked.criterion, {})


def _source(row: Count) -> Source:
    evaluator, _, version = row.source.partition("@")
    threshold, *_ = json.loads(row.segment_value)
    return Source(evaluator, version, threshold)


def _precisions(row: Count) -> set[str]:
    _, _, _, *told = json.loads(row.segment_value)
    return set(told)


def _counts(
    read: Callable[..., list[Count]],
    bucket: str,
    zone: ZoneInfo,
    from_at: datetime | None,
    to_at: datetime | None,
) -> list[Count]:
    """The counts of whole days, and of hours where a day is cut by an end or has two sources."""
    if bucket == "hour":
        return read(Rollup, from_at=from_at, to_at=to_at)
    days = read(DailyRollup, from_at=from_at and day_of(from_at), to_at=to_at)
    seen = Counter((one.bucket_at, one.application, one.segment_value) for one in days)
    cut = {at for (at, *_), sources in seen.items() if sources > 1}
    cut |= {day_of(end) for end in (from_at, to_at) if end is not None and end != day_of(end)}
    cut |= {
        at
        for at in {one.bucket_at for one in days}
        if _start_of(at, bucket, zone) != _start_of(at + LATE, bucket, zone)
    }
    if not cut:
        return days
    hours = [day + timedelta(hours=number) for day in sorted(cut) for number in range(24)]
    whole = [one for one in days if one.bucket_at not in cut]
    return [*whole, *read(Rollup, from_at=from_at, to_at=to_at, among=hours)]


def counted_once(rows: Iterable[Count]) -> list[Count]:
    """Per bucket, application and segment only the source that judged most, the later of equals.

    Two versions of an evaluator that judged the same answers must not count them twice.
    """
    best: dict[tuple[datetime, str, str, str], Count] = {}
    for row in rows:
        key = (row.bucket_at, row.application, row.segment_key, row.segment_value)
        known = best.get(key)
        if known is None or (_judged(row), row.source) > (_judged(known), known.source):
            best[key] = row
    return [row for row in best.values() if _judged(row)]


def _judged(row: Count) -> int:
    return row.n + row.abstained + row.failed


@lru_cache(KEPT)
def _start_of(at: datetime, bucket: str, zone: ZoneInfo) -> datetime:
    hour = at.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    if bucket == "hour":
        return hour
    day = hour.replace(hour=0, fold=0)
    return day if bucket == "day" else day - timedelta(days=day.weekday())


def _point(at: datetime, segment: str, rows: list[Count]) -> dict[str, Any]:
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
