"""Weeks as people count them, ISO weeks in the project's time zone, and other runs of days."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.errors import UnknownField

DAYS_OF_A_YEAR = 365
YEARS = range(1000, 9999)
"""Those whose weeks have a week after them, and enough before them to compare with."""
_WEEK = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)


class Period(NamedTuple):
    """A run of days that is compared with earlier ones as long: a week, or what somebody chose."""

    name: str
    from_at: datetime
    to_at: datetime


def week_of(at: datetime, zone: str) -> str:
    """The ISO week that a moment falls in, such as "2026-W47"."""
    year, week, _ = at.astimezone(zone_of(zone)).isocalendar()
    return f"{year:04d}-W{week:02d}"


def week_bounds(week: str, zone: str) -> tuple[datetime, datetime]:
    """The first moment of a week and the first moment after it, both in UTC.

    Raises UnknownField on a malformed week or time zone.
    """
    monday = _monday(week)
    return _midnight(monday, zone), _midnight(monday + timedelta(days=7), zone)


def days_of(week: str, zone: str) -> list[tuple[date, datetime, datetime]]:
    """The seven days of a week: the date, its first moment and the first moment after it."""
    monday = _monday(week)
    return days_between(monday, monday + timedelta(days=6), zone)


def days_between(first: date, last: date, zone: str) -> list[tuple[date, datetime, datetime]]:
    """The days from the first to the last: the date, its first moment and the first after it."""
    days = [first + timedelta(days=day) for day in range((last - first).days + 1)]
    return [(day, _midnight(day, zone), _midnight(day + timedelta(days=1), zone)) for day in days]


def as_periods(weeks: Sequence[str], zone: str) -> list[Period]:
    """The weeks with their bounds."""
    return [Period(week, *week_bounds(week, zone)) for week in weeks]


def periods_up_to(first: date, last: date, earlier: int, zone: str) -> list[Period]:
    """The days from the first to the last, and as many runs as long before them, oldest first; each
    is named by its first day."""
    days = (last - first).days + 1
    return _periods(first, earlier, days, days, zone)


def weekly_up_to(first: date, last: date, earlier: int, zone: str) -> list[Period]:
    """The same with whole weeks between the runs, so that each begins on the same weekday. The days
    between two runs are a period without a name, so that the list has no gaps."""
    days = (last - first).days + 1
    runs = _periods(first, earlier, days, 7 * weeks_in(days), zone)
    if days == 7 * weeks_in(days):
        return runs
    found = runs[:1]
    for one in runs[1:]:
        found += [Period("", found[-1].to_at, one.from_at), one]
    return found


def weeks_in(days: int) -> int:
    """How many whole weeks hold so many days."""
    return -(-days // 7)


def _periods(first: date, earlier: int, days: int, step: int, zone: str) -> list[Period]:
    pattern = "{0.day} {0:%b}" if step * (earlier + 1) < DAYS_OF_A_YEAR else "{0.day} {0:%b %Y}"
    starts = [first - timedelta(days=step * back) for back in range(earlier, -1, -1)]
    return [
        Period(
            pattern.format(start),
            _midnight(start, zone),
            _midnight(start + timedelta(days=days), zone),
        )
        for start in starts
    ]


def weeks_up_to(week: str, earlier: int) -> list[str]:
    """A week and as many weeks before it, oldest first."""
    monday = _monday(week)
    mondays = [monday - timedelta(weeks=back) for back in range(earlier, -1, -1)]
    return [f"{day.isocalendar().year:04d}-W{day.isocalendar().week:02d}" for day in mondays]


def last_complete_week(now: datetime, zone: str) -> str:
    """The newest week that was over at this moment."""
    return weeks_up_to(week_of(now, zone), 1)[0]


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name, or UnknownField."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownField(
            f"there is no time zone {name!r}; use a name such as Europe/Berlin"
        ) from None


def _monday(week: str) -> date:
    match = _WEEK.fullmatch(week)
    try:
        if match and int(match[1]) in YEARS:
            return date.fromisocalendar(int(match[1]), int(match[2]), 1)
    except ValueError:
        pass
    raise UnknownField(f"{week!r} is not a week; write it like 2026-W47")


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone_of(zone)).astimezone(UTC)
