"""Whether the targets of the criteria can be expected to be met.

A target is held against the limits of usual variation, not against one week: a week on its good
side may be chance. Nothing is said before twelve periods are known, while limits are on trial.
"""

from typing import Literal

from app.reports.courses import Course
from app.reports.findings import LEAST_N, Measure
from app.reports.material import Material
from app.reports.numbers import listed, percent
from app.statistics.control_charts import Assurance, assurance

LOCKED_POINTS = 12
"""Limits that were learnt from fewer points are on trial."""
ASSURED: dict[Assurance | None, tuple[str, Literal["", "concern", "good"]]] = {
    "meets": ("Consistently meets", "good"),
    "misses": ("Consistently misses", "concern"),
    "hit_or_miss": ("Hit or miss", ""),
    None: ("Too little is known", ""),
}
"""Each assurance in words, with its tone."""


def assurance_of(course: Course, target: float) -> Assurance | None:
    """What the course says of a target; None while too little is known.

    A period beyond its limits and on the other side of the target shows that neither is certain.
    """
    rate = course.now.rate
    known = course.points >= LOCKED_POINTS and course.now.n >= LEAST_N
    if course.limits is None or rate is None or not known:
        return None
    found = assurance(course.limits, target)
    is_met = rate <= target
    return "hit_or_miss" if (found, is_met) in (("meets", False), ("misses", True)) else found


def missed(material: Material) -> list[Measure]:
    """The measures that consistently miss their target, in the order of the criteria."""
    return [
        measure
        for measure in material.findings.failing.values()
        if (target := material.criteria.get(measure.criterion).target) is not None
        and assurance_of(measure.course, target) == "misses"
    ]


def missed_words(material: Material) -> str:
    """Which targets are consistently missed, and by how much, or ""."""
    measures = missed(material)
    if not measures:
        return ""
    names = listed([_title(material, one) for one in measures])
    if len(measures) > 1:
        return f"{names} consistently miss their targets"
    (measure,) = measures
    criterion = material.criteria.get(measure.criterion)
    return (
        f"{names} consistently misses its target: usually "
        f"{percent(measure.course.usual.rate or 0.0)} {criterion.failures}, wanted at most "
        f"{percent(criterion.target or 0.0)}"
    )


def target_sentence(course: Course, target: float | None) -> str:
    """The target of a chart and what can be expected of it, in a sentence, or ""."""
    if target is None:
        return ""
    words, _ = ASSURED[assurance_of(course, target)]
    return f"The target is at most {percent(target)}: {_lower(words)}."


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]


def _title(material: Material, measure: Measure) -> str:
    return material.criteria.get(measure.criterion).title.lower()
