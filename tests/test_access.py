"""Who gets in: every spelling of a key, sessions, open access, and writes from other sites."""

import base64
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Request, Response
from sqlalchemy import Engine
from sqlmodel import select
from starlette.testclient import TestClient

from app.access import SESSION_COOKIE, Caller, presented_key, require, set_session_cookie
from app.answers import answer_errors
from app.database import reading, transaction
from app.errors import Busy, Conflict, Unauthenticated, UnknownField
from app.rates import Rates
from app.requests import current_time
from app.settings import Settings
from app.store.keys import SCOPES, NewKey, Scope, create_key, list_keys, revoke_key
from app.store.reviewers import (
    FREE_FAILURES,
    LINK_LIFETIME,
    SESSION_LIFETIME,
    add_reviewer,
    bootstrap_admin,
    check_password,
    disable_reviewer,
    new_link,
    note_failure,
    reviewer_of_session,
    set_password,
    sign_in_by_link,
    start_session,
)
from app.tables import ApiKey, SignIn

HOST = "http://127.0.0.1"


def app_for(engine: Engine, settings: Settings, now: datetime) -> FastAPI:
    app = FastAPI()
    app.state.engine, app.state.settings = engine, settings
    app.state.rates = Rates()
    app.dependency_overrides[current_time] = lambda: now

    def add(scope: Scope) -> None:
        @app.api_route(f"/{scope}", methods=["GET", "POST"])
        def answer(caller: Annotated[Caller, Depends(require(scope))]) -> dict[str, str]:
            return {"project": caller.project, "name": caller.name, "role": caller.role}

    for scope in SCOPES:
        add(scope)
    answer_errors(app)
    return app


@pytest.fixture
def guarded(engine: Engine, settings: Settings, now: datetime) -> Iterator[TestClient]:
    closed = settings.model_copy(update={"open_access": False})
    with TestClient(app_for(engine, closed, now), base_url=HOST) as client:
        yield client


@pytest.fixture
def key(engine: Engine, now: datetime) -> NewKey:
    return make_key(engine, now)


def make_key(
    engine: Engine,
    now: datetime,
    *,
    scopes: tuple[str, ...] = ("ingest", "read"),
    expires_at: datetime | None = None,
) -> NewKey:
    with transaction(engine) as session:
        return create_key(
            session,
            project="shop",
            name="the bot",
            scopes=scopes,
            now=now,
            expires_at=expires_at,
        )


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def spellings(key: NewKey) -> dict[str, dict[str, str]]:
    secret = key.text.split("_", 2)[2]
    return {
        "bearer": {"Authorization": f"Bearer {key.text}"},
        "bearer, percent-encoded": {"Authorization": f"Bearer%20{key.text}"},
        "bearer in small letters": {"authorization": f"bearer {key.text}"},
        "x-api-key": {"X-API-Key": key.text},
        "raw": {"Authorization": key.text},
        "basic with id and secret": {"Authorization": basic(key.row.key_id, secret)},
        "basic with prefixed id": {"Authorization": basic(f"ts_{key.row.key_id}", secret)},
        "basic with the whole key": {"Authorization": basic("pk-lf-anything", key.text)},
        "basic with the key as name": {"Authorization": basic(key.text, "")},
        "x-api-key beats a proxy's own": {
            "X-API-Key": key.text,
            "Authorization": basic("proxy", "secret"),
        },
    }


def test_every_spelling_of_a_key_lets_in_to_its_project_and_scopes(
    guarded: TestClient, key: NewKey
) -> None:
    for name, headers in spellings(key).items():
        answer = guarded.get("/read", headers=headers)
        assert answer.status_code == 200, name
        assert answer.json() == {"project": "shop", "name": "the bot", "role": "key"}
        refused = guarded.get("/admin", headers=headers)
        assert refused.status_code == 403, name
        assert "'admin'" in refused.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer ts_"},
        {"Authorization": "Bearer ts_0123456789abcdef_wrong"},
        {"Authorization": "Bearer sk-foreign"},
        {"Authorization": "Basic !!!"},
        {"Authorization": basic("", "")},
        {"Authorization": basic("a\0b", "secret")},
        {"Authorization": basic("0123456789abcdef", "wrong")},
        {"X-API-Key": "ts_"},
        {"Cookie": f"{SESSION_COOKIE}=made-up"},
    ],
)
def test_nobody_gets_in_by_default(guarded: TestClient, headers: dict[str, str]) -> None:
    for scope in SCOPES:
        answer = guarded.get(f"/{scope}", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"] == "Unauthenticated"


def test_a_secret_that_differs_in_one_character_is_refused(
    guarded: TestClient, key: NewKey
) -> None:
    last = "0" if key.text[-1] != "0" else "1"
    answer = guarded.get("/read", headers={"X-API-Key": key.text[:-1] + last})
    assert answer.status_code == 401


def test_a_revoked_or_expired_key_is_refused_with_the_reason(
    engine: Engine, guarded: TestClient, now: datetime
) -> None:
    revoked = make_key(engine, now)
    with transaction(engine) as session:
        revoke_key(session, revoked.row.key_id, now=now)
    expired = make_key(engine, now, expires_at=now)
    lasting = make_key(engine, now, expires_at=now + timedelta(seconds=1))
    for key, word in ((revoked, "revoked"), (expired, "expired")):
        answer = guarded.get("/read", headers={"X-API-Key": key.text})
        assert answer.status_code == 401
        assert word in answer.json()["detail"]
    assert guarded.get("/read", headers={"X-API-Key": lasting.text}).status_code == 200


def test_only_a_digest_of_at_least_128_random_bits_is_stored(engine: Engine, key: NewKey) -> None:
    secret = key.text.split("_", 2)[2]
    with reading(engine) as session:
        row = list_keys(session, "shop")[0]
    assert len(secret) * 4 >= 128
    assert secret not in str(ApiKey.model_dump(row))


def test_a_key_needs_known_scopes(engine: Engine, now: datetime) -> None:
    for scopes in ((), ("ingest", "everything")):
        with pytest.raises(UnknownField):
            make_key(engine, now, scopes=scopes)


def test_headers_without_a_key_present_none() -> None:
    assert presented_key({}) is None
    assert presented_key({"authorization": "  "}) is None


def test_open_access_makes_everybody_an_admin_but_on_loopback_names_only(
    engine: Engine, settings: Settings, now: datetime
) -> None:
    app = app_for(engine, settings, now)
    for host in ("http://127.0.0.1:8000", "http://localhost", "http://[::1]:8000"):
        answer = TestClient(app, base_url=host).post("/admin")
        assert answer.json() == {"project": "default", "name": "open access", "role": "admin"}
    for host in ("http://evil.example", "http://192.168.0.7"):
        assert TestClient(app, base_url=host).get("/read").status_code == 403


def test_open_access_refuses_what_another_site_sends(
    engine: Engine, settings: Settings, now: datetime
) -> None:
    client = TestClient(app_for(engine, settings, now), base_url=HOST)
    assert client.post("/review", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.post("/review", headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.post("/review", headers={"Origin": HOST}).status_code == 200


def signed_in(engine: Engine, client: TestClient, now: datetime, role: str = "reviewer") -> str:
    with transaction(engine) as session:
        link = add_reviewer(session, name="anna", role=role, now=now)
        token = sign_in_by_link(session, link, now=now).token
    client.cookies.set(SESSION_COOKIE, token)
    return token


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("reviewer", {"read", "review"}),
        ("lead", {"read", "review", "score"}),
        ("admin", set(SCOPES)),
    ],
)
def test_a_role_gives_its_scopes(
    engine: Engine, guarded: TestClient, now: datetime, role: str, allowed: set[str]
) -> None:
    signed_in(engine, guarded, now, role)
    got = {scope for scope in SCOPES if guarded.get(f"/{scope}").status_code == 200}
    assert got == allowed


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": HOST}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": HOST}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_a_write_with_a_session_must_come_from_a_page_of_this_server(
    engine: Engine, guarded: TestClient, now: datetime, headers: dict[str, str], status: int
) -> None:
    signed_in(engine, guarded, now)
    assert guarded.post("/review", headers=headers).status_code == status
    assert guarded.get("/review").status_code == 200


def test_a_write_may_come_from_the_public_address_through_a_proxy_that_asks_as_another_host(
    engine: Engine, settings: Settings, now: datetime
) -> None:
    public = {"open_access": False, "public_address": "http://touchstone.lan"}
    app = app_for(engine, settings.model_copy(update=public), now)
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        signed_in(engine, client, now)
        for origin, status in (("http://touchstone.lan", 200), ("http://evil.example", 403)):
            assert client.post("/review", headers={"Origin": origin}).status_code == status


def test_a_key_needs_no_origin(guarded: TestClient, key: NewKey) -> None:
    assert guarded.post("/ingest", headers={"X-API-Key": key.text}).status_code == 200


def test_a_link_works_once_and_a_session_ends_by_itself(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        link = add_reviewer(session, name="anna", now=now)
        token = sign_in_by_link(session, link, now=now).token
        with pytest.raises(Unauthenticated, match="used"):
            sign_in_by_link(session, link, now=now)
    with reading(engine) as session:
        just_before = now + SESSION_LIFETIME - timedelta(seconds=1)
        assert reviewer_of_session(session, token, now=just_before) is not None
        assert reviewer_of_session(session, token, now=now + SESSION_LIFETIME) is None
        assert reviewer_of_session(session, link, now=now) is None


def test_a_link_expires_and_another_can_be_made(engine: Engine, now: datetime) -> None:
    later = now + LINK_LIFETIME
    with transaction(engine) as session:
        link = add_reviewer(session, name="anna", now=now)
        with pytest.raises(Unauthenticated):
            sign_in_by_link(session, link, now=later)
        another = new_link(session, "anna", now=later)
        assert sign_in_by_link(session, another, now=later).reviewer.name == "anna"


def test_a_disabled_reviewer_is_out_at_once(
    engine: Engine, guarded: TestClient, now: datetime
) -> None:
    signed_in(engine, guarded, now)
    assert guarded.get("/read").status_code == 200
    with transaction(engine) as session:
        disable_reviewer(session, "anna", now=now)
    assert guarded.get("/read").status_code == 401


def test_tokens_are_stored_as_digests_only(
    engine: Engine, guarded: TestClient, now: datetime
) -> None:
    token = signed_in(engine, guarded, now)
    with reading(engine) as session:
        assert session.get(SignIn, token) is None


def test_the_first_start_makes_an_admin_once(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        link = bootstrap_admin(session, now)
        assert link is not None
        assert sign_in_by_link(session, link, now=now).reviewer.role == "admin"
        assert bootstrap_admin(session, now) is None


def test_a_name_is_given_once(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        add_reviewer(session, name="anna", now=now)
        with pytest.raises(Conflict):
            add_reviewer(session, name=" anna ", now=now)
        with pytest.raises(UnknownField):
            add_reviewer(session, name="ben", role="owner", now=now)


def test_a_password_lets_in_its_reviewer_only(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        reviewer = sign_in_by_link(
            session, add_reviewer(session, name="anna", now=now), now=now
        ).reviewer
        with pytest.raises(UnknownField, match="12"):
            set_password(session, reviewer, "short")
        set_password(session, reviewer, "four unrelated words")
        assert (reviewer.password_hash or "").startswith("$argon2id$")
        assert check_password(session, "anna", "four unrelated words", now=now) is not None
        assert check_password(session, "anna", "four unrelated word", now=now) is None
        assert check_password(session, "nobody", "four unrelated words", now=now) is None
        disable_reviewer(session, "anna", now=now)
        assert check_password(session, "anna", "four unrelated words", now=now) is None


def test_wrong_passwords_make_the_next_attempt_wait_but_never_lock(
    engine: Engine, now: datetime
) -> None:
    with transaction(engine) as session:
        add_reviewer(session, name="anna", now=now)
        for _ in range(FREE_FAILURES):
            assert check_password(session, "anna", "a wrong password", now=now) is None
            note_failure(session, "anna", now=now)
        with pytest.raises(Busy, match="wait"):
            check_password(session, "anna", "a wrong password", now=now)
        later = now + timedelta(seconds=31)
        assert check_password(session, "anna", "a wrong password", now=later) is None
        link = new_link(session, "anna", now=now)
        assert sign_in_by_link(session, link, now=now)


def test_old_sign_ins_are_cleared_away(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        add_reviewer(session, name="anna", now=now)
        link = add_reviewer(session, name="ben", now=now + LINK_LIFETIME)
        signed = sign_in_by_link(session, link, now=now + LINK_LIFETIME)
        start_session(session, signed.reviewer, now=now + 3 * LINK_LIFETIME)
        assert len(list(session.exec(select(SignIn)))) == 1


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(scheme: str, secure: bool) -> None:
    request = Request(
        {"type": "http", "scheme": scheme, "path": "/", "server": ("a.example", 80), "headers": []}
    )
    response = Response()
    set_session_cookie(request, response, "token")
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert ("Secure" in cookie) is secure
