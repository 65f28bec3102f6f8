"""The audit log: an entry per act, in the transaction of the act, each sealing the one before.

The digest of an entry is SHA-256 over a zero byte, the entry as canonical JSON (sorted keys, no
spaces, ASCII) and the digest before it: the leaf hash of RFC 6962 over a chain. Who changes, drops
or swaps entries breaks it. Who rewrites everything after an entry, or cuts the end off, is found by
a digest noted elsewhere: `audit verify` and `serve` print one to note.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from app.audit_table import AuditEntry
from app.database import exclude_others
from app.errors import AuditBroken
from app.tables import Annotation

RELEASE = version("touchstone")
START = "0" * 64
SEALED = (
    *("seq", "actor", "role", "source", "action", "project", "about", "details", "release"),
    "previous",
)
AT_A_TIME = 1000
EXPORTED = "export.written"
BACKED_UP = "backup.made"
ISSUED = "report.issued"
WRITTEN = "report.written"
LEAVING = (EXPORTED, BACKED_UP, WRITTEN)


class Actor(NamedTuple):
    """Who acts, as what, and from which address."""

    name: str
    role: str
    source: str = ""


class Head(NamedTuple):
    """How many entries there are, and the digest of the last."""

    seq: int
    digest: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.digest}"


SERVER = Actor("touchstone", "server")


def note(
    session: Session,
    actor: Actor,
    action: str,
    *,
    now: datetime,
    project: str = "",
    about: object = "",
    **details: Any,
) -> AuditEntry:
    """Add an entry; what is done in this transaction is not done unless the entry is written.

    Call it last in a transaction: until that ends, every other act has to wait.
    """
    session.flush()
    exclude_others(session, "audit")
    last = head(session)
    entry = AuditEntry(
        seq=last.seq + 1,
        at=now.astimezone(UTC),
        actor=actor.name,
        role=actor.role,
        source=actor.source,
        action=action,
        project=project,
        about=str(about),
        details=_canonical({name: one for name, one in details.items() if one is not None}),
        release=RELEASE,
        previous=last.digest,
        digest="",
    )
    entry.digest = digest_of(entry)
    session.add(entry)
    session.flush()
    return entry


def note_labels(
    session: Session, actor: Actor, rows: Sequence[Annotation], *, now: datetime, **details: Any
) -> None:
    """An entry per interaction for the labels that were added now, with what stood before."""
    new = [row for row in rows if row.created_at == now]
    for interaction_id in dict.fromkeys(row.interaction_id for row in new):
        mine = [row for row in new if row.interaction_id == interaction_id]
        earlier = {row.criterion: _replaced(session, row) for row in mine if row.replaces_id}
        before = {name: label for name, label in earlier.items() if label}
        note(
            session,
            actor,
            "label.changed" if before else "label.stored",
            now=now,
            project=mine[0].project,
            about=interaction_id,
            labels={row.criterion: row.final_label for row in mine},
            before=before or None,
            blind=all(row.blind_label is not None for row in mine) and not before,
            guideline=mine[0].guideline_version[:12],
            queue=mine[0].queue_id,
            **details,
        )


def head(session: Session) -> Head:
    """Where the log ends."""
    query = select(AuditEntry.seq, AuditEntry.digest).order_by(col(AuditEntry.seq).desc())
    last = session.exec(query).first()
    return Head(*last) if last is not None else Head(0, START)


def entries(
    session: Session, *, project: str | None = None, about: str | None = None, action: str = ""
) -> Iterator[AuditEntry]:
    """The entries in order, some at a time; `action` is the beginning of a name."""
    query = select(AuditEntry)
    if project is not None:
        query = query.where(AuditEntry.project == project)
    if about is not None:
        query = query.where(AuditEntry.about == about)
    if action:
        query = query.where(col(AuditEntry.action).startswith(action, autoescape=True))
    after = 0
    while True:
        following = query.where(col(AuditEntry.seq) > after).order_by(col(AuditEntry.seq))
        found = list(session.exec(following.limit(AT_A_TIME)))
        yield from found
        if len(found) < AT_A_TIME:
            return
        after = found[-1].seq
        session.expunge_all()


def wrote(session: Session, digest: str) -> list[AuditEntry]:
    """The entries by which a file of that sha256 left as an export, a backup or a report."""
    return [one for one in _with_digest(session, digest) if one.action in LEAVING]


def issuing(
    session: Session, digest: str, *, project: str, about: str, revision: int
) -> AuditEntry | None:
    """The entry by which a report that says what has that sha256 was issued as that revision."""
    found = [one for one in _with_digest(session, digest) if one.action == ISSUED]
    mine = [one for one in found if (one.project, one.about) == (project, about)]
    return next((one for one in mine if json.loads(one.details)["revision"] == revision), None)


def newest(session: Session, project: str, *, limit: int) -> list[AuditEntry]:
    """The last entries of a project and of the whole server, the newest first."""
    query = select(AuditEntry).where(col(AuditEntry.project).in_((project, "")))
    return list(session.exec(query.order_by(col(AuditEntry.seq).desc()).limit(limit)))


def verify(rows: Iterable[AuditEntry], expected: Head | None = None) -> Head:
    """Where an unbroken log ends, or AuditBroken naming the entry that is wrong.

    `expected` is a head that was noted elsewhere: the log must still hold it.
    """
    last = Head(0, START)
    for row in rows:
        if row.seq != last.seq + 1:
            raise AuditBroken(f"entry {last.seq + 1} is missing: after {last.seq} comes {row.seq}")
        if row.digest != digest_of(row):
            raise AuditBroken(f"entry {row.seq} was changed: its content does not give its digest")
        if row.previous != last.digest:
            raise AuditBroken(f"entry {row.seq} does not follow entry {last.seq}: it seals another")
        if expected is not None and expected.seq == row.seq and expected.digest != row.digest:
            raise AuditBroken(
                f"entry {row.seq} is not the one that was noted: the log was written anew"
            )
        last = Head(row.seq, row.digest)
    if expected is not None and expected.seq > last.seq:
        raise AuditBroken(
            f"the log ends at entry {last.seq}, before the noted entry {expected.seq}: "
            "its end was cut off, or an older copy of the database was put back"
        )
    return last


def digest_of(entry: AuditEntry) -> str:
    """What the entry's digest must be."""
    sealed = {name: getattr(entry, name) for name in SEALED}
    sealed["at"] = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    before = bytes.fromhex(entry.previous) if len(entry.previous) == len(START) else b""
    return hashlib.sha256(b"\0" + _canonical(sealed).encode() + before).hexdigest()


def note_configuration(
    session: Session, current: Mapping[str, str], *, actor: Actor, now: datetime
) -> bool:
    """Whether what the server judges by differs from what was noted last; the change is noted."""
    exclude_others(session, "audit")
    query = select(AuditEntry.details).where(AuditEntry.action == CONFIGURATION)
    last = session.exec(query.order_by(col(AuditEntry.seq).desc())).first()
    before = json.loads(last)["state"] if last is not None else {}
    if before == current:
        return False
    changed = {
        name: [before.get(name), current.get(name)]
        for name in sorted({*before, *current})
        if before.get(name) != current.get(name)
    }
    note(session, actor, CONFIGURATION, now=now, changed=changed, state=dict(current))
    return True


CONFIGURATION = "configuration.changed"


def _with_digest(session: Session, digest: str) -> list[AuditEntry]:
    query = select(AuditEntry).where(
        col(AuditEntry.action).in_((*LEAVING, ISSUED)),
        col(AuditEntry.details).contains(f'"sha256":"{digest}"', autoescape=True),
    )
    return list(session.exec(query.order_by(col(AuditEntry.seq))))


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _replaced(session: Session, row: Annotation) -> str | None:
    before = session.get(Annotation, row.replaces_id)
    return before.final_label if before is not None and not before.is_withdrawn else None
