"""The desk when a server dies, a lease ends or a browser closes: no label is lost or doubled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route
from sqlalchemy import Engine

from app.criteria import Criteria
from app.settings import Settings
from tests.browsers import (
    ARGUMENTS,
    CHROMIUM,
    QUESTIONS,
    Desk,
    labels,
    served_desk,
    sign_in,
    started_browser,
    wait_for_desk,
)
from tests.faults.processes import Server, serving

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser() as browser:
        yield browser


@pytest.fixture
def desk(engine: Engine, settings: Settings, criteria: Criteria) -> Iterator[Desk]:
    with served_desk(engine, settings, criteria) as desk:
        yield desk


Start = Callable[[], Any]


@pytest.fixture
def server(desk: Desk, database_url: str, tmp_path: Path) -> Iterator[Server]:
    """A process of its own on the desk's database, to be killed."""
    desk.server.stop()
    with serving(database_url, tmp_path, open_access=0, models_dir=tmp_path) as server:
        desk.address = server.url
        yield server


@contextmanager
def a_browser(browser: Browser, profile: Path) -> Iterator[Page]:
    """A browser that is started for the block and closed after it, but for what is on its disk."""
    start = browser.browser_type.launch_persistent_context
    with start(profile, executable_path=CHROMIUM, args=ARGUMENTS) as context:
        context.set_default_timeout(30_000)
        yield context.new_page()


@pytest.mark.parametrize("stored_before_it_dies", [False, True])
def test_a_label_outlives_a_killed_server_and_a_closed_browser_and_is_there_once(
    browser: Browser,
    desk: Desk,
    server: Server,
    engine: Engine,
    tmp_path: Path,
    stored_before_it_dies: bool,
) -> None:
    def die(route: Route) -> None:
        if stored_before_it_dies:
            route.fetch()
        server.kill()
        route.abort()

    with a_browser(browser, tmp_path / "profile") as page:
        sign_in(page, desk)
        page.goto(f"{desk.address}/review/1")
        wait_for_desk(page, "blind")
        page.route("**/review/1/items/*", die, times=1)
        for key in "11111":
            page.keyboard.press(key)
        page.keyboard.press("Enter")
        page.wait_for_selector("text=1 stored on this device")
    assert len(labels(engine)) == (QUESTIONS if stored_before_it_dies else 0)
    server.start()
    with a_browser(browser, tmp_path / "profile") as page:
        page.goto(f"{desk.address}/interactions")
        page.wait_for_url("**/review/1**")
        assert page.evaluate("localStorage.getItem('touchstone.outbox.anna')") == "[]"
    assert len(labels(engine)) == QUESTIONS
    assert len({row.criterion for row in labels(engine)}) == QUESTIONS
