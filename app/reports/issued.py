"""Whether a file is a report that was issued here, and what was changed where it is not.

The log holds the sha256 of what an issued report says, not of a file: the same report leaves as
JSON in several layouts, as a page with links and as Markdown. So JSON is judged by what it says,
and a page or a text by whether this release writes just that from the report that is stored.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from app.reports.html import render_html
from app.reports.markdown import render_markdown
from app.reports.weekly import UNSIGNED, sign
from app.store.audit import issuing
from app.store.reports import about_of, load_report
from app.tables import AuditEntry, Report

Body = Mapping[str, Any]
NAMED = re.compile(r"report sha256 `?([0-9a-f]{64})", re.IGNORECASE)
LINKS = re.compile(r'<nav aria-label="Other reports">.*?</nav>', re.DOTALL)
DIGEST = re.compile(r"[0-9a-f]{64}")
MARKS: Mapping[str, Any] = {
    **dict.fromkeys(("project", "week", "sha256"), str),
    **{"application": str | None, "revision": int, "sections": list},
}
CLEARED = (
    "it is as it is kept here, but words were erased from that since it was issued, so that the "
    "digest of then proves nothing of it"
)


class Found(NamedTuple):
    """What is known of a file that claims to be a report."""

    is_issued: bool
    sentence: str
    entry: AuditEntry | None = None
    """The entry by which the report was issued that it is, or claims to be."""


def find_issued(session: Session, content: bytes) -> Found | None:
    """Whether the file is a report that was issued here; None where it does not look like one."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    body = _body_in(text)
    if body is not None:
        return _judge_body(session, body)
    named = NAMED.findall(text)
    return _judge_text(session, text, named[-1]) if named else None


def _body_in(text: str) -> Body | None:
    """The report in a JSON text, bare or in the message of a webhook."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) and isinstance(value.get("report"), dict):
        value = value["report"]
    is_report = isinstance(value, dict) and all(
        isinstance(value.get(name), kinds) for name, kinds in MARKS.items()
    )
    return value if is_report and DIGEST.fullmatch(value["sha256"]) else None


def _judge_body(session: Session, body: Body) -> Found:
    entry = _issuing(session, body)
    if entry is None:
        return Found(False, f"{_which(body)} was never issued with the sha256 that it names")
    stored = _stored(session, body)
    if not _is_sealed(body):
        return Found(False, _changed(body, stored), entry)
    wrong = _beside(body, stored)
    if wrong:
        told = f"it says what {_which(body)} says, but names another {' and another '.join(wrong)}"
        return Found(False, told, entry)
    return Found(True, _issued(body, entry), entry)


def _judge_text(session: Session, text: str, digest: str) -> Found:
    rows = session.exec(select(Report).where(Report.sha256 == digest).order_by(col(Report.id)))
    known = [(row.body, _issuing(session, row.body)) for row in rows]
    issued = [(body, entry) for body, entry in known if entry is not None]
    if not issued:
        return Found(False, f"no report that is kept here has the sha256 that it names, {digest}")
    for body, entry in issued:
        if LINKS.sub("", text, count=1) in _written(body):
            is_proven = _is_sealed(body)
            return Found(is_proven, _issued(body, entry) if is_proven else CLEARED, entry)
    body, entry = issued[0]
    told = f"it names {_which(body)}, but is not what this release writes of that"
    reasons = "it was changed, saved anew by another program, or written by another release"
    return Found(False, f"{told}: {reasons}; the JSON of a report can always be checked", entry)


def _issuing(session: Session, body: Body) -> AuditEntry | None:
    about, project = about_of(body), body["project"]
    return issuing(session, body["sha256"], project=project, about=about, revision=body["revision"])


def _is_sealed(body: Body) -> bool:
    """Whether it says what its sha256 is of; a stored report does until words are erased."""
    try:
        return bool(sign(dict(body))["sha256"] == body["sha256"])
    except UnicodeEncodeError:
        return False


def _written(body: dict[str, Any]) -> Iterator[str]:
    yield render_html(body)
    yield render_markdown(body)


def _stored(session: Session, body: Body) -> Report | None:
    where = {"week": body["week"], "application": body.get("application")}
    return load_report(session, str(body["project"]), **where, revision=body["revision"])


def _beside(body: Body, stored: Report | None) -> list[str]:
    """What the digest does not seal and is not as stored; erasure adds to the stored note."""
    if stored is None:
        return []
    names = [one for one in UNSIGNED if body.get(one) != stored.body.get(one)]
    note = str(stored.body.get("change_note"))
    if "change_note" in names and note.startswith(str(body.get("change_note"))):
        names.remove("change_note")
    return names


def _changed(body: Body, stored: Report | None) -> str:
    """That it is not what was issued, and in which parts, as far as that is kept here."""
    if stored is None:
        return f"it was changed; it claims to be {_which(body)}, which is kept here no more"
    if body == stored.body:
        return CLEARED
    names = [one for one in body if one != "sections" and body[one] != stored.body.get(one)]
    before = {one["id"]: one for one in stored.body["sections"]}
    sections = [one for one in body["sections"] if isinstance(one, dict)]
    names += [str(one.get("id")) for one in sections if one != before.get(str(one.get("id")))]
    parts = f" in {', '.join(names)}" if names else ""
    return f"it was changed{parts}; it claims to be {_which(body)}"


def _issued(body: Body, entry: AuditEntry) -> str:
    return (
        f"it is {_which(body)}, as it was issued on {entry.at:%Y-%m-%d %H:%M} UTC by {entry.actor}"
    )


def _which(body: Body) -> str:
    about = body.get("application") or "all applications"
    return (
        f"revision {body['revision']} of the report of {body['week']} about {about} "
        f"(project {body['project']!r})"
    )
