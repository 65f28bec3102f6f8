"""API keys: made once, shown once, kept as a digest, and bound to one project and its scopes."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, get_args

from sqlmodel import Session, select

from app.errors import NotFound, Unauthenticated, UnknownField
from app.store.naming import checked_name
from app.tables import ApiKey

Scope = Literal["ingest", "read", "score", "review", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "ts_"
_KEY_ID = re.compile("[0-9a-f]{16}")
_NO_DIGEST = "0" * 64


class NewKey(NamedTuple):
    """A key as stored, and the only copy of its text."""

    row: ApiKey
    text: str


def secret_digest(secret: str) -> str:
    """What is stored instead of a random secret: the hexadecimal sha256 of its UTF-8 bytes."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create_key(
    session: Session,
    *,
    project: str,
    name: str,
    scopes: Sequence[str],
    now: datetime,
    expires_at: datetime | None = None,
) -> NewKey:
    """A new key of the form `ts_<key_id>_<secret>`; its text cannot be had again."""
    project, name = checked_name("project", project), checked_name("key", name)
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise UnknownField(f"a key needs scopes out of {', '.join(SCOPES)}, not {unknown}")
    key_id, secret = secrets.token_hex(8), secrets.token_hex(20)
    row = ApiKey(
        key_id=key_id,
        project=project,
        name=name,
        secret_hash=secret_digest(secret),
        scopes=[scope for scope in SCOPES if scope in scopes],
        created_at=now,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    return NewKey(row, f"{PREFIX}{key_id}_{secret}")


def list_keys(session: Session, project: str | None = None) -> list[ApiKey]:
    """All keys, of one project or of all, oldest first."""
    query = select(ApiKey).order_by(ApiKey.created_at, ApiKey.key_id)  # type: ignore[arg-type]
    if project is not None:
        query = query.where(ApiKey.project == project)
    return list(session.exec(query))


def revoke_key(session: Session, key_id: str, *, now: datetime) -> ApiKey:
    """The key, revoked from now on; revoking twice keeps the first time."""
    row = session.get(ApiKey, key_id)
    if row is None:
        raise NotFound(f"there is no key {key_id!r}; `touchstone keys list` shows those that exist")
    row.revoked_at = row.revoked_at or now
    session.add(row)
    return row


def find_key(session: Session, key_id: str, secret: str, *, now: datetime) -> ApiKey:
    """The key that the id and secret belong to, or Unauthenticated if it may not be used now."""
    row = session.get(ApiKey, key_id) if _KEY_ID.fullmatch(key_id) else None
    stored = row.secret_hash if row is not None else _NO_DIGEST
    matches = hmac.compare_digest(stored, secret_digest(secret))
    if row is None or not matches:
        raise Unauthenticated("the API key is not known here; check that it was copied whole")
    if row.revoked_at is not None and row.revoked_at <= now:
        raise Unauthenticated(f"the API key {row.name!r} was revoked; ask for a new one")
    if row.expires_at is not None and row.expires_at <= now:
        raise Unauthenticated(f"the API key {row.name!r} has expired; ask for a new one")
    return row
