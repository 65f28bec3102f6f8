"""Open alerts: what the newest weekly report found worse than it should be, and where to look."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session, col, func, select

from app.errors import UnknownField
from app.store.interactions import InteractionFilter
from app.tables import Report

KINDS: Mapping[str, str] = {
    "worse": "worse than usual",
    "still_worse": "still worse than usual",
    "gap": "worse than the rest",
}


class Alert(NamedTuple):
    """A finding of a report, and the interactions that it speaks of."""

    name: str
    """What people read and choose, like `2026-W47: groundedness worse than usual, language=de`."""
    is_place: bool
    """Whether it points at a part of the traffic rather than at all of it."""
    filters: InteractionFilter


def open_alerts(session: Session, project: str) -> list[Alert]:
    """The findings for the worse of the newest week that has a report."""
    week = session.scalar(select(func.max(Report.week)).where(Report.project == project))
    query = select(Report).where(Report.project == project, Report.week == week)
    newest: dict[str, Report] = {}
    for report in session.exec(query.order_by(col(Report.revision))):
        newest[report.application] = report
    found: dict[str, Alert] = {}
    for report in newest.values():
        for finding in report.body.get("findings", []):
            if finding["kind"] in KINDS and finding["about"] == "failing":
                alert = _alert(report, finding)
                found.setdefault(alert.name, alert)
    return list(found.values())


def within_alert(
    session: Session, project: str, filters: InteractionFilter, name: str
) -> InteractionFilter:
    """The filter, where it leaves open what the alert of that name says; or UnknownField."""
    for alert in open_alerts(session, project):
        if alert.name == name:
            return narrowed(filters, alert.filters)
    raise UnknownField(f"the alert {name!r} is not open any more; choose another or none")


def narrowed(filters: InteractionFilter, alert: InteractionFilter) -> InteractionFilter:
    """The filter together with that of an alert; what both say of a field, the filter decides."""
    return replace(
        filters,
        application=filters.application or alert.application,
        model=filters.model or alert.model,
        segments={**alert.segments, **filters.segments},
        from_at=filters.from_at or alert.from_at,
        to_at=filters.to_at or alert.to_at,
    )


def _alert(report: Report, finding: Mapping[str, Any]) -> Alert:
    place = finding["slice"]
    where = f", {place['key']}={place['value']}" if place else ""
    about = finding["criterion"].replace("_", " ")
    of = f" of {report.application}" if report.application else ""
    segments = {place["key"]: place["value"]} if place else {}
    filters = InteractionFilter(
        application=segments.pop("application", report.application) or None,
        model=segments.pop("model", None),
        segments=segments,
        from_at=datetime.fromisoformat(report.body["from"]),
        to_at=datetime.fromisoformat(report.body["to"]),
    )
    name = f"{report.week}: {about}{of} {KINDS[finding['kind']]}{where}"
    return Alert(name, bool(place), filters)
