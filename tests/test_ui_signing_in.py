"""Sign in and out in a browser's way: links, passwords, cookies, and nothing without them."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import Engine
from starlette.testclient import TestClient

from app.access import SESSION_COOKIE, require
from app.criteria import Criteria
from app.database import transaction
from app.main import create_app
from app.settings import Settings
from app.store.reviewers import add_reviewer, new_link
from feedback_ui import browsing, reviewing, signing_in, trends, weekly
from tests.builders import FAKE_EVALUATORS

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

HOST = "http://127.0.0.1"
HERE = {"Origin": HOST, "Accept": "text/html"}
PASSWORD = "four unrelated words"


@pytest.fixture
def browser(settings: Settings, criteria: Criteria) -> Iterator[TestClient]:
    closed = settings.model_copy(update={"open_access": False})
    app = create_app(closed, evaluators=FAKE_EVALUATORS, criteria=criteria)
    with TestClient(app, base_url=HOST, headers=HERE, follow_redirects=False) as client:
        yield client


@pytest.fixture
def link(engine: Engine) -> str:
    with transaction(engine) as session:
        return add_reviewer(session, name="anna", role="lead", now=datetime.now(UTC))


def test_a_visitor_is_led_to_the_sign_in_page_and_back(browser: TestClient, link: str) -> None:
    answer = browser.get("/interactions?text=money")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Finteractions%3Ftext%3Dmoney"
    form = {"link": link, "next": "/interactions?text=money"}
    signed = browser.post("/sign-in", data=form)
    assert signed.status_code == 303
    assert signed.headers["location"] == "/interactions?text=money"
    assert browser.get("/interactions?text=money").status_code == 200


def test_opening_a_link_does_not_use_it_up(browser: TestClient, link: str) -> None:
    for _ in range(2):
        page = browser.get(f"/sign-in?link={link}")
        assert page.status_code == 200
        assert "Welcome, anna" in page.text
    assert browser.post("/sign-in", data={"link": link}).status_code == 303
    again = browser.post("/sign-in", data={"link": link})
    assert again.status_code == 401
    assert "was used" in again.text


def test_a_password_chosen_with_the_link_signs_in_later(browser: TestClient, link: str) -> None:
    short = browser.post("/sign-in", data={"link": link, "password": "short"})
    assert short.status_code == 422
    assert browser.post("/sign-in", data={"link": link, "password": PASSWORD}).status_code == 303
    browser.cookies.clear()
    wrong = browser.post("/sign-in", data={"name": "anna", "password": "something else"})
    assert wrong.status_code == 401
    assert "do not belong together" in wrong.text
    assert browser.post("/sign-in", data={"name": "anna", "password": PASSWORD}).status_code == 303
    assert browser.get("/").status_code == 200


def test_a_form_sent_after_the_session_ended_leads_to_sign_in_and_speaks_of_no_key(
    browser: TestClient,
) -> None:
    answer = browser.post("/review", data={"name": "x"}, headers={"accept": "text/html"})
    assert answer.status_code == 401
    assert 'href="/sign-in"' in answer.text
    assert "API key" not in answer.text


def test_signing_out_ends_the_session_on_the_server(browser: TestClient, link: str) -> None:
    browser.post("/sign-in", data={"link": link})
    token = browser.cookies[SESSION_COOKIE]
    assert browser.post("/sign-out").status_code == 303
    browser.cookies.set(SESSION_COOKIE, token)
    assert browser.get("/").status_code == 303


def test_another_site_can_neither_sign_in_nor_out(
    browser: TestClient, engine: Engine, link: str
) -> None:
    elsewhere = {"Origin": "http://evil.example"}
    assert browser.post("/sign-in", data={"link": link}, headers=elsewhere).status_code == 403
    browser.post("/sign-in", data={"link": link})
    assert browser.post("/sign-out", headers=elsewhere).status_code == 403
    assert browser.post("/review", data={}, headers=elsewhere).status_code == 403
    assert browser.get("/").status_code == 200


def test_a_reviewer_draws_no_samples(browser: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        token = add_reviewer(session, name="ben", now=datetime.now(UTC))
    browser.post("/sign-in", data={"link": token})
    assert "Draw a new sample" not in browser.get("/review").text
    answer = browser.post("/review", data={"name": "mine", "size": "5"})
    assert answer.status_code == 403
    with transaction(engine) as session:
        again = new_link(session, "ben", now=datetime.now(UTC))
    assert again != token


def test_a_form_that_is_too_large_or_broken_is_refused(browser: TestClient) -> None:
    large = browser.post("/sign-in", content=b"name=" + b"x" * 2_000_000)
    assert large.status_code == 413
    assert browser.post("/sign-in", content=b"\xff\xfe").status_code == 400
    assert browser.post("/sign-in", content=b"&".join([b"a=1"] * 50_000)).status_code == 400


def test_every_page_asks_who_is_there(browser: TestClient) -> None:
    public = {"/sign-in", "/sign-out"}
    parts = (browsing, reviewing, signing_in, trends, weekly)
    for route in (route for part in parts for route in part.router.routes):
        assert isinstance(route, APIRoute)
        guards = [one.call for one in route.dependant.dependencies]
        guarded = any(isinstance(one, require) for one in guards)
        assert guarded or route.path in public, route.path
