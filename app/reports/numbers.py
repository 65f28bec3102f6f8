"""How numbers look in a report: narrow space before %, a true minus, points for differences."""

from datetime import date, datetime, timedelta

NARROW_SPACE = "\u202f"
MINUS = "\u2212"
DASH = "\u2013"
SMALL_PERCENT = 0.995


def percent(rate: float) -> str:
    """A share with one decimal, with two below 1 %: "9.4 %", "0.21 %", "0 %"."""
    return f"{_percent_number(rate)}{NARROW_SPACE}%"


def percent_range(low: float, high: float) -> str:
    """Two shares in one unit and with as many decimals: "8.9 to 10.0 %"."""
    decimals = 1 if 100 * high >= SMALL_PERCENT else 2
    ends = [
        f"{100 * end:.{decimals}f}" if 0 < end < 1 else f"{100 * end:.0f}" for end in (low, high)
    ]
    return f"{' to '.join(ends)}{NARROW_SPACE}%"


def points(difference: float) -> str:
    """A difference of shares in percentage points, always with its sign: "+2.4 pp"."""
    return f"{signed(difference)} pp"


def points_range(low: float, high: float) -> str:
    """Two differences in percentage points, without the unit: "−0.3 to +3.1"."""
    return f"{signed(low)} to {signed(high)}"


def signed(difference: float) -> str:
    """A difference of shares times 100 with its sign: "+2.4", "−0.3", "0.0"."""
    value = round(100 * difference, 1)
    return "0.0" if value == 0 else f"{value:+.1f}".replace("-", MINUS)


def count(number: int) -> str:
    """A whole number with commas: "12,050"."""
    return f"{number:,}"


def decimal(value: float | None) -> str:
    """A coefficient with two decimals, or a dash where there is none."""
    # Nought is added for what rounds to a negative zero.
    return DASH if value is None else f"{round(value, 2) + 0.0:.2f}".replace("-", MINUS)


def short_week(week: str) -> str:
    """The week without its year: "W47"; other periods are named shortly enough."""
    return week.rpartition("-")[2]


def long_week(week: str, from_day: date) -> str:
    """A week with its days: "Week 47, 16 to 22 November 2026"."""
    to_day = from_day + timedelta(days=6)
    first = f"{from_day.day}"
    if from_day.month != to_day.month:
        first += f" {from_day:%B}"
    if from_day.year != to_day.year:
        first += f" {from_day.year}"
    return f"Week {int(week[-2:])}, {first} to {to_day.day} {to_day:%B %Y}"


def moment(at: datetime) -> str:
    """A time for people: "23 Nov 2026, 06:00 UTC"."""
    return f"{at.day} {at:%b %Y, %H:%M} {at.tzname()}"


def listed(names: list[str]) -> str:
    """Names as a sentence lists them: "a", "a and b", "a, b and c"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def counted(number: int, singular: str, plural: str = "") -> str:
    """A number with its noun: "1 label", "3 labels"."""
    return f"{count(number)} {singular if number == 1 else plural or singular + 's'}"


def _percent_number(rate: float) -> str:
    value = 100 * rate
    if rate in (0, 1):
        return f"{value:.0f}"
    return f"{value:.2f}" if value < SMALL_PERCENT else f"{value:.1f}"
