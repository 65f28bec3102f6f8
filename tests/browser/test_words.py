"""What people read at the desk: no words at all, long ones, other scripts, and on paper."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import Engine

from app.criteria import Criteria
from app.database import transaction
from app.settings import Settings
from app.store.interactions import InteractionFilter
from app.store.reviews import Plan, create_queue
from tests.browser.desk import (
    QUESTIONS,
    Desk,
    labels,
    served_desk,
    sign_in,
    wait_for_desk,
    window,
)
from tests.builders import an_interaction, save, score_all

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ARABIC = "تصل الشحنة رقم 7 يوم الجمعة."
LONG = "How do I return an item? " * 60


@pytest.fixture
def desk(engine: Engine, settings: Settings, criteria: Criteria) -> Iterator[Desk]:
    """The usual desk, and queues with an answer without words, a long and an Arabic one."""
    now = datetime.now(UTC)
    with served_desk(engine, settings, criteria) as desk:
        for name, prompt, response in (
            ("empty", "When?", ""),
            ("long", LONG, "Soon. Or later."),
            ("arabic", ARABIC, ARABIC),
        ):
            at = now - timedelta(days=9)
            row = an_interaction(
                trace_id=f"{name:x>32}",
                application=name,
                prompt=prompt,
                response=response,
                contexts=[prompt],
                started_at=at,
            )
            save(engine, [row], now=now)
            score_all(engine, criteria, settings, now=now)
            add_queue(engine, criteria, name, now)
        yield desk


def add_queue(engine: Engine, criteria: Criteria, name: str, now: datetime) -> None:
    with transaction(engine) as session:
        create_queue(
            session,
            project="default",
            name=name,
            filters=InteractionFilter(application=name),
            plan=Plan(size=1),
            criteria=criteria,
            created_by="lea",
            now=now,
        )


def open_item(page: Page, desk: Desk, queue: int) -> None:
    sign_in(page, desk)
    page.goto(f"{desk.address}/review/{queue}")
    wait_for_desk(page, "blind")


def test_an_answer_without_words_is_labelled_by_keyboard_like_any_other(
    browser: Browser, desk: Desk, engine: Engine
) -> None:
    with window(browser) as context:
        page = desk.watch(context.new_page())
        open_item(page, desk, 2)
        page.locator(".ans > li").click()
        for key in "s11111":
            page.keyboard.press(key)
        page.wait_for_selector("text=Draft stored")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=its one item is labelled")
    assert len(labels(engine)) == QUESTIONS
    assert not desk.faults


def test_an_item_opens_at_its_question_on_a_phone(browser: Browser, desk: Desk) -> None:
    with window(browser, viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        open_item(page, desk, 3)
        assert page.evaluate("scrollY") == 0


def test_words_from_right_to_left_end_on_the_left(browser: Browser, desk: Desk) -> None:
    with window(browser) as context:
        page = context.new_page()
        open_item(page, desk, 4)
        for place in (".ask", "#s1 .tx", ".psg .words"):
            first, last = page.eval_on_selector(place, PLACES)
            assert last < first, place


PLACES = """(one) => {
  const text = one.firstChild.nodeType === 3 ? one.firstChild : one.firstChild.firstChild;
  return [0, text.length - 1].map((at) => {
    const range = new Range();
    range.setStart(text, at);
    range.setEnd(text, at + 1);
    return range.getBoundingClientRect().left;
  });
}"""


def test_a_link_to_evidence_loads_nothing_and_leaves_what_is_typed(
    browser: Browser, desk: Desk
) -> None:
    with window(browser) as context:
        page = context.new_page()
        sign_in(page, desk)
        page.goto(f"{desk.address}/interactions/{desk.interaction}")
        page.get_by_label("Comment").fill("I am not done.")
        loaded: list[str] = []
        page.on(
            "request", lambda one: loaded.append(one.url) if one.is_navigation_request() else None
        )
        page.get_by_role("link", name="unsupported").click()
        page.get_by_role("link", name="to sentence 2").click()
        assert page.get_by_label("Comment").input_value() == "I am not done."
        assert not loaded


def test_whoever_is_signed_out_is_led_back_and_the_label_is_stored_once(
    browser: Browser, desk: Desk, engine: Engine
) -> None:
    with window(browser) as context:
        page = context.new_page()
        open_item(page, desk, 1)
        (cookie,) = [one for one in context.cookies() if "session" in one.get("name", "")]
        context.clear_cookies()
        for key in ("1", "1", "1", "1", "1", "Enter", "Enter"):
            page.keyboard.press(key)
        link = page.get_by_role("status").get_by_role("link", name="sign in to store it")
        assert link.get_attribute("href") == "/sign-in?next=/review/1"
        assert "API key" not in page.inner_text("[role=status]")
        context.add_cookies([{**cookie, "url": desk.address, "path": None, "domain": None}])
        page.goto(f"{desk.address}/review/1")
        page.wait_for_url("**/review/1/items/**")
        assert page.evaluate("localStorage.getItem('touchstone.outbox.anna')") == "[]"
    assert len(labels(engine)) == QUESTIONS
