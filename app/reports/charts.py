"""Charts as inline SVG, without script: one text for the browser, dark mode, print and PDF.

Colours and fonts are presentation attributes, so that a chart stands alone, and classes, so that a
style sheet can adapt it to a dark page. Every chart has a title and a description for people who
cannot see it, and there are no style attributes, which a strict policy forbids.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from math import ceil, floor, log10

from app.reports.numbers import count, percent, points, points_range, signed

FONT = "system-ui, Segoe UI, Roboto, Noto Sans, Arial, sans-serif"
MOST_TICK_LABELS = 14
LABEL_HEIGHT = 15.0
SHARE_TICKS = 5
MARK_ROWS, MARK_ROW_HEIGHT, MARK_LETTER_WIDTH = 2, 14, 6.2
MARK_STYLES = {"release": (0, "4 4"), "return": (0, "4 4"), "guideline": (-3, "1 4")}
"""Per kind of mark how far it is moved aside, and its dashes; others are solid."""
TICK_LETTER_WIDTH = 8.5
PAINT = {
    "": ("#3f474f", "#3f474f"),
    "concern": ("#d2691e", "#a34a00"),
    "good": ("#1f77b4", "#0a5a9c"),
}
"""Per tone the colour of marks and the colour of words."""


@dataclass(frozen=True, slots=True)
class Point:
    """One place on a line: a share with its interval; the rate is None where nothing is known."""

    label: str
    rate: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    tone: str = ""


@dataclass(frozen=True, slots=True)
class ChartMark:
    """Something that changed before the point at `place`."""

    place: int
    kind: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The centre of a control chart, and its limits for each point."""

    centre: float
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One difference of shares with its interval."""

    label: str
    difference: float
    low: float
    high: float
    n: int
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from values to places."""

    first: float
    last: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.last - self.first or 1.0
        return round(self.start + (value - self.first) / span * (self.end - self.start), 1)


def line_chart(
    points: Sequence[Point],
    *,
    title: str,
    description: str,
    limits: Limits | None = None,
    target: float | None = None,
    note: str = "",
    marks: Sequence[ChartMark] = (),
) -> str:
    """A share over time with 95 % bars, the band of usual variation and a target; from 0 upwards.

    `note` is written beside the last point. Points without a rate leave a gap in the line. Marks
    are upright lines between two points.
    """
    width, left, right, top = 980, 48, 806, 14 + MARK_ROWS * MARK_ROW_HEIGHT * bool(marks)
    bottom, height = top + 206, top + 236
    y = Scale(0.0, _top_of(points, limits, target), bottom, top)
    x = Scale(0, max(1, len(points) - 1), left + 18, right - 18)
    if len(points) == 1:
        x = Scale(0, 1, (left + right) / 2, right)
    parts = [
        *_share_grid(y, left, right),
        *_band(limits, x, y),
        *([] if target is None else [_target(y(target), left, right)]),
        *_changes(marks, x, top, bottom, right),
        *_bars(points, x, y),
        *_paths(points, x, y),
        *_marks(points, x, y, 3.4),
        *_tick_labels(points, x, bottom + 20),
        *_side_labels(points, limits, target, note, y, right + 12),
    ]
    return _svg("line", "plot", width, height, title, description, parts)


def spark(
    points: Sequence[Point], *, title: str, description: str, limits: Limits | None = None
) -> str:
    """A line chart the size of a word: the line, the band, the newest and the unusual points."""
    width, height = 150, 34
    y = Scale(0.0, _top_of(points, limits, None), 30, 4)
    x = Scale(0, max(1, len(points) - 1), 5, 145)
    shown = [
        point if place == len(points) - 1 or point.tone else Point(point.label, None)
        for place, point in enumerate(points)
    ]
    parts = [*_band(limits, x, y), *_paths(points, x, y), *_marks(shown, x, y, 2.6)]
    return _svg("spark", "plot spark", width, height, title, description, parts)


def forest_plot(rows: Sequence[ForestRow], *, title: str, description: str) -> str:
    """Differences of shares with 95 % bars, one row each, in the order given, around zero."""
    width, left, right, step = 980, 330, 800, 26
    bottom = 8 + step * len(rows)
    reach = [edge for row in rows for edge in (row.low, row.high)] or [-0.1, 0.1]
    ticks = _ticks(min(0.0, *reach), max(0.0, *reach))
    x = Scale(ticks[0], ticks[-1], left, right)
    parts = [*_difference_grid(ticks, x, bottom)]
    for place, row in enumerate(rows):
        parts.extend(_forest_row(row, x, 8 + step * place + step / 2, width))
    return _svg("forest", "plot", width, bottom + 24, title, description, parts)


def calibration_bars(
    bins: Sequence[Point], scores: Sequence[float], *, title: str, description: str
) -> str:
    """The share that was true against the mean score of each bin, with 95 % bars and a diagonal.

    `scores` is the mean score of each bin; `n` of a bin is drawn as a bar beneath.
    """
    scale_x, scale_y = Scale(0, 1, 40, 300), Scale(0, 1, 268, 8)
    most = max([point.n or 0 for point in bins], default=0) or 1
    parts = [*_unit_grid(scale_x, scale_y)]
    parts.append(_line("mid", 40, 268, 300, 8, "#868d94", dash="1 3"))
    for point, score in zip(bins, scores, strict=True):
        at, high = scale_x(score), 40 * (point.n or 0) / most
        if point.rate is None or point.low is None or point.high is None:
            continue
        parts.append(_line("ci", at, scale_y(point.low), at, scale_y(point.high), PAINT[""][0]))
        parts.append(_mark(at, scale_y(point.rate), 3.4, point.tone))
        parts.append(
            f'<rect class="bar" fill="#868d94" opacity=".55" x="{at - 8:.1f}" '
            f'y="{336 - high:.1f}" width="16" height="{high:.1f}"/>'
        )
        parts.append(_text("tick", at, 350, count(point.n or 0), anchor="middle", size=10.5))
    return _svg("calibration", "plot", 330, 356, title, description, parts)


def _svg(
    kind: str, css: str, width: float, height: float, title: str, description: str, parts: list[str]
) -> str:
    key = hashlib.sha256(f"{kind}|{title}|{description}".encode()).hexdigest()[:10]
    return (
        f'<svg class="{css}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-labelledby="t{key} d{key}"><title id="t{key}">{escape(title)}</title>'
        f'<desc id="d{key}">{escape(description)}</desc>{"".join(parts)}</svg>'
    )


def _top_of(points: Sequence[Point], limits: Limits | None, target: float | None) -> float:
    edges = [value for point in points for value in (point.rate, point.high) if value is not None]
    edges.extend(limits.high if limits else ())
    edges.append(target or 0.0)
    return _ticks(0.0, max([0.02, *edges]), SHARE_TICKS)[-1]


def _ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round numbers from at most `low` to at least `high`."""
    span = max(high - low, 1e-6)
    power = 10.0 ** floor(log10(span / most))
    step = next(power * size for size in (1, 2, 2.5, 5, 10, 20) if span / (power * size) <= most)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]


def _share_grid(y: Scale, left: float, right: float) -> Iterator[str]:
    for value in _ticks(0.0, y.last, SHARE_TICKS):
        if value <= y.last:
            yield _line("grid", left, y(value), right, y(value), "#e7e7e2")
            yield _text("tick", left - 8, y(value) + 4, _plain_percent(value), anchor="end")


def _band(limits: Limits | None, x: Scale, y: Scale) -> Iterator[str]:
    if limits is None or len(limits.high) < 2:
        return
    over = [f"{x(place)} {y(value)}" for place, value in enumerate(limits.high)]
    under = [f"{x(place)} {y(value)}" for place, value in enumerate(limits.low)]
    outline = "L".join([*over, *reversed(under)])
    yield f'<path class="band" fill="#e3e5e4" d="M{outline}z"/>'
    first, last = x(0), x(len(limits.high) - 1)
    yield _line("mid", first, y(limits.centre), last, y(limits.centre), "#868d94", dash="1 3")


def _target(y: float, left: float, right: float) -> str:
    return _line("target", left, y, right, y, "#9a3fa0", dash="7 4")


def _changes(
    marks: Sequence[ChartMark], x: Scale, top: float, bottom: float, right: float
) -> Iterator[str]:
    """Upright lines with their words above the plot; without room only the tip says them."""
    ends = [0.0] * MARK_ROWS
    for mark in marks:
        aside, dash = MARK_STYLES.get(mark.kind, (3, ""))
        at = x(mark.place - 0.5) + aside
        line = _line("mid", at, top, at, bottom, "#868d94", dash=dash)
        yield f"<g><title>{escape(mark.text)}</title>{line}</g>"
        label = _shortened(mark.label, 30)
        wide = MARK_LETTER_WIDTH * len(label)
        start = max(0.0, min(at - wide / 2, right - wide))
        row = next((row for row, end in enumerate(ends) if end + 8 <= start), None)
        if row is not None:
            ends[row] = start + wide
            yield _text("tick", start, 12 + MARK_ROW_HEIGHT * row, label, size=11.5)


def _bars(points: Sequence[Point], x: Scale, y: Scale) -> Iterator[str]:
    for place, point in enumerate(points):
        if point.low is not None and point.high is not None:
            css = f"ci {point.tone}".strip()
            paint = PAINT[point.tone][0]
            yield _line(css, x(place), y(point.low), x(place), y(point.high), paint)


def _paths(points: Sequence[Point], x: Scale, y: Scale) -> Iterator[str]:
    places = [(place, point.rate) for place, point in enumerate(points)]
    for known, run in groupby(places, key=lambda item: item[1] is not None):
        path = "L".join(f"{x(place)} {y(rate)}" for place, rate in run if rate is not None)
        if known and "L" in path:
            yield (
                '<path class="ln" fill="none" stroke="#3f474f" stroke-width="1.6" '
                f'stroke-linejoin="round" d="M{path}"/>'
            )


def _marks(points: Sequence[Point], x: Scale, y: Scale, size: float) -> Iterator[str]:
    for place, point in enumerate(points):
        if point.rate is not None:
            yield _mark(x(place), y(point.rate), size, point.tone, _words_of(point))


def _mark(x: float, y: float, size: float, tone: str, words: str = "") -> str:
    """A circle for the usual, a diamond for worse, a square for better: shape, not only colour."""
    tip = f"<title>{escape(words)}</title>" if words else ""
    css = f"m {tone}".strip()
    paint = f'class="{css}" fill="{PAINT[tone][0]}" stroke="#ffffff" stroke-width="1.4"'
    if tone == "concern":
        half = round(size * 1.5, 1)
        shape = f'd="M{x} {y - half:.1f}l{half} {half}l-{half} {half}l-{half} -{half}z"'
        return f"<path {paint} {shape}>{tip}</path>"
    if tone == "good":
        side = round(size * 2, 1)
        corner = f'x="{x - size:.1f}" y="{y - size:.1f}" width="{side}" height="{side}"'
        return f"<rect {paint} {corner}>{tip}</rect>"
    return f'<circle {paint} cx="{x}" cy="{y}" r="{size}">{tip}</circle>'


def _words_of(point: Point) -> str:
    words = f"{point.label}: {percent(point.rate or 0.0)}"
    return words if point.n is None else f"{words} of {count(point.n)}"


def _tick_labels(points: Sequence[Point], x: Scale, at: float) -> Iterator[str]:
    widest = max((len(point.label) for point in points), default=0) * TICK_LETTER_WIDTH
    every = max(ceil(len(points) / MOST_TICK_LABELS), ceil(widest / (x(1) - x(0))))
    for place, point in enumerate(points):
        if (len(points) - 1 - place) % every == 0:
            yield _text("tick", x(place), at, point.label, anchor="middle")


def _side_labels(
    points: Sequence[Point],
    limits: Limits | None,
    target: float | None,
    note: str,
    y: Scale,
    x: float,
) -> Iterator[str]:
    """Names of the levels, pushed apart so that none lies on another."""
    labels: list[tuple[float, str, str, str]] = []
    if target is not None:
        labels.append((y(target), "lab", "", f"target {percent(target)}"))
    if limits is not None:
        labels.append((y(limits.centre), "lab", "", f"usual {percent(limits.centre)}"))
    last = points[-1] if points else None
    if note and last is not None and last.rate is not None:
        labels.append((y(last.rate), f"val {last.tone}".strip(), last.tone, note))
    lowest = -LABEL_HEIGHT
    for at, css, tone, words in sorted(labels):
        lowest = max(at, lowest + LABEL_HEIGHT)
        bold = css.startswith("val")
        colour = PAINT[tone][1] if tone else "#545c65"
        size = 14.5 if bold else 12.5
        yield _text(css, x, lowest + 4, words, fill=colour, size=size, bold=bold)


def _difference_grid(ticks: Sequence[float], x: Scale, bottom: float) -> Iterator[str]:
    for value in ticks:
        css, paint = ("zero", "#868d94") if value == 0 else ("grid", "#e7e7e2")
        yield _line(css, x(value), 8, x(value), bottom, paint)
        label = "0" if value == 0 else signed(value).removesuffix(".0")
        yield _text("tick", x(value), bottom + 16, label, anchor="middle")


def _forest_row(row: ForestRow, x: Scale, y: float, width: float) -> Iterator[str]:
    tone = f" {row.tone}" if row.tone else ""
    mark_paint, word_paint = PAINT[row.tone]
    yield _text("row", 0, y + 4, _shortened(row.label), fill="#1c2126", size=13.8)
    yield _text("tick", 312, y + 4, f"n {count(row.n)}", anchor="end")
    yield _line(f"ci{tone}", x(row.low), y, x(row.high), y, mark_paint)
    yield _mark(x(row.difference), y, 3.4, row.tone)
    words = f"{points(row.difference)} ({points_range(row.low, row.high)})"
    colour = word_paint if row.tone else "#545c65"
    css, bold = f"num{tone}", bool(row.tone)
    yield _text(css, width, y + 4, words, anchor="end", fill=colour, size=13.3, bold=bold)


def _unit_grid(x: Scale, y: Scale) -> Iterator[str]:
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield _line("grid", x(0), y(value), x(1), y(value), "#e7e7e2")
        yield _line("grid", x(value), y(0), x(value), y(1), "#e7e7e2")
        yield _text("tick", 33, y(value) + 4, f"{value:g}", anchor="end")
        yield _text("tick", x(value), 283, f"{value:g}", anchor="middle")


def _line(css: str, x1: float, y1: float, x2: float, y2: float, stroke: str, dash: str = "") -> str:
    dashes = f' stroke-dasharray="{dash}" stroke-linecap="round"' if dash else ""
    thick = 1.0 if css == "grid" else 2.0 if " " in css else 1.5
    return (
        f'<line class="{css}" stroke="{stroke}" stroke-width="{thick}"{dashes} '
        f'x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'
    )


def _text(
    css: str,
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    fill: str = "#545c65",
    size: float = 12.5,
    bold: bool = False,
) -> str:
    weight = ' font-weight="700"' if bold else ""
    return (
        f'<text class="{css}" font-family="{FONT}" font-size="{size}" fill="{fill}"{weight} '
        f'x="{x}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
    )


def _plain_percent(value: float) -> str:
    return f"{round(100 * value, 2):g}\u202f%"


def _shortened(label: str, longest: int = 38) -> str:
    return label if len(label) <= longest else f"{label[: longest - 1]}…"
