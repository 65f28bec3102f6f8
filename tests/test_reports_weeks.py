"""Weeks in the project's time zone, and how numbers look."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.errors import UnknownField
from app.reports.numbers import counted, listed, long_week, percent, percent_range, points
from app.reports.weeks import days_of, last_complete_week, week_bounds, week_of, weeks_up_to


def test_a_moment_belongs_to_the_week_of_its_local_calendar() -> None:
    sunday_night = datetime(2026, 11, 15, 23, 30, tzinfo=UTC)
    assert week_of(sunday_night, "UTC") == "2026-W46"
    assert week_of(sunday_night, "Europe/Berlin") == "2026-W47"


def test_a_week_starts_on_monday_at_local_midnight() -> None:
    from_at, to_at = week_bounds("2026-W47", "Europe/Berlin")
    assert from_at == datetime(2026, 11, 15, 23, tzinfo=UTC)
    assert to_at - from_at == timedelta(days=7)


def test_the_week_in_which_clocks_go_back_has_an_hour_more() -> None:
    from_at, to_at = week_bounds("2026-W43", "Europe/Berlin")
    assert to_at - from_at == timedelta(days=7, hours=1)
    assert [end - start for _, start, end in days_of("2026-W43", "Europe/Berlin")][-1] == timedelta(
        hours=25
    )


def test_weeks_run_over_the_end_of_a_year() -> None:
    assert weeks_up_to("2027-W01", 2) == ["2026-W52", "2026-W53", "2027-W01"]


def test_the_last_complete_week_is_the_one_before_this() -> None:
    monday = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
    assert last_complete_week(monday, "UTC") == "2026-W47"
    assert last_complete_week(monday - timedelta(seconds=1), "UTC") == "2026-W46"


@pytest.mark.parametrize(
    "week", ["2026-W54", "2026-W00", "2026-47", "W47", "", "2026-W4x", "2026-W47\n"]
)
def test_a_malformed_week_says_how_to_write_one(week: str) -> None:
    with pytest.raises(UnknownField, match="write it like 2026-W47"):
        week_bounds(week, "UTC")


def test_an_unknown_time_zone_is_named() -> None:
    with pytest.raises(UnknownField, match="Mars"):
        week_bounds("2026-W47", "Mars/Olympus")


def test_numbers_have_a_narrow_space_a_true_minus_and_honest_decimals() -> None:
    assert percent(0.094) == "9.4\u202f%"
    assert percent(0.0021) == "0.21\u202f%"
    assert percent(0.0) == "0\u202f%"
    assert percent_range(0.0889, 0.1) == "8.9 to 10.0\u202f%"
    assert percent_range(0.0014, 0.0031) == "0.14 to 0.31\u202f%"
    assert points(0.024) == "+2.4 pp"
    assert points(-0.003) == "\u22120.3 pp"
    assert points(-0.0001) == "0.0 pp"


def test_words_around_numbers_agree_with_them() -> None:
    assert counted(1, "label") == "1 label"
    assert counted(12_050, "answer") == "12,050 answers"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert long_week("2026-W47", date(2026, 11, 16)) == "Week 47, 16 to 22 November 2026"
    assert long_week("2026-W49", date(2026, 11, 30)) == "Week 49, 30 November to 6 December 2026"
