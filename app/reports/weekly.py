"""The weekly report: read the material, let every section say its part, sign the result."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlmodel import Session

from app.criteria import Criteria
from app.reports import blocks
from app.reports.edits import edits_of, with_edits
from app.reports.findings import Measure, Part, Place
from app.reports.follow_up import follow_up
from app.reports.judgement import miscalibrated
from app.reports.material import Material, read_material
from app.reports.phrases import sentences_of, verdict_of
from app.reports.sections import (
    actions,
    clusters,
    coverage,
    drift,
    examples,
    fairness,
    method,
    scorecard,
    slices,
    trend,
    trust,
)
from app.reports.targets import missed
from app.reports.weeks import week_bounds, zone_of
from app.store.reports import load_report

SCHEMA_VERSION = 5
UNSIGNED = ("generated_at", "sha256", "revision", "change_note")
"""What may differ between two reports that say the same."""
SECTIONS: tuple[Callable[[Material], blocks.Section], ...] = (
    actions.section,
    scorecard.section,
    trend.section,
    slices.section,
    clusters.section,
    examples.section,
    trust.section,
    fairness.section,
    drift.section,
    coverage.section,
    method.section,
)


def build_report(
    session: Session,
    *,
    project: str,
    criteria: Criteria,
    week: str,
    application: str | None,
    now: datetime,
    time_zone: str,
) -> dict[str, Any]:
    """The report of a week as plain values; a week without data gives a report that says so.

    Its actions are as people edited them, where the week's report was issued before.

    Raises UnknownField on a malformed week.
    """
    material = read_material(
        session,
        project=project,
        criteria=criteria,
        week=week,
        application=application or None,
        time_zone=time_zone,
    )
    report = _report(replace(material, off=tuple(miscalibrated(material))), now)
    issued = load_report(session, project, week=week, application=application)
    return sign(with_edits(report, edits_of(issued.body if issued is not None else None)))


def sign(report: dict[str, Any]) -> dict[str, Any]:
    """The report with the sha256 of what it says, which is the same whenever it is made."""
    said = {name: value for name, value in report.items() if name not in UNSIGNED}
    canonical = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return {**report, "sha256": hashlib.sha256(canonical.encode()).hexdigest()}


def _report(material: Material, now: datetime) -> dict[str, Any]:
    from_at, to_at = week_bounds(material.week, material.time_zone)
    zone = zone_of(material.time_zone)
    return {
        "schema_version": SCHEMA_VERSION,
        "week": material.week,
        "from": from_at.astimezone(zone).isoformat(),
        "to": to_at.astimezone(zone).isoformat(),
        "time_zone": material.time_zone,
        "project": material.project,
        "application": material.application,
        "generated_at": now.astimezone(zone).isoformat(timespec="seconds"),
        "revision": 1,
        "change_note": "",
        "verdict": verdict_of(material),
        "sentences": sentences_of(material),
        "is_quiet": _is_quiet(material),
        "findings": [
            *(_measure_finding(one) for one in material.findings.events),
            *(_measure_finding(one) for one in material.findings.lasting()),
            *_part_findings(material),
            *(_missed_finding(material, one) for one in missed(material)),
        ],
        "alerts": actions.find_alerts(material),
        "actions": [],
        "found_actions": actions.plain_actions(material),
        "action_edits": [],
        "last_actions": follow_up(material),
        "received": material.received,
        "sections": [make(material) for make in SECTIONS],
    }


def _is_quiet(material: Material) -> bool:
    """Whether enough is known to say that nothing new happened."""
    findings = material.findings
    known = any(one.change != "unknown" for one in findings.failing.values())
    return known and not findings.events and not findings.places(None, "worse")


def _measure_finding(measure: Measure) -> dict[str, Any]:
    course, against = measure.course, measure.course.against_usual
    return {
        "kind": measure.change,
        "about": measure.about,
        "criterion": measure.criterion,
        "slice": None,
        "rate": course.now.rate,
        "n": course.now.n,
        "usual": course.usual.rate,
        "difference": against.difference if against else None,
        "low": against.interval.low if against else None,
        "high": against.interval.high if against else None,
        "adjusted_p": measure.adjusted_p,
        "target": None,
    }


def _missed_finding(material: Material, measure: Measure) -> dict[str, Any]:
    """A target that lies below the limits of usual variation: differences are to the target."""
    course, target = measure.course, material.criteria.get(measure.criterion).target or 0.0
    low, high = course.limits or (None, None)
    return {
        **_measure_finding(measure),
        "kind": "misses_target",
        "difference": (course.usual.rate or 0.0) - target,
        "low": None if low is None else low - target,
        "high": None if high is None else high - target,
        "adjusted_p": None,
        "target": target,
    }


def _part_findings(material: Material) -> list[dict[str, Any]]:
    verdicts: tuple[Place, ...] = ("worse", "still_worse", "gap")
    return [
        _part_finding(part)
        for verdict in verdicts
        for part in material.findings.places(None, verdict)
    ]


def _part_finding(part: Part) -> dict[str, Any]:
    is_gap = part.verdict == "gap"
    against = part.gap if is_gap else part.change
    return {
        "kind": part.verdict,
        "about": "failing",
        "criterion": part.criterion,
        "slice": {"key": part.where.key, "value": part.where.value},
        "rate": part.course.now.rate,
        "n": part.course.now.n,
        "usual": part.rest.rate if is_gap else part.reference.rate,
        "difference": against.difference if against else None,
        "low": against.interval.low if against else None,
        "high": against.interval.high if against else None,
        "adjusted_p": part.gap_adjusted_p if is_gap else part.change_adjusted_p,
        "target": None,
    }
