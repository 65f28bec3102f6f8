"""Charts, by the geometry of their SVG."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from app.reports.charts import (
    ForestRow,
    Limits,
    Point,
    calibration_bars,
    forest_plot,
    line_chart,
    spark,
)

POINTS = [
    Point("W44", 0.10, 0.05, 0.20, 80),
    Point("W45", None),
    Point("W46", 0.10, 0.05, 0.20, 80),
    Point("W47", 0.30, 0.20, 0.40, 80, "concern"),
]
LIMITS = Limits(0.1, [0.0] * 4, [0.2] * 4)


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def of_class(svg: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [each for each in svg.iter() if name in each.get("class", "").split()]


def test_long_names_of_points_do_not_touch() -> None:
    points = [Point(f"2026-W{number}", 0.1) for number in range(10, 23)]
    svg = parse(line_chart(points, title="t", description="d"))
    named = [each for each in of_class(svg, "tick") if "2026" in (each.text or "")]
    places = [float(each.get("x", "0")) for each in named]
    assert named[-1].text == "2026-W22"
    assert all(after - before > 80 for before, after in pairwise(places))


def test_equal_rates_lie_at_equal_heights_and_higher_ones_above() -> None:
    svg = parse(line_chart(POINTS, title="Ungrounded", description="Four weeks."))
    circles = of_class(svg, "m")
    heights = [float(each.get("cy", "nan")) for each in circles[:2]]
    assert heights[0] == heights[1]
    top_of_diamond = float(circles[2].get("d", "").removeprefix("M").split("l")[0].split()[1])
    assert top_of_diamond < heights[0]


def test_a_week_without_data_leaves_a_gap_and_no_mark() -> None:
    svg = parse(line_chart(POINTS, title="t", description="d"))
    assert len(of_class(svg, "m")) == 3
    paths = [each.get("d", "") for each in of_class(svg, "ln")]
    assert [path.count("L") for path in paths] == [1]


def test_bars_end_where_the_axis_says() -> None:
    svg = parse(line_chart(POINTS, title="t", description="d"))
    ticks = {each.text: float(each.get("y", "0")) - 4 for each in of_class(svg, "tick")}
    last = of_class(svg, "ci")[-1]
    assert float(last.get("y2", "0")) == pytest.approx(ticks["40\u202f%"], abs=0.2)
    assert float(last.get("y1", "0")) == pytest.approx(ticks["20\u202f%"], abs=0.2)
    assert min(ticks.values()) <= float(last.get("y2", "0"))


def test_the_band_and_the_target_are_drawn_and_named() -> None:
    svg = parse(line_chart(POINTS, title="t", description="d", limits=LIMITS, target=0.15))
    assert len(of_class(svg, "band")) == 1
    words = [each.text for each in of_class(svg, "lab")]
    assert words == ["target 15.0\u202f%", "usual 10.0\u202f%"]
    heights = [float(each.get("y", "0")) for each in of_class(svg, "lab")]
    assert heights[1] - heights[0] >= 14


def test_words_in_a_chart_are_escaped() -> None:
    hostile = "<script>alert(1)</script>\"'&"
    chart = line_chart([Point(hostile, 0.1, 0.0, 0.2)], title=hostile, description=hostile)
    row = ForestRow(hostile, 0.1, 0.0, 0.2, 30)
    for svg in (chart, forest_plot([row], title=hostile, description=hostile)):
        assert "<script" not in svg
        assert parse(svg).find(".//title") is not None


@pytest.mark.parametrize(
    "svg",
    [
        line_chart(POINTS, title="t", description="d", limits=LIMITS, note="30 % this week"),
        line_chart([], title="t", description="d"),
        line_chart([Point("W1", None)], title="t", description="d"),
        spark(POINTS, title="t", description="d", limits=LIMITS),
        forest_plot([ForestRow("de", 0.2, 0.1, 0.3, 30, "concern")], title="t", description="d"),
        forest_plot([], title="t", description="d"),
        calibration_bars([Point("", 0.2, 0.1, 0.3, 9)], [0.25], title="t", description="d"),
    ],
)
def test_every_chart_parses_has_a_title_and_no_style_attribute(svg: str) -> None:
    root = parse(svg)
    assert root.get("role") == "img"
    assert [root[0].tag, root[1].tag] == ["title", "desc"]
    assert root.get("aria-labelledby", "").split() == [root[0].get("id"), root[1].get("id")]
    assert not any("style" in each.attrib for each in root.iter())


def test_a_forest_row_lies_right_of_zero_when_it_is_above() -> None:
    rows = [ForestRow("de", 0.2, 0.1, 0.3, 30, "concern"), ForestRow("en", -0.1, -0.2, 0.0, 60)]
    svg = parse(forest_plot(rows, title="t", description="d"))
    zero = float(of_class(svg, "zero")[0].get("x1", "0"))
    above, below = of_class(svg, "ci")
    assert float(above.get("x1", "0")) > zero
    assert float(below.get("x2", "0")) == pytest.approx(zero)


def test_calibration_points_on_the_diagonal_lie_on_the_diagonal() -> None:
    bins = [Point("", 0.25, 0.1, 0.4, 20), Point("", 0.75, 0.6, 0.9, 40)]
    svg = parse(calibration_bars(bins, [0.25, 0.75], title="t", description="d"))
    (mid,) = of_class(svg, "mid")
    slope = (float(mid.get("y2", "0")) - float(mid.get("y1", "0"))) / 260
    for mark in of_class(svg, "m"):
        x, y = float(mark.get("cx", "0")), float(mark.get("cy", "0"))
        assert y == pytest.approx(float(mid.get("y1", "0")) + slope * (x - 40), abs=0.2)
