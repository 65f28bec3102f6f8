"""What a report is made of: plain values that JSON can hold, drawn by every format in its own way.

A section has an id, a name for the menu, a heading that states its finding, and blocks. A table's
cells hold numbers, not text, so that a program can read what people see.
"""

from collections.abc import Sequence
from typing import Any

from app.reports.courses import Share
from app.reports.findings import too_few_to_say
from app.statistics.comparison import Comparison
from app.statistics.intervals import Interval

Block = dict[str, Any]
Cell = dict[str, Any]
Section = dict[str, Any]


def section(
    id: str, name: str, heading: str, blocks: Sequence[Block], *, note: str = ""
) -> Section:
    """A part of the report; the heading is a full sentence with the finding."""
    return {"id": id, "name": name, "heading": heading, "note": note, "blocks": list(blocks)}


def text(words: str, *, style: str = "plain") -> Block:
    """A paragraph; the style is plain or note."""
    return {"block": "text", "text": words, "style": style}


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, caption: str) -> Block:
    """Rows of cells; the first cell of a row names it."""
    return {
        "block": "table",
        "caption": caption,
        "columns": list(columns),
        "rows": [list(row) for row in rows],
    }


def folded(summary: str, blocks: Sequence[Block]) -> Block:
    """Blocks that are shown when asked for."""
    return {"block": "folded", "summary": summary, "blocks": list(blocks)}


def figures(items: Sequence[tuple[str, int]]) -> Block:
    """Counts in a row, from the many to the few."""
    return {
        "block": "figures",
        "items": [{"label": label, "value": value} for label, value in items],
    }


def facts(items: Sequence[tuple[str, str]]) -> Block:
    """Terms and what they are."""
    return {"block": "facts", "items": [{"term": term, "text": words} for term, words in items]}


def line_chart(
    title: str,
    description: str,
    points: Sequence[Block],
    limits: Block | None,
    note: str,
    marks: Sequence[Block] = (),
    target: float | None = None,
) -> Block:
    """A share per week with its intervals, the limits of usual variation, marks of changes and the
    target."""
    return {
        "block": "line_chart",
        "title": title,
        "description": description,
        "points": list(points),
        "limits": limits,
        "note": note,
        "marks": list(marks),
        "target": target,
    }


def forest_chart(title: str, description: str, rows: Sequence[Block]) -> Block:
    """Differences of shares with their intervals."""
    return {
        "block": "forest_chart",
        "title": title,
        "description": description,
        "rows": list(rows),
    }


def calibration_chart(
    title: str, description: str, bins: Sequence[Block], scores: Sequence[float]
) -> Block:
    """The share that held against the mean score of each range of scores."""
    return {
        "block": "calibration_chart",
        "title": title,
        "description": description,
        "bins": list(bins),
        "scores": list(scores),
    }


def clusters(items: Sequence[Block]) -> Block:
    """Topics of failures: name, count, change, and the example nearest the centre."""
    return {"block": "clusters", "items": list(items)}


def examples(items: Sequence[Block]) -> Block:
    """Interactions that failed, with what shows it."""
    return {"block": "examples", "items": list(items)}


def words(content: str, small: str = "", *, tone: str = "", href: str = "") -> Cell:
    """A cell of words, with a second line in small type."""
    return {"cell": "words", "text": content, "small": small, "tone": tone, "href": href}


def number(value: int) -> Cell:
    """A cell with a count."""
    return {"cell": "number", "value": value}


def coefficient(value: float | None, interval: Interval | None = None) -> Cell:
    """A cell with a number between -1 and 1 and its 95 % interval, or none."""
    return {
        "cell": "coefficient",
        "value": value,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
    }


def share(value: Share | None, *, tone: str = "", is_supported: bool = False) -> Cell:
    """A cell with a share and its 95 % interval.

    `too_few` tells that the number is too unsure to be shown; a supported finding is always shown.
    """
    if value is None or not value.n:
        return {"cell": "share", "n": 0, "failing": 0, "rate": None}
    return {
        "cell": "share",
        "n": value.n,
        "failing": value.failing,
        "rate": value.rate,
        "low": value.interval.low,
        "high": value.interval.high,
        "too_few": too_few_to_say(value) and not is_supported,
        "tone": tone,
    }


def estimate(
    rate: float, interval: Interval, n: int, *, of: str = "labels", tone: str = ""
) -> Cell:
    """A cell with an estimated share that is not a plain count, and what it was estimated from."""
    return {
        "cell": "estimate",
        "rate": rate,
        "low": interval.low,
        "high": interval.high,
        "n": n,
        "of": of,
        "tone": tone,
    }


def ratio(value: float, interval: Interval) -> Cell:
    """A cell with a ratio of shares and its 95 % interval."""
    return {"cell": "ratio", "value": value, "low": interval.low, "high": interval.high}


def difference(value: Comparison | None, *, tone: str = "") -> Cell:
    """A cell with a difference of shares and its 95 % interval."""
    if value is None:
        return {"cell": "difference", "value": None}
    return {
        "cell": "difference",
        "value": value.difference,
        "low": value.interval.low,
        "high": value.interval.high,
        "tone": tone,
    }


def gap(value: float, interval: Interval) -> Cell:
    """A cell with a difference of estimated shares and its 95 % interval."""
    return {
        "cell": "difference",
        "value": value,
        "low": interval.low,
        "high": interval.high,
        "tone": "",
    }


def usual(rate: float | None, limits: Interval | None, weeks: int, *, of: str = "week") -> Cell:
    """A cell with the usual rate, the limits of usual variation, and from how many weeks."""
    return {
        "cell": "usual",
        "rate": rate,
        "low": limits.low if limits else None,
        "high": limits.high if limits else None,
        "weeks": weeks,
        "of": of,
    }


def sparkline(
    title: str, points: Sequence[Block], limits: Block | None, *, of: str = "week"
) -> Cell:
    """A cell with the weeks as a line."""
    return {"cell": "spark", "title": title, "points": list(points), "limits": limits, "of": of}


def state(content: str, tone: str = "") -> Cell:
    """A cell with a word that a sign stands beside: worse, better or neither."""
    return {"cell": "state", "text": content, "tone": tone}


def target(rate: float | None, content: str = "", tone: str = "", sign: str = "") -> Cell:
    """A cell with the largest rate that is wanted, and whether it can be expected to be met: `sign`
    is P for always, F for never, ? for either; "" while nobody can say."""
    return {"cell": "target", "rate": rate, "text": content, "tone": tone, "sign": sign}
