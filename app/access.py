"""Who is calling, and whether they may: API keys, reviewer sessions, open access.

Every route depends on `require(scope)`, so that nobody gets in by default:

    @router.get("/api/v1/interactions")
    def list_(caller: Annotated[Caller, Depends(require("read"))]) -> ...

A key may come as `Authorization: Bearer KEY`, as `Authorization: Basic base64(id:secret)` with the
key id and its secret (or the whole key as the secret), as `x-api-key: KEY`, or as a bare
`Authorization: KEY`. A browser comes with the session cookie; what it writes must come from a page
of this server. Open access makes everybody an admin, on loopback names only: a web page elsewhere
could otherwise point its own name at this machine and read everything.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from app.database import reading
from app.errors import Forbidden, Unauthenticated
from app.requests import current_time, settings_of
from app.settings import LOOPBACK, Settings
from app.store.audit import Actor
from app.store.keys import PREFIX, SCOPES, Scope, find_key
from app.store.reviewers import SESSION_LIFETIME, reviewer_of_session

SESSION_COOKIE = "touchstone_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
ROLE_SCOPES: Mapping[str, frozenset[str]] = {
    "reviewer": frozenset({"read", "review"}),
    "lead": frozenset({"read", "review", "score"}),
    "admin": frozenset(SCOPES),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, for which project, and what they may do."""

    project: str
    name: str
    role: str
    """`reviewer`, `lead` or `admin` for people, `key` for an API key."""
    scopes: frozenset[str]
    source: str = ""
    """The address that the request came from."""
    key_id: str = ""
    masked: bool = False
    """Whether pages hide personal data from this caller."""

    @property
    def actor(self) -> Actor:
        """Who that is in the audit log."""
        name = f"{self.name} ({self.key_id})" if self.key_id else self.name
        return Actor(name, self.role, self.source)

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes


OPEN_CALLER = Caller("default", "open access", "admin", frozenset(SCOPES))


class PresentedKey(NamedTuple):
    """The two parts of a key as a request brought them; not checked yet."""

    key_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class require:  # noqa: N801 - reads as a verb where routes are declared
    """A FastAPI dependency that gives the caller, or raises unless they hold the scope."""

    scope: Scope

    def __call__(self, request: Request, now: Annotated[datetime, Depends(current_time)]) -> Caller:
        caller = caller_of(request, now=now)
        request.state.caller = caller
        if not caller.may(self.scope):
            raise Forbidden(
                f"{caller.name!r} may not do this: the scope {self.scope!r} is missing; "
                f"it has {', '.join(sorted(caller.scopes)) or 'none'}"
            )
        return caller


def caller_of(request: Request, *, now: datetime) -> Caller:
    """Who sent the request, or Unauthenticated; Forbidden for a write from another site's page."""
    settings: Settings = request.app.state.settings
    if settings.open_access:
        return _open_caller(request)
    presented = presented_key(request.headers)
    if presented is not None:
        return _key_caller(request, presented, now)
    token = request.cookies.get(SESSION_COOKIE)
    if token is None:
        raise Unauthenticated(
            "send an API key as `Authorization: Bearer KEY` (`touchstone keys create` makes one), "
            "or sign in at /sign-in"
        )
    return _session_caller(request, token, now)


def presented_key(headers: Mapping[str, str]) -> PresentedKey | None:
    """The API key in a request's headers in any of its spellings, or None when there is none."""
    bare = headers.get("x-api-key", "").strip()
    if bare:
        return _split(bare)
    # Some clients send the value of OTEL_EXPORTER_OTLP_HEADERS as it is written, percent and all.
    value = headers.get("authorization", "").replace("%20", " ").strip()
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "basic" and rest:
        return _split_basic(rest.strip())
    if scheme.lower() == "bearer" and rest:
        return _split(rest.strip())
    return _split(value) if value else None


def check_same_origin(request: Request, *, strict: bool = True) -> None:
    """Raise Forbidden when a browser sent this write from a page of another origin.

    `strict` also refuses a write that says nothing of where it comes from, as no browser does.
    """
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        same = site in ("same-origin", "none")
    elif origin is not None:
        # A proxy may ask with a host of its own; then the address that people use counts.
        here = {request.headers.get("host"), urlsplit(settings_of(request).public_address).netloc}
        same = urlsplit(origin).netloc in here - {""}
    else:
        same = not strict
    if not same:
        raise Forbidden("this was sent from a page of another site; open the page here and retry")


def source_of(request: Request) -> str:
    """The address that a request came from, as the web server knows it."""
    return request.client.host if request.client is not None else ""


def set_session_cookie(request: Request, response: Response, token: str) -> None:
    """Hand the session token to the browser, out of reach of scripts and of other sites."""
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def _open_caller(request: Request) -> Caller:
    name = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    if name not in LOOPBACK:
        raise Forbidden(
            f"open access answers to 127.0.0.1 and localhost only, not to {name!r}; "
            "unset TOUCHSTONE_OPEN_ACCESS to serve other names"
        )
    check_same_origin(request, strict=False)
    settings: Settings = request.app.state.settings
    return replace(OPEN_CALLER, masked=settings.mask_personal_data)


def _key_caller(request: Request, presented: PresentedKey, now: datetime) -> Caller:
    with reading(request.app.state.engine) as session:
        key = find_key(session, presented.key_id, presented.secret, now=now)
    per_minute = request.app.state.settings.requests_per_minute
    request.app.state.rates.take(key.key_id, per_minute, now=now)
    scopes = frozenset(key.scopes)
    return Caller(key.project, key.name, "key", scopes, source_of(request), key.key_id)


def _session_caller(request: Request, token: str, now: datetime) -> Caller:
    with reading(request.app.state.engine) as session:
        reviewer = reviewer_of_session(session, token, now=now)
    if reviewer is None:
        raise Unauthenticated("the sign-in has ended; sign in again at /sign-in")
    check_same_origin(request)
    scopes = ROLE_SCOPES.get(reviewer.role, frozenset())
    caller = Caller(reviewer.project, reviewer.name, reviewer.role, scopes, source_of(request))
    return replace(caller, masked=request.app.state.settings.mask_personal_data)


def _split(text: str) -> PresentedKey:
    parts = text.removeprefix(PREFIX).split("_", 1)
    if not text.startswith(PREFIX) or len(parts) != 2:
        raise Unauthenticated(f"this is not an API key of this server: keys start with {PREFIX!r}")
    return PresentedKey(*parts)


def _split_basic(encoded: str) -> PresentedKey:
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthenticated("the Basic authorization is not base64 of `id:secret`") from None
    if secret.startswith(PREFIX):
        return _split(secret)
    if not secret:
        return _split(name)
    return PresentedKey(name.removeprefix(PREFIX), secret)
