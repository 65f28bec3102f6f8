"""The desk when a server dies, a lease ends or a browser closes: no label is lost or doubled."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route
from sqlalchemy import Engine

from tests.browser.desk import (
    ARGUMENTS,
    CHROMIUM,
    QUESTIONS,
    Desk,
    labels,
    sign_in,
    wait_for_desk,
    window,
)
from tests.faults.processes import Server, serving

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


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


def test_a_lease_that_ends_is_announced_a_minute_before_and_any_key_keeps_it(
    browser: Browser, desk: Desk
) -> None:
    with window(browser) as context:
        page = desk.watch(context.new_page())
        sign_in(page, desk)
        page.clock.install()
        page.goto(f"{desk.address}/review/1")
        wait_for_desk(page, "blind")
        renewed: list[str] = []
        page.on("request", lambda one: renewed.append(one.url) if "/lease" in one.url else None)
        page.clock.run_for("13:10")
        assert "goes to others" not in page.inner_text("[role=status]")
        asked = len(renewed)
        assert 8 <= asked <= 10, "renewed each minute, but not after ten minutes without a key"
        page.clock.run_for("01:00")
        assert "goes to others in a minute" in page.inner_text("[role=status]")
        assert len(renewed) == asked
        with page.expect_response("**/lease") as answer:
            page.keyboard.press("ArrowDown")
        assert answer.value.ok
    assert not desk.faults
