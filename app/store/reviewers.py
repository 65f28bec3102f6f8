"""Reviewers: invitations by one-time link, passwords as argon2id, sessions kept on the server.

A wrong password is never answered with a locked account, because anyone could then lock anyone
out: each further attempt only has to wait longer, and a one-time link works at any time.
"""

import secrets
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import delete
from sqlmodel import Session, col, func, select

from app.errors import Busy, Conflict, NotFound, Unauthenticated, UnknownField
from app.store.keys import secret_digest
from app.store.naming import checked_name
from app.tables import Reviewer, SignIn

Role = Literal["reviewer", "lead", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
LINK_LIFETIME = timedelta(days=7)
SESSION_LIFETIME = timedelta(days=7)
FAILURE_WINDOW = timedelta(minutes=15)
FREE_FAILURES = 5
LONGEST_WAIT_SECONDS = 30
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 256

_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_UNUSABLE = _hasher.hash(secrets.token_hex(16))


class SignedIn(NamedTuple):
    """A reviewer and the text of their new session token."""

    reviewer: Reviewer
    token: str


def add_reviewer(
    session: Session, *, name: str, role: str = "reviewer", project: str = "default", now: datetime
) -> str:
    """The token of a one-time sign-in link for a new reviewer."""
    if role not in ROLES:
        raise UnknownField(f"there is no role {role!r}; there are {', '.join(ROLES)}")
    project, name = checked_name("project", project), checked_name("reviewer", name)
    # They sign in by it: two names that look the same must be the same.
    if not name.isprintable():
        raise UnknownField("a reviewer's name needs 1 to 100 printable characters")
    if session.exec(select(Reviewer).where(Reviewer.name == name)).first():
        raise Conflict(f"there is a reviewer {name!r} already; choose another name")
    reviewer = Reviewer(project=project, name=name, role=role, created_at=now)
    session.add(reviewer)
    session.flush()
    return _issue(session, reviewer, "link", now, LINK_LIFETIME)


def bootstrap_admin(session: Session, now: datetime) -> str | None:
    """The token of a link for a new admin if there is no reviewer at all, else None."""
    if session.exec(select(Reviewer.id)).first() is not None:
        return None
    return add_reviewer(session, name="admin", role="admin", now=now)


def list_reviewers(session: Session) -> list[Reviewer]:
    """All reviewers by name, disabled ones too."""
    return list(session.exec(select(Reviewer).order_by(Reviewer.name)))


def get_reviewer(session: Session, name: str) -> Reviewer:
    """The reviewer of that name, or NotFound."""
    reviewer = session.exec(select(Reviewer).where(Reviewer.name == name)).first()
    if reviewer is None:
        raise NotFound(f"there is no reviewer {name!r}; `touchstone reviewers list` shows them")
    return reviewer


def disable_reviewer(session: Session, name: str, *, now: datetime) -> Reviewer:
    """The reviewer, who can no longer sign in and whose sessions and links have ended."""
    reviewer = get_reviewer(session, name)
    reviewer.disabled_at = reviewer.disabled_at or now
    session.add(reviewer)
    session.execute(delete(SignIn).where(col(SignIn.reviewer_id) == reviewer.id))
    return reviewer


def new_link(session: Session, name: str, *, now: datetime) -> str:
    """The token of another one-time link for a reviewer, who is enabled again by it."""
    reviewer = get_reviewer(session, name)
    reviewer.disabled_at = None
    session.add(reviewer)
    return _issue(session, reviewer, "link", now, LINK_LIFETIME)


def reviewer_of_link(session: Session, token: str, *, now: datetime) -> Reviewer:
    """Whom an unused link was made for; looking does not use it up."""
    reviewer = _holder(session, token, "link", now)
    if reviewer is None:
        raise Unauthenticated("this sign-in link was used or has expired; ask for a new one")
    return reviewer


def sign_in_by_link(session: Session, token: str, *, now: datetime) -> SignedIn:
    """A session for the holder of a link, which is used up by it."""
    reviewer = reviewer_of_link(session, token, now=now)
    used = session.execute(
        delete(SignIn).where(
            col(SignIn.token_hash) == secret_digest(token), col(SignIn.kind) == "link"
        )
    )
    if used.rowcount != 1:  # type: ignore[attr-defined]
        raise Unauthenticated("this sign-in link was used a moment ago; ask for a new one")
    return start_session(session, reviewer, now=now)


def check_password(session: Session, name: str, password: str, *, now: datetime) -> Reviewer | None:
    """The reviewer if name and password belong together, else None; reads only.

    Takes as long for an unknown name as for a wrong password. Raises Busy when the name has seen
    so many wrong passwords that the next attempt has to wait.
    """
    reviewer = session.exec(select(Reviewer).where(Reviewer.name == name.strip())).first()
    if reviewer is not None:
        _make_wait(session, reviewer, now)
    stored = (reviewer.password_hash if reviewer is not None else None) or _UNUSABLE
    try:
        _hasher.verify(stored, password[:LONGEST_PASSWORD])
    except (VerifyMismatchError, InvalidHashError):
        return None
    return reviewer if reviewer is not None and reviewer.disabled_at is None else None


def note_failure(session: Session, name: str, *, now: datetime) -> Reviewer | None:
    """Whose name it is; a wrong password is remembered, so that the next attempts have to wait."""
    reviewer = session.exec(select(Reviewer).where(Reviewer.name == name.strip())).first()
    if reviewer is not None:
        _issue(session, reviewer, "failure", now, FAILURE_WINDOW)
    return reviewer


def set_password(session: Session, reviewer: Reviewer, password: str) -> None:
    """Let the reviewer sign in by name with this password from now on."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise UnknownField(
            f"a password needs {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters; "
            "a few unrelated words are easy to keep in mind"
        )
    reviewer.password_hash = _hasher.hash(password)
    session.add(reviewer)


def start_session(session: Session, reviewer: Reviewer, *, now: datetime) -> SignedIn:
    """A new session of the reviewer; sign-ins that have expired are cleared away."""
    session.execute(delete(SignIn).where(col(SignIn.expires_at) <= now))
    return SignedIn(reviewer, _issue(session, reviewer, "session", now, SESSION_LIFETIME))


def reviewer_of_session(session: Session, token: str, *, now: datetime) -> Reviewer | None:
    """Whom a session token belongs to, or None when it has ended."""
    return _holder(session, token, "session", now)


def end_session(session: Session, token: str) -> None:
    """Sign out: the token is worth nothing afterwards."""
    session.execute(delete(SignIn).where(col(SignIn.token_hash) == secret_digest(token)))


def _issue(
    session: Session, reviewer: Reviewer, kind: str, now: datetime, lifetime: timedelta
) -> str:
    token = secrets.token_urlsafe(32)
    assert reviewer.id is not None
    session.add(
        SignIn(
            token_hash=secret_digest(token),
            kind=kind,
            reviewer_id=reviewer.id,
            created_at=now,
            expires_at=now + lifetime,
        )
    )
    session.flush()
    return token


def _holder(session: Session, token: str, kind: str, now: datetime) -> Reviewer | None:
    row = session.get(SignIn, secret_digest(token))
    if row is None or row.kind != kind or row.expires_at <= now:
        return None
    reviewer = session.get(Reviewer, row.reviewer_id)
    return reviewer if reviewer is not None and reviewer.disabled_at is None else None


def _make_wait(session: Session, reviewer: Reviewer, now: datetime) -> None:
    failures = (
        col(SignIn.reviewer_id) == reviewer.id,
        col(SignIn.kind) == "failure",
        col(SignIn.expires_at) > now,
    )
    n, latest_at = session.exec(
        select(func.count(), func.max(SignIn.created_at)).where(*failures)
    ).one()
    if n < FREE_FAILURES:
        return
    wait = min(2 ** (n - FREE_FAILURES), LONGEST_WAIT_SECONDS)
    if now < latest_at + timedelta(seconds=wait):
        raise Busy(f"several wrong passwords were tried; wait {wait} seconds and try again")
