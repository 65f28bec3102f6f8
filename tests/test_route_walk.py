"""Every route there is denies by default, whoever adds it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from app.criteria import Criteria
from app.settings import Settings
from tests.clients import a_key, an_app

OPEN = {"/healthz", "/readyz", "/sign-in", "/static/{digest}/{name}"}
INGEST = ("/v1/", "/otel/", "/api/public/", "/api/v1/interactions", "/api/v1/feedback")


def walk(routes: Sequence[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Every path with every method, also of routers that are included or mounted."""
    for route in routes:
        inner: Any = getattr(route, "original_router", route)
        if inner is not route or not hasattr(route, "methods"):
            yield from walk(inner.routes)
        else:
            for method in sorted(inner.methods or {"GET"}):
                yield str(inner.path), method


@pytest.fixture
def closed(settings: Settings, criteria: Criteria) -> Iterator[TestClient]:
    with TestClient(an_app(settings, criteria, open_access=False)) as client:
        yield client


def answers(client: TestClient, headers: dict[str, str]) -> dict[tuple[str, str], int]:
    found = {}
    for path, method in walk(client.app.routes):  # type: ignore[attr-defined]
        address = path.replace("{", "").replace("}", "").replace(":path", "")
        answer = client.request(method, address, headers=headers, follow_redirects=False)
        found[path, method] = answer.status_code
    return found


def test_the_walk_finds_the_routes_of_every_room(closed: TestClient) -> None:
    paths = {path for path, _ in walk(closed.app.routes)}  # type: ignore[attr-defined]
    wanted = {"/v1/traces", "/api/v1/interactions/{id}", "/metrics", "/docs", "/openapi.json"}
    assert paths >= wanted | OPEN


def test_a_stranger_gets_in_nowhere(closed: TestClient) -> None:
    found = answers(closed, {"Accept": "application/json"})
    assert {
        (path, method): status
        for (path, method), status in found.items()
        if status not in (401, 403) and path not in OPEN
    } == {}


def test_a_made_up_key_gets_in_nowhere(closed: TestClient) -> None:
    for key in ("ts_0000000000000000_" + "0" * 40, "nonsense", "é"):
        answer = closed.get("/api/v1/criteria", headers={b"x-api-key": key.encode()})
        assert answer.status_code == 401


def test_a_key_reaches_only_what_its_scope_opens(
    closed: TestClient, engine: Engine, now: datetime
) -> None:
    found = answers(closed, a_key(engine, ["ingest"], now=now))
    reached = {
        (path, method)
        for (path, method), status in found.items()
        if status not in (403, 405) and path not in OPEN
    }
    assert {path for path, _ in reached} >= {"/v1/traces", "/api/v1/interactions"}
    assert all(path.startswith(INGEST) and method == "POST" for path, method in reached), reached


def test_a_browser_without_a_sign_in_is_led_to_it(closed: TestClient) -> None:
    answer = closed.get("/", headers={"Accept": "text/html"}, follow_redirects=False)
    assert answer.status_code in (303, 401)
    assert "sign-in" in answer.headers.get("location", answer.text)
