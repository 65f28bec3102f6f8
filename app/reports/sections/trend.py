"""The trend: every week up to this one, with intervals and the limits of usual variation."""

from dataclasses import asdict, replace
from typing import Any

from app.reports import blocks
from app.reports.findings import Measure
from app.reports.marks import Mark, marks_of, sentence
from app.reports.material import Material
from app.reports.numbers import listed, percent, percent_range, short_week
from app.reports.phrases import capital
from app.reports.quiet import judged_anew, none_left, unconfirmed
from app.reports.targets import missed, target_sentence
from app.reports.wording import WEEKLY

CAPTION = (
    "Grey band: limits of usual variation (p′). Vertical bars: 95 % intervals. Diamonds lay above "
    "the limits when they came, squares below. A point outside the band, seven points on one side, "
    "seven rising or falling, or two of three near a limit count as a signal. Upright lines: "
    "dashed where a release was first seen or came back, solid where the evaluator or its "
    "threshold changed, dotted where reviewers got another guideline; that both came together does "
    "not prove a connection."
)
TARGET_CAPTION = "Level dashes: the target, which is wanted at most."


def section(material: Material) -> blocks.Section:
    """A chart per criterion; those without a signal or a missed target are folded away."""
    missing = {measure.criterion for measure in missed(material)}
    shown: list[blocks.Block] = []
    quiet: list[blocks.Block] = []
    for measure in material.findings.failing.values():
        chart = _chart(material, measure)
        is_news = measure.change not in ("none", "unknown") or bool(measure.course.signals)
        is_news = is_news or measure.criterion in missing
        (shown if is_news else quiet).append(chart)
    if not shown:
        shown, quiet = quiet[:1], quiet[1:]
    parts = [*shown]
    if quiet:
        parts.append(blocks.folded("The measures without a signal", quiet))
    return blocks.section("trend", "Trend", heading(material), parts, note=_note(material))


def _note(material: Material) -> str:
    has_target = any(criterion.target is not None for criterion in material.criteria)
    return f"{CAPTION} {TARGET_CAPTION}" if has_target else CAPTION


def heading(material: Material) -> str:
    """Which measures left their limits."""
    week = short_week(material.week) if material.said is WEEKLY else material.said.this
    measures = list(material.findings.failing.values())
    for change, verb in (
        ("worse", "rose above the usual in"),
        ("still_worse", "are still above the usual in"),
        ("better", "fell below the usual in"),
        ("still_better", "are still below the usual in"),
    ):
        names = [_failures(material, one) for one in measures if one.change == change]
        if names:
            return f"{capital(listed(names))} {verb} {week}"
    if judged_anew(material) and all(one.course.chart is None for one in measures):
        return "What is usual is not known yet, as evaluators or thresholds have changed"
    if all(one.course.chart is None for one in measures) and any(
        one.course.now.n for one in measures
    ):
        return f"There are too few comparable {material.said.one}s to know what is usual"
    unsure = [material.criteria.get(name).failures for name in unconfirmed(material)]
    if unsure:
        return f"{capital(listed(unsure))} gave a signal that the comparison does not confirm"
    return capital(none_left(material))


def chart_points(material: Material, measure: Measure) -> list[dict[str, Any]]:
    """One point per week since the first with data, or since the last of another evaluator."""
    course, first = measure.course, _first(material, measure)
    tones = {1: "concern", -1: "good", 0: ""}
    found = []
    for week, share, flag in zip(material.tallies.weeks, course.shares, course.flags, strict=True):
        found.append(
            {
                "label": short_week(week),
                "rate": share.rate,
                "low": share.interval.low if share.n else None,
                "high": share.interval.high if share.n else None,
                "n": share.n,
                "tone": tones[flag],
            }
        )
    if found and measure.change in ("worse", "still_worse"):
        found[-1]["tone"] = "concern"
    return found[first:]


def chart_limits(material: Material, measure: Measure) -> dict[str, Any] | None:
    """The centre and the limits for the same weeks, or None while they are unknown."""
    chart, first = measure.course.chart, _first(material, measure)
    if chart is None:
        return None
    return {
        "centre": chart.centre,
        "low": [ends.low for ends in chart.limits[first:]],
        "high": [ends.high for ends in chart.limits[first:]],
    }


def _first(material: Material, measure: Measure) -> int:
    weeks = [place for place, share in enumerate(measure.course.shares) if share.n]
    if not weeks:
        return len(measure.course.shares) - 1
    # The mark of a change stands between two weeks.
    before = any(material.tallies.judged_by(measure.criterion)[: weeks[0]])
    return weeks[0] - before


def _failures(material: Material, measure: Measure) -> str:
    return material.criteria.get(measure.criterion).failures


def _chart(material: Material, measure: Measure) -> blocks.Block:
    course = measure.course
    points = chart_points(material, measure)
    name = capital(_failures(material, measure))
    words = [f"{name} from {points[0]['label']} to {points[-1]['label']}."]
    if course.limits is not None:
        words.append(f"Usual limits {material.said.this}: {percent_range(*course.limits)}.")
    note = ""
    if course.now.rate is not None:
        note = f"{percent(course.now.rate)} {material.said.this}"
        words.append(f"{capital(material.said.this)}: {percent(course.now.rate)}.")
    target = material.criteria.get(measure.criterion).target
    words.append(target_sentence(course, target))
    marks = _shown_marks(material, measure)
    names = [point["label"] for point in points]
    words.append(sentence(marks, names))
    return blocks.line_chart(
        f"{name} per {material.said.one}",
        " ".join(filter(None, words)),
        points,
        chart_limits(material, measure),
        note,
        [asdict(mark) for mark in marks],
        target,
    )


def _shown_marks(material: Material, measure: Measure) -> list[Mark]:
    """The marks on the weeks that the chart shows."""
    first = _first(material, measure)
    guidelines = material.guidelines.get(measure.criterion, ())
    found = marks_of(material.tallies, measure.criterion, guidelines)
    return [replace(mark, place=mark.place - first) for mark in found if mark.place > first]
