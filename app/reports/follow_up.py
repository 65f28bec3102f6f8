"""What became of last week's actions: whether what they rested on still holds this week.

The rules are those by which this week's findings are made, so that an action is "still so" exactly
where the same evidence would call for it again. Whether somebody did it, nobody asks.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from app.reports.causes import Cause, cause_of
from app.reports.findings import Measure
from app.reports.judgement import LEAST_LABELS, corrected, drawn_of
from app.reports.material import Material
from app.reports.numbers import counted, listed, percent
from app.reports.phrases import slice_name, usual_rate
from app.reports.targets import assurance_of, missed

State = Literal["still", "over", "unknown"]
STATES: dict[State, str] = {
    "still": "Still so",
    "over": "No longer so",
    "unknown": "Too few to say",
}


class Now(NamedTuple):
    """How it stands this week, in a word and in numbers."""

    state: State
    words: str


def follow_up(material: Material) -> list[dict[str, Any]]:
    """Last week's actions as its report gave them, each with how it stands; none where that report
    was not issued, or is older than this rule."""
    return list(_followed(material))


def _followed(material: Material) -> Iterator[dict[str, Any]]:
    for action in (material.last_report or {}).get("actions", []):
        cause = cause_of(action["cause"])
        # A criterion that is judged no more leaves nothing to say about it.
        if all(name in material.criteria.by_name for name in cause.criteria):
            kept = {name: action[name] for name in ("what", "owner", "by", "cause")}
            yield {**kept, **now_of(material, cause)._asdict()}


def now_of(material: Material, cause: Cause) -> Now:
    """Whether a cause holds this week."""
    if not material.received:
        return Now("unknown", "nothing was received")
    match cause.kind:
        case "worse":
            return _rise(material, cause)
        case "unjudged":
            return _measure(material, material.findings.unjudged[cause.criteria[0]])
        case "slice":
            return _slice(material, cause)
        case "target":
            return _target(material, cause.criteria[0])
        case "unlabelled":
            return _labelled(material)
        case "wide":
            return _wide(material, cause)
        case "off":
            return _off(material, cause.criteria)


def _measure(material: Material, measure: Measure) -> Now:
    course = measure.course
    if measure.change == "unknown" or course.now.rate is None:
        few = f"{counted(course.now.n, 'answer')} to compare"
        return Now("unknown", few if course.chart else "too few comparable weeks")
    state: State = "still" if measure.change in ("worse", "still_worse") else "over"
    failures = material.criteria.get(measure.criterion).failures
    what = failures if measure.about == "failing" else "answers that could not be judged"
    usual = usual_rate(course)
    beside = (
        f"within usual variation of {usual}" if measure.change == "none" else f"usually {usual}"
    )
    return Now(state, f"{percent(course.now.rate)} {what}, {beside}")


def _rise(material: Material, cause: Cause) -> Now:
    """The criterion, and whether what was to be rolled back still answers."""
    (criterion,) = cause.criteria
    now, where = _measure(material, material.findings.failing[criterion]), cause.where
    if where is None or material.tallies.of(criterion, where)[-1].judged:
        return now
    return Now(now.state, f"{now.words}; no answer of {slice_name(where)}")


def _slice(material: Material, cause: Cause) -> Now:
    (criterion,) = cause.criteria
    parts = [
        part
        for part in material.findings.parts
        if part.criterion == criterion and part.where == cause.where
    ]
    if not parts:
        n = material.tallies.of(criterion, cause.where)[-1].judged if cause.where else 0
        return Now("unknown", f"{'few answers' if n else 'no answer'} of it")
    (part,) = parts
    failures = material.criteria.get(criterion).failures
    words = f"{percent(part.course.now.rate or 0.0)} {failures} of {part.course.now.n} there"
    if part.verdict != "none":
        return Now("still", words)
    if part.change is None and part.gap is None:
        return Now("unknown", words)
    return Now("over", f"{words}, not more than is usual")


def _target(material: Material, criterion: str) -> Now:
    course = material.findings.failing[criterion].course
    target = material.criteria.get(criterion).target
    if target is None:
        return Now("over", "no target is set")
    if assurance_of(course, target) is None:
        return Now("unknown", "too few comparable weeks")
    is_missed = criterion in [one.criterion for one in missed(material)]
    words = f"usually {usual_rate(course)}, wanted at most {percent(target)}"
    return Now("still" if is_missed else "over", words)


def _labelled(material: Material) -> Now:
    answers = len({label.interaction_id for label in material.labels})
    words = f"{counted(answers, 'answer')} of this week labelled"
    if any(corrected(material, name) for name in material.names()):
        return Now("over", words)
    return Now("still", f"{words}; no rate is corrected" if answers else words)


def _wide(material: Material, cause: Cause) -> Now:
    """Whether the interval is half as wide as it was, which was to come of it."""
    found = corrected(material, cause.criteria[0])
    if found is None:
        return Now("unknown", "not corrected")
    half, was = found.interval.width / 2, cause.size or 0.0
    words = f"known to ±{100 * half:.1f} points, was ±{100 * was:.1f}"
    return Now("over" if half <= was / 2 else "still", words)


def _off(material: Material, criteria: tuple[str, ...]) -> Now:
    errors = {one.criterion: one.error for one in material.off}
    still = [name for name in criteria if name in errors]
    if still:
        names = listed([material.criteria.get(name).title.lower() for name in still])
        worst = max(errors[name] for name in still)
        return Now("still", f"{names} off by up to {100 * worst:.0f} points")
    # After a calibration another version judges, whose scores few labels stand beside yet.
    if any(len(drawn_of(material, name)) < LEAST_LABELS for name in criteria):
        return Now("unknown", "few labels on what the same version judged")
    return Now("over", "not off for sure")
