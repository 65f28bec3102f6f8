"""Weekly reports as issued: a report that says something else is a new revision, never an edit."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from app.database import exclude_others
from app.store.audit import ISSUED, SERVER, WRITTEN, Actor, note
from app.tables import Report


def save_report(
    session: Session,
    body: Mapping[str, Any],
    *,
    now: datetime,
    actor: Actor = SERVER,
    why: str = "",
) -> Report:
    """Issue a report; the stored one where it says the same, else a new revision with a note.

    The note names the headings and sections that changed since the revision before, and `why`.
    """
    exclude_others(session, "report")
    project, week, application = body["project"], body["week"], body["application"] or ""
    last = load_report(session, project, week=week, application=application)
    if last is not None and last.sha256 == body["sha256"]:
        return last
    revision = last.revision + 1 if last is not None else 1
    changed = " ".join([_change_note(last, body, now), why]).strip() if last is not None else ""
    report = Report(
        project=project,
        application=application,
        week=week,
        revision=revision,
        body={**body, "revision": revision, "change_note": changed},
        sha256=body["sha256"],
        created_at=now,
    )
    session.add(report)
    session.flush()
    note(
        session,
        actor,
        ISSUED,
        now=now,
        project=project,
        about=about_of(body),
        revision=revision,
        sha256=body["sha256"],
    )
    return report


def note_files(
    session: Session, actor: Actor, body: Mapping[str, Any], sums: Mapping[str, str], now: datetime
) -> None:
    """Note in the audit log the sha256 of each file that an issued report was written to."""
    where = {"project": body["project"], "about": about_of(body), "revision": body["revision"]}
    for name, digest in sums.items():
        note(session, actor, WRITTEN, now=now, **where, file=name, sha256=digest)


def about_of(body: Mapping[str, Any]) -> str:
    """How the audit log names a report."""
    return f"{body['week']} {body['application'] or ''}".strip()


def load_report(
    session: Session,
    project: str,
    *,
    week: str,
    application: str | None = None,
    revision: int | None = None,
) -> Report | None:
    """The newest revision of a week's report, or the one asked for; None where there is none."""
    query = select(Report).where(
        Report.project == project, Report.week == week, Report.application == (application or "")
    )
    if revision is not None:
        query = query.where(Report.revision == revision)
    return session.exec(query.order_by(col(Report.revision).desc()).limit(1)).first()


def list_reports(session: Session, project: str, *, application: str | None = None) -> list[Report]:
    """The newest revision of every week's report, the newest week first."""
    query = select(Report).where(
        Report.project == project, Report.application == (application or "")
    )
    newest: dict[str, Report] = {}
    for report in session.exec(query.order_by(col(Report.week).desc(), col(Report.revision))):
        newest[report.week] = report
    return list(newest.values())


def _change_note(last: Report, body: Mapping[str, Any], now: datetime) -> str:
    before = last.body
    changed = [
        new["name"].lower()
        for old, new in zip(before["sections"], body["sections"], strict=False)
        if old != new
    ]
    parts = [f"Revision {last.revision + 1}, made {now:%Y-%m-%d %H:%M} {now.tzname()}."]
    if before["verdict"] != body["verdict"]:
        parts.append(f"The verdict was: “{before['verdict']}”.")
    if changed:
        parts.append(f"Changed since revision {last.revision}: {', '.join(changed)}.")
    return " ".join(parts)
