"""Trend points: hourly counts added up per hour, day or week."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from app.database import reading, transaction
from app.errors import UnknownField
from app.reports import trend_points
from app.reports.tallies import Release, Source
from app.reports.trends import Asked, Origin, trend_origins
from app.statistics.intervals import wilson
from app.store.rollups import KEY, VALUES, Sums, day_of
from app.tables import DailyRollup, Rollup

SUNDAY_NIGHT = datetime(2026, 11, 15, 23, 0, tzinfo=UTC)


def hour(at: datetime, n: int, failing: int, **changes: Any) -> Rollup:
    fields: dict[str, Any] = {
        "project": "default",
        "bucket_at": at,
        "application": "shop",
        "criterion": "groundedness",
        "source": "words@1",
        "segment_key": "",
        "segment_value": "",
        "n": n,
        "failing": failing,
        "total": 0.5 * n,
        "histogram": [0] * 20,
        **changes,
    }
    return Rollup(**fields)


def days_of(rows: Sequence[Rollup]) -> Iterator[DailyRollup]:
    """The days that the hours add up to."""
    sums: dict[tuple[Any, ...], Sums] = defaultdict(Sums)
    for row in rows:
        place = {name: getattr(row, name) for name in KEY} | {"bucket_at": day_of(row.bucket_at)}
        values = {name: getattr(row, name) for name in VALUES}
        sums[tuple(place.values())].merge(Sums(**values))
    for key, values in sums.items():
        yield DailyRollup(**dict(zip(KEY, key, strict=True)), **asdict(values))


def points_of(
    engine: Engine, *rows: Rollup, bucket: str, by: str = "", **options: Any
) -> list[dict[str, Any]]:
    with transaction(engine) as session:
        session.add_all([*rows, *days_of(rows)])
    with reading(engine) as session:
        return trend_points(session, Asked("default", "groundedness", bucket, **options), by=by)


def test_hours_add_up_to_days_with_an_interval(engine: Engine) -> None:
    rows = [hour(SUNDAY_NIGHT, 10, 2), hour(SUNDAY_NIGHT - timedelta(hours=1), 30, 4, abstained=10)]
    (point,) = points_of(engine, *rows, bucket="day")
    assert point == {
        "bucket": "2026-11-15T00:00:00+00:00",
        "segment": "",
        "n": 40,
        "failing": 6,
        "rate": 0.15,
        "low": wilson(6, 40).low,
        "high": wilson(6, 40).high,
        "mean": 0.5,
        "coverage": 0.8,
    }


def test_the_zone_decides_the_week(engine: Engine) -> None:
    row = hour(SUNDAY_NIGHT, 10, 2)
    (here,) = points_of(engine, row, bucket="week")
    (there,) = points_of(engine, bucket="week", time_zone="Europe/Berlin")
    assert here["bucket"] == "2026-11-09T00:00:00+00:00"
    assert there["bucket"] == "2026-11-16T00:00:00+01:00"


def test_two_versions_of_an_evaluator_count_the_same_answers_once(engine: Engine) -> None:
    rows = [hour(SUNDAY_NIGHT, 10, 2), hour(SUNDAY_NIGHT, 10, 5, source="words@2")]
    (point,) = points_of(engine, *rows, bucket="hour")
    assert (point["n"], point["failing"]) == (10, 5)


def test_applications_add_up_and_segments_stay_apart(engine: Engine) -> None:
    rows = [
        hour(SUNDAY_NIGHT, 10, 2, segment_key="language", segment_value="de"),
        hour(SUNDAY_NIGHT, 20, 2, segment_key="language", segment_value="en"),
        hour(SUNDAY_NIGHT, 5, 1, segment_key="language", segment_value="de", application="city"),
    ]
    points = points_of(engine, *rows, bucket="day", by="language")
    assert [(point["segment"], point["n"]) for point in points] == [("de", 15), ("en", 20)]
    (only,) = points_of(engine, bucket="day", by="language", application="city")
    assert only["n"] == 5


def test_a_bucket_in_which_nothing_was_scored_has_no_rate(engine: Engine) -> None:
    (point,) = points_of(engine, hour(SUNDAY_NIGHT, 0, 0, abstained=3, failed=1), bucket="hour")
    assert (point["rate"], point["low"], point["mean"]) == (None, None, None)
    assert point["coverage"] == 0.0


def test_an_unknown_bucket_is_named(engine: Engine) -> None:
    with pytest.raises(UnknownField, match="hour, day, week"):
        points_of(engine, bucket="month")


def test_each_bucket_knows_what_judged_it_and_which_releases_were_seen(engine: Engine) -> None:
    week = timedelta(days=7)
    rows = [
        hour(SUNDAY_NIGHT, 10, 2),
        hour(SUNDAY_NIGHT, 10, 2, segment_key="@judge", segment_value="[0.5, null, null]"),
        hour(SUNDAY_NIGHT, 10, 2, segment_key="release", segment_value="1.0"),
        hour(SUNDAY_NIGHT + week, 20, 9, source="words@2"),
        hour(
            SUNDAY_NIGHT + week,
            n=20,
            failing=9,
            source="words@2",
            segment_key="@judge",
            segment_value="[0.6, null, null]",
        ),
        hour(SUNDAY_NIGHT + week, 4, 2, source="words@1"),
        hour(SUNDAY_NIGHT + week, 4, 2, segment_key="@judge", segment_value="[0.5, null, null]"),
    ]
    with transaction(engine) as session:
        session.add_all([*rows, *days_of(rows)])
    for bucket, names in (("week", ("09", "16")), ("day", ("15", "22"))):
        with reading(engine) as session:
            found = trend_origins(session, Asked("default", "groundedness", bucket))
        assert found == {
            f"2026-11-{names[0]}T00:00:00+00:00": Origin(
                frozenset({Source("words", "1", 0.5)}),
                frozenset({Release("shop", "1.0")}),
            ),
            f"2026-11-{names[1]}T00:00:00+00:00": Origin(
                frozenset({Source("words", "2", 0.6)}),
            ),
        }
