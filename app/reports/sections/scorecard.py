"""The scorecard: every criterion this week, last week, and what is usual for it."""

from app.criteria import Criterion
from app.reports import blocks
from app.reports.findings import LEAST_CHANGE, MEASURE_LEVEL, Measure, too_few_to_say
from app.reports.judgement import corrected
from app.reports.material import Material
from app.reports.numbers import counted, points
from app.reports.phrases import capital, failing_words, spelled
from app.reports.quiet import judged_anew
from app.reports.sections.trend import chart_limits, chart_points
from app.reports.targets import ASSURED, LOCKED_POINTS, assurance_of, missed_words
from app.statistics.power import detectable_rise

SIGNS = {"meets": "P", "misses": "F", "hit_or_miss": "?", None: ""}
"""The letters of the NHS's icons of assurance: pass, fail, either."""


def section(material: Material) -> blocks.Section:
    """This week against last week and against the usual, with what may be said of it."""
    rows = [_row(material, criterion) for criterion in material.criteria]
    card = blocks.table(_columns(material), rows, caption="Failure rates per criterion")
    return blocks.section("scorecard", "Scorecard", heading(material), [card], note=_note(material))


def heading(material: Material) -> str:
    """How many measures got worse, got better, or vary as usual, and which miss their target."""
    return "; ".join(filter(None, [_variation(material), missed_words(material)]))


def _variation(material: Material) -> str:
    if not material.said.compares:
        judged = [one for one in material.findings.failing.values() if one.course.now.n]
        plural = "measure was" if len(judged) == 1 else "measures were"
        return f"{capital(spelled(len(judged)))} {plural} judged, compared with nothing"
    anew = [one.criterion for one in judged_anew(material)]
    changes = [
        "anew" if one.criterion in anew else _group_of(one)
        for one in material.findings.failing.values()
    ]
    groups = [
        ("got worse", changes.count("worse")),
        ("stayed worse than usual", changes.count("still_worse")),
        ("got better", changes.count("better")),
        ("stayed better than usual", changes.count("still_better")),
        ("gave a signal that is not confirmed", changes.count("unconfirmed")),
        ("vary as usual", changes.count("none") + changes.count("recovered")),
        ("cannot be compared, as evaluators or thresholds changed", changes.count("anew")),
        ("cannot be compared yet", changes.count("unknown")),
    ]
    words = [_group(number, verb) for verb, number in groups if number]
    if not words:
        return "Nothing was judged"
    first, *others = words
    noun = "measure" if first.startswith("one ") else "measures"
    number, _, verb = first.partition(" ")
    return capital(", ".join([f"{number} {noun} {verb}", *others]))


def state_of(measure: Measure, period: str = "week") -> tuple[str, str]:
    """The word for the variation of a measure, and its tone."""
    known = {
        "worse": ("Worse, special cause", "concern"),
        "still_worse": ("Still worse, special cause", "concern"),
        "better": ("Better, special cause", "good"),
        "still_better": ("Still better, special cause", "good"),
        "recovered": ("Back to usual", ""),
    }
    if measure.change in known:
        return known[measure.change]
    if measure.change == "none":
        return ("Signal not confirmed", "") if measure.course.signals else ("Usual variation", "")
    if not measure.course.now.n:
        return "Not judged", ""
    if measure.course.chart is None:
        return f"Too few {period}s like it to know what is usual", ""
    return "Too few to say", ""


def tone_of(measure: Measure) -> str:
    """concern, good or nothing."""
    return state_of(measure)[1]


def _group_of(measure: Measure) -> str:
    is_unsure = measure.change == "none" and measure.course.signals
    return "unconfirmed" if is_unsure else measure.change


def _group(number: int, verb: str) -> str:
    if verb == "vary as usual" and number == 1:
        verb = "varies as usual"
    return f"{spelled(number)} {verb}"


def _columns(material: Material) -> list[str]:
    said = material.said
    target = ["Target"] if _has_targets(material) else []
    if not said.compares:
        return ["Measure", capital(said.this), "Corrected by labels", *target]
    return [
        "Measure",
        capital(said.this),
        "Corrected by labels",
        capital(said.last),
        "Difference",
        "Usual",
        capital(f"{said.one}s"),
        "Variation",
        *target,
    ]


def _row(material: Material, criterion: Criterion) -> list[blocks.Cell]:
    measure = material.findings.failing[criterion.name]
    course, tone = measure.course, tone_of(measure)
    points = chart_points(material, measure)
    rate = course.usual.rate if course.chart else None
    target = [_target(measure, criterion, material.said.compares)] if _has_targets(material) else []
    own = [
        blocks.words(capital(criterion.failures), failing_words(criterion, material.tallies)),
        blocks.share(course.now, tone=tone, is_supported=bool(tone)),
        _corrected(material, criterion.name),
    ]
    if not material.said.compares:
        return [*own, *target]
    return [
        *own,
        _last(measure),
        blocks.difference(_shown_difference(measure), tone=tone),
        blocks.usual(rate, course.limits, len(course.baseline), of=material.said.one),
        blocks.sparkline(
            f"{capital(criterion.failures)} per {material.said.one}",
            points,
            chart_limits(material, measure),
            of=material.said.one,
        ),
        blocks.state(*state_of(measure, material.said.one)),
        *target,
    ]


def _has_targets(material: Material) -> bool:
    return any(criterion.target is not None for criterion in material.criteria)


def _target(measure: Measure, criterion: Criterion, is_compared: bool) -> blocks.Cell:
    if criterion.target is None:
        return blocks.target(None)
    found = assurance_of(measure.course, criterion.target)
    if not is_compared:
        return blocks.target(criterion.target)
    return blocks.target(criterion.target, *ASSURED[found], SIGNS[found])


def _last(measure: Measure) -> blocks.Cell:
    """The week before, where it can be compared."""
    shares, last = measure.course.shares, measure.course.last_week
    if last is None and len(shares) > 1 and shares[-2].n:
        return blocks.words("–", "not compared")
    return blocks.share(last)


def _corrected(material: Material, criterion: str) -> blocks.Cell:
    fixed = corrected(material, criterion)
    if fixed is None:
        return blocks.words("–", "too few labels")
    return blocks.estimate(fixed.rate, fixed.interval, fixed.labels)


def _shown_difference(measure: Measure):  # type: ignore[no-untyped-def]
    """The difference to last week, unless one of the two is too unsure to be shown."""
    course = measure.course
    last = course.last_week
    if last is None or too_few_to_say(last):
        return None
    return None if too_few_to_say(course.now) and not tone_of(measure) else course.against_last


def _note(material: Material) -> str:
    scored = max(
        (one.course.now.n for one in material.findings.failing.values()),
        default=0,
    )
    charted = [one.course for one in material.findings.failing.values() if one.course.chart]
    weeks = max((len(course.baseline) for course in charted), default=0)
    words = [
        f"{counted(scored, 'scored answer')} at most; lower is better.",
        "Small figures are 95 % intervals.",
    ]
    if weeks:
        points = max(course.points for course in charted)
        trial = "" if points >= LOCKED_POINTS else ", which makes them trial limits"
        words.append(
            "Usual rates and their limits (p′) come from up to "
            f"{counted(weeks, material.said.one)}{trial}."
        )
    if seen := _seen_words(material):
        words.append(seen)
    if _has_targets(material) and material.said.compares:
        words.append(
            "A target is consistently met or missed where it lies outside the usual limits, which "
            f"is said from {LOCKED_POINTS} {material.said.one}s on."
        )
    return " ".join(words)


def _seen_words(material: Material) -> str:
    """How large a rise must be to be found, of the measure of which least can be seen; or ""."""
    known = [one for one in material.findings.failing.values() if one.change != "unknown"]
    rises = [(_least_rise(one, len(known)), one.criterion) for one in known]
    if not rises or not material.said.compares:
        return ""
    rise, criterion = max(rises)
    failures = material.criteria.get(criterion).failures
    if rise >= 1:
        return f"No rise of {failures} could have been found for sure, so few were judged."
    others = ", as smaller ones of the other measures" if len(known) > 1 else ""
    size = points(rise).removeprefix("+")
    return f"A rise of {failures} by {size} would have been found about four times in five{others}."


def _least_rise(measure: Measure, compared: int) -> float:
    """The rise that a comparison finds which is corrected for the others, beyond usual limits."""
    course, usual = measure.course, measure.course.usual
    rate = usual.rate or 0.0
    least = max(LEAST_CHANGE, course.limits.high - rate if course.limits else 0.0)
    level = MEASURE_LEVEL / compared
    rise = detectable_rise(rate, course.now.n, usual.n, level=level, least=least)
    return 1.0 if rise is None else rise
