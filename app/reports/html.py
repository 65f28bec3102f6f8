"""The report as one HTML file: no script, no request to anywhere, light, dark and on paper."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from app.reports import charts, numbers
from app.reports.charts import ChartMark, ForestRow, Limits, Point

FOLDER = Path(__file__).with_name("templates")
STYLES = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.css")}
SIGNS = {"concern": "▲", "good": "▼", "": "●"}
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def render_html(report: dict[str, Any], links: Sequence[tuple[str, str]] = ()) -> str:
    """A report as a self-contained page; `links` lead from it to other pages, each with its words.

    A page that is sent away has none.
    """
    style = f"{block_style()}{STYLES['report.css']}"
    template = _environment().get_template("report.html")
    return template.render(report=report, style=Markup(style), links=links)


def render_section(section: dict[str, Any], css: str = "") -> Markup:
    """A section for a page of its own, which has `block_style` too; `css` names its classes."""
    drawn = _environment().get_template("blocks.html").module
    return Markup(drawn.draw_section(section, css))  # type: ignore[attr-defined]


def block_style() -> str:
    """How the blocks look, wherever they stand; the page gives the colours."""
    return STYLES["blocks.css"]


def kept_templates(folder: Path) -> DictLoader:
    """The templates of a folder as they are now, whatever becomes of their files.

    An upgrade in place changes them under a running server, whose code still fits the old ones.
    """
    return DictLoader({path.name: path.read_text("utf-8") for path in folder.glob("*.html")})


def content_security_policy(html: str) -> str:
    """The strictest policy under which a page made here looks as it should."""
    hashes = []
    for style in _STYLE.findall(html):
        digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
        hashes.append(f"'sha256-{digest}'")
    return (
        f"default-src 'none'; style-src {' '.join(hashes) or chr(39) + 'none' + chr(39)}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


TEMPLATES = kept_templates(FOLDER)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=TEMPLATES,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=numbers.percent,
        percent_range=lambda pair: numbers.percent_range(*pair),
        points=numbers.points,
        points_range=lambda pair: numbers.points_range(*pair),
        count=numbers.count,
        decimal=numbers.decimal,
        moment=lambda text: numbers.moment(datetime.fromisoformat(text)),
        sign=SIGNS.__getitem__,
    )
    environment.globals.update(
        line_chart=draw_line_chart,
        forest_chart=draw_forest_chart,
        calibration_chart=draw_calibration_chart,
        spark=draw_spark,
        long_week=numbers.long_week,
        from_day=lambda text: datetime.fromisoformat(text).date(),
    )
    return environment


def draw_line_chart(block: dict[str, Any]) -> Markup:
    """The chart of a line_chart block."""
    chart = charts.line_chart(
        _points(block),
        title=block["title"],
        description=block["description"],
        limits=_limits(block),
        target=block.get("target"),
        note=block["note"],
        marks=[ChartMark(**mark) for mark in block.get("marks", ())],
    )
    return Markup(chart)


def draw_forest_chart(block: dict[str, Any]) -> Markup:
    """The chart of a forest_chart block."""
    rows = [ForestRow(**row) for row in block["rows"]]
    title, description = block["title"], block["description"]
    return Markup(charts.forest_plot(rows, title=title, description=description))


def draw_calibration_chart(block: dict[str, Any]) -> Markup:
    """The chart of a calibration_chart block."""
    bins, scores = [Point(**point) for point in block["bins"]], block["scores"]
    title, description = block["title"], block["description"]
    return Markup(charts.calibration_bars(bins, scores, title=title, description=description))


def draw_spark(cell: dict[str, Any]) -> Markup:
    """The chart of a spark cell."""
    points = _points(cell)
    known = [point.rate for point in points if point.rate is not None]
    words = "No data."
    if known:
        words = (
            f"{numbers.counted(len(known), cell.get('of', 'week'))}, first "
            f"{numbers.percent(known[0])}, last {numbers.percent(known[-1])}."
        )
    chart = charts.spark(points, title=cell["title"], description=words, limits=_limits(cell))
    return Markup(chart)


def _points(block: dict[str, Any]) -> list[Point]:
    return [Point(**point) for point in block["points"]]


def _limits(block: dict[str, Any]) -> Limits | None:
    return Limits(**block["limits"]) if block["limits"] else None
