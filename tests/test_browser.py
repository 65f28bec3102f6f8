"""The pages in a real browser: keyboard only, no fault that axe finds, no request to elsewhere."""

import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from sqlalchemy import Engine
from sqlmodel import select

from app.criteria import Criteria
from app.database import transaction
from app.main import create_app
from app.settings import Settings
from app.store.interactions import InteractionFilter
from app.store.reviewers import add_reviewer
from app.store.reviews import Plan, create_queue
from app.tables import Annotation, Evaluation, Interaction
from tests.builders import FAKE_EVALUATORS, an_interaction, save, score_all
from tests.conftest import require_or_skip

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
ANSWER = "You can return it within 30 days. The refund is paid out within 24 hours. Anything else?"
PASSAGE = "Returns are taken within 30 days. Refunds are issued within 5 to 7 working days."
QUESTIONS = 5
"""How many criteria the form asks about."""


@dataclass
class Desk:
    """A server, and what a reviewer's browser did to it."""

    address: str
    link: str
    interaction: str
    server: "Served"
    faults: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def watch(self, page: Page) -> Page:
        page.on("console", self.hear)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))
        return page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require_or_skip("chromium", CHROMIUM is not None, "install Chromium to run these tests")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def desk(
    browser: Browser, engine: Engine, settings: Settings, criteria: Criteria
) -> Iterator[Desk]:
    now = datetime.now(UTC)
    rows = [an_item(number, now) for number in range(4)]
    save(engine, rows, now=now)
    score_all(engine, criteria, settings, now=now)
    with transaction(engine) as session:
        judge_by_sentence(session.exec(select(Evaluation)).all())
        link = add_reviewer(session, name="anna", role="lead", now=now)
        create_queue(
            session,
            project="default",
            name="week 47",
            filters=InteractionFilter(),
            plan=Plan(size=4, seed=1),
            criteria=criteria,
            created_by="lea",
            now=now,
        )
    closed = settings.model_copy(update={"open_access": False})
    server = Served(closed, criteria)
    yield Desk(server.address, link, rows[0].id, server)
    server.stop()


def an_item(number: int, now: datetime) -> Interaction:
    return an_interaction(
        trace_id=f"{number + 1:032x}",
        prompt=f"How do I return item {number}?",
        response=ANSWER,
        contexts=[PASSAGE, "A" * 200],
        segments={"language": "en"},
        started_at=now - timedelta(days=number),
    )


def judge_by_sentence(rows: Sequence[Evaluation]) -> None:
    """Give the groundedness rows evidence for each sentence, as the real evaluator does."""
    first, second = ANSWER.index("The refund"), ANSWER.index("Anything")
    places = [
        (0, first - 1, 0.9, "supported", 0, 33),
        (first, second - 1, 0.1, "unsupported", 34, len(PASSAGE)),
    ]
    for row in rows:
        if row.criterion == "groundedness":
            row.score, row.passed, row.label = 0.1, False, "ungrounded"
            row.evidence = [
                {
                    "start": start,
                    "end": end,
                    "score": score,
                    "kind": kind,
                    "context": 0,
                    "context_start": context_start,
                    "context_end": context_end,
                }
                for start, end, score, kind, context_start, context_end in places
            ]


class Served:
    """A server in a thread that can be stopped and started again at its address."""

    def __init__(self, settings: Settings, criteria: Criteria) -> None:
        self._made = settings, criteria
        self._port = 0
        self.start()

    def start(self) -> None:
        settings, criteria = self._made
        app = create_app(settings, evaluators=FAKE_EVALUATORS, criteria=criteria)
        config = uvicorn.Config(
            app, host="127.0.0.1", port=self._port, log_level="error", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.02)
        self._port = self._server.servers[0].sockets[0].getsockname()[1]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@contextmanager
def window(browser: Browser, **options: object) -> Iterator[BrowserContext]:
    context = browser.new_context(**options)  # type: ignore[arg-type]
    context.set_default_timeout(15_000)
    yield context
    context.close()


def sign_in(page: Page, desk: Desk) -> None:
    page.goto(f"{desk.address}/sign-in?link={desk.link}")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{desk.address}/")


def pages_of(desk: Desk) -> list[str]:
    trace = f"{1:032x}"
    return [
        *("/", "/interactions", f"/interactions/{desk.interaction}", f"/traces/{trace}"),
        *("/review", "/review/1", "/review/1/history", "/me", "/measures", "/adjudicate/1"),
        *("/conversation?id=c1", "/interactions?text=refund&application=shop"),
        *("/trends?bucket=day", "/reports"),
    ]


def wait_for_desk(page: Page, state: str) -> None:
    page.wait_for_selector(f'[data-desk="{state}"][data-ready]')


def labels(engine: Engine) -> list[Annotation]:
    with transaction(engine) as session:
        return list(session.exec(select(Annotation)))


def test_an_item_is_labelled_revealed_and_changed_by_keyboard_alone(
    browser: Browser, desk: Desk, engine: Engine
) -> None:
    with window(browser) as context:
        page = desk.watch(context.new_page())
        sign_in(page, desk)
        page.goto(f"{desk.address}/review/1")
        wait_for_desk(page, "blind")
        assert "0.1" not in page.inner_text("main")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        assert "has no label yet" in page.inner_text("[role=status]")
        for key in "1111":
            page.keyboard.press(key)
        page.keyboard.press("Enter")
        wait_for_desk(page, "revealed")
        assert len(labels(engine)) == QUESTIONS
        assert "Evaluator: Ungrounded" in page.inner_text("main")
        for key in ("3", "r", "]", "u", "3"):
            page.keyboard.press(key)
        wait_for_desk(page, "blind")
        final = [row for row in labels(engine) if row.replaces_id is not None]
        assert [(row.blind_label, row.final_label) for row in final] == [("grounded", "ungrounded")]
        assert final[0].seconds is not None
        assert final[0].reviewer == "anna"
    assert not desk.faults


def test_the_keys_move_stay_out_of_texts_and_can_be_turned_off(
    browser: Browser, desk: Desk, engine: Engine
) -> None:
    with window(browser) as context:
        page = desk.watch(context.new_page())
        sign_in(page, desk)
        page.goto(f"{desk.address}/review/1")
        wait_for_desk(page, "blind")
        page.keyboard.press("]")
        assert page.locator(".ans > li.sel .no").inner_text() == "2"
        page.keyboard.press("ArrowDown")
        assert page.locator("fieldset.now legend").inner_text() == "Answer relevance"
        page.keyboard.press("m")
        page.keyboard.type("1 2 3 x")
        page.keyboard.press("Escape")
        assert page.locator("input:checked").count() == 0
        assert page.locator("[name=comment]").input_value() == "1 2 3 x"
        page.keyboard.press("Backspace")
        page.keyboard.press("Control+1")
        assert page.locator("input:checked").count() == 0
        page.get_by_role("button", name="Turn keys off").click()
        page.keyboard.press("1")
        assert page.locator("input:checked").count() == 0
        page.reload()
        wait_for_desk(page, "blind")
        page.get_by_role("button", name="Turn keys on").click()
        page.keyboard.press("1")
        assert page.locator("input:checked").count() == 1
        page.keyboard.press("x")
        page.get_by_role("dialog", name="Skip this item").wait_for()
        with page.expect_navigation(url="**/review/1"):
            page.keyboard.press("2")
        assert "Not my field" in page.goto(f"{desk.address}/review/1/history").text()
    assert not labels(engine)
    assert not desk.faults


def test_a_failing_answer_is_marked_corrected_and_undone_with_keys(
    browser: Browser, desk: Desk, engine: Engine
) -> None:
    with window(browser) as context:
        page = desk.watch(context.new_page())
        sign_in(page, desk)
        page.goto(f"{desk.address}/review/1")
        wait_for_desk(page, "blind")
        page.keyboard.press("3")
        for key in ("1", "1", "1", "1", "Enter"):
            page.keyboard.press(key)
        assert "Mark at least one sentence" in page.inner_text("[role=status]")
        page.keyboard.press("]")
        page.keyboard.press("c")
        assert page.locator("#s2 [data-mine]").text_content() == "you: contradicted"
        page.keyboard.press("z")
        assert page.locator("#s2 [data-mine]").is_hidden()
        page.keyboard.press("]")
        page.keyboard.press("[")
        page.keyboard.press("u")
        page.keyboard.press("e")
        page.keyboard.press("Control+End")
        page.keyboard.type(" Bye ucns.")
        assert page.locator("[data-diff] ins").inner_text().strip() == "Bye ucns."
        assert "0 words out, 2 in" in page.inner_text("[data-counts]")
        page.keyboard.press("Escape")
        page.wait_for_selector("text=Draft stored")
        page.reload()
        wait_for_desk(page, "blind")
        assert page.locator("input:checked").count() == QUESTIONS + 1
        assert page.locator("[data-from]").input_value().endswith("Bye ucns.")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Stored.")
        wait_for_desk(page, "blind")
        page.reload()
        wait_for_desk(page, "blind")
        page.keyboard.press("z")
        page.wait_for_selector("[data-diff] ins")
        assert page.locator("input:checked").count() == QUESTIONS + 1
    (first,) = [row for row in labels(engine) if row.details.get("marks") and not row.is_withdrawn]
    assert [mark["mark"] for mark in first.details["marks"]] == ["unsupported"]
    assert not desk.faults


def test_a_label_outlives_the_server_and_the_browser_and_arrives_once(
    desk: Desk, engine: Engine, browser: Browser, tmp_path: Path
) -> None:
    start = browser.browser_type.launch_persistent_context
    options: dict[str, Any] = {"executable_path": CHROMIUM, "args": ARGUMENTS}
    with start(tmp_path / "profile", **options) as context:
        page = context.new_page()
        sign_in(page, desk)
        page.goto(f"{desk.address}/review/1")
        wait_for_desk(page, "blind")
        desk.server.stop()
        for key in "11111":
            page.keyboard.press(key)
        page.keyboard.press("Enter")
        page.wait_for_selector("text=1 stored on this device")
    assert not labels(engine)
    desk.server.start()
    with start(tmp_path / "profile", **options) as context:
        page = context.new_page()
        page.goto(f"{desk.address}/interactions")
        page.wait_for_url("**/review/1/items/*")
        assert page.evaluate("localStorage.getItem('touchstone.outbox.anna')") == "[]"
    assert len(labels(engine)) == QUESTIONS


def test_a_second_tab_only_shows_the_item(browser: Browser, desk: Desk) -> None:
    with window(browser) as context:
        page = context.new_page()
        sign_in(page, desk)
        page.goto(f"{desk.address}/review/1")
        wait_for_desk(page, "blind")
        second = context.new_page()
        second.goto(f"{desk.address}/review/1")
        second.wait_for_selector("text=Open in another tab")
        second.keyboard.press("1")
        assert second.locator("input:checked").count() == 0


def test_keys_are_changed_by_whoever_wants_to_and_composed_letters_do_nothing(
    browser: Browser, desk: Desk
) -> None:
    with window(browser) as context:
        page = desk.watch(context.new_page())
        sign_in(page, desk)
        page.goto(f"{desk.address}/me")
        field_ = page.get_by_label("Mark it as unsupported")
        field_.fill("c")
        page.get_by_role("button", name="Save the keys").click()
        assert "stands for two actions" in page.get_by_role("alert").inner_text()
        page.get_by_label("Mark it as unsupported").fill("b")
        page.get_by_role("button", name="Save the keys").click()
        page.wait_for_selector("text=Saved.")
        page.goto(f"{desk.address}/review/1")
        wait_for_desk(page, "blind")
        page.keyboard.press("u")
        assert page.locator(".marks input:checked").count() == 0
        page.keyboard.press("b")
        assert page.locator(".marks input:checked").count() == 1
        page.evaluate(
            "document.body.dispatchEvent(new KeyboardEvent('keydown',"
            " {key: '1', isComposing: true, bubbles: true}))"
        )
        assert page.locator("fieldset input:checked").count() == 0
        page.keyboard.press("?")
        page.get_by_role("dialog", name="All keys").wait_for()
        check(page)
    assert [one for one in desk.faults if "422" not in one] == []


def test_every_control_is_reached_with_tab_and_none_hides_under_a_bar(
    browser: Browser, desk: Desk
) -> None:
    with window(browser, viewport={"width": 1280, "height": 720}) as context:
        page = context.new_page()
        sign_in(page, desk)
        page.goto(f"{desk.address}/review/1")
        wait_for_desk(page, "blind")
        seen = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            seen.add(page.evaluate(REACHED))
        assert "" not in seen, "the focus went under a bar"
        wanted = {"corrected_response", "comment", "label.bias", "Store and reveal Enter"}
        assert wanted <= seen


REACHED = """() => {
  const one = document.activeElement, box = one.getBoundingClientRect();
  const x = box.left + box.width / 2, y = box.top + Math.min(box.height / 2, 20);
  const there = document.elementFromPoint(x, y);
  const large = one === document.body || box.height > innerHeight;
  const free = large || one.contains(there) || there?.contains(one);
  return free ? one.name || one.textContent.trim() || one.tagName : "";
}"""


def test_the_theme_a_person_chooses_is_in_the_first_bytes(browser: Browser, desk: Desk) -> None:
    with window(browser, color_scheme="light") as context:
        page = context.new_page()
        sign_in(page, desk)
        page.goto(f"{desk.address}/me")
        page.get_by_role("button", name="Dark").click()
        page.wait_for_selector("text=Saved.")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 24)"
        check(page)


def test_everything_works_without_javascript(browser: Browser, desk: Desk, engine: Engine) -> None:
    with window(browser, java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, desk)
        page.goto(f"{desk.address}/review/1")
        for field_ in page.locator("fieldset").all():
            field_.locator("label").first.click()
        page.get_by_role("button", name="Store and reveal").click()
        page.wait_for_selector('[data-desk="revealed"]')
        page.get_by_role("link", name="Keep mine").click()
        page.wait_for_selector('[data-desk="blind"]')
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{desk.address}/sign-in")
    assert len(labels(engine)) == QUESTIONS


def test_a_sentence_and_its_evidence_lead_to_each_other(browser: Browser, desk: Desk) -> None:
    with window(browser) as context:
        page = desk.watch(context.new_page())
        sign_in(page, desk)
        page.goto(f"{desk.address}/interactions/{desk.interaction}")
        page.get_by_role("link", name="unsupported").click()
        assert page.locator(":target").inner_text().startswith("Refunds are issued")
        page.get_by_role("link", name="to sentence 2").click()
        assert "24 hours" in page.locator(":target").inner_text()
    assert not desk.faults


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_no_fault_and_nothing_leaves_the_host(
    browser: Browser, desk: Desk, scheme: str, width: int
) -> None:
    size = {"width": width, "height": 900}
    with window(browser, color_scheme=scheme, viewport=size) as context:
        page = desk.watch(context.new_page())
        page.goto(f"{desk.address}/sign-in")
        check(page)
        sign_in(page, desk)
        for path in pages_of(desk):
            page.goto(desk.address + path)
            check(page)
        for field_ in page_with_item(page, desk).locator("fieldset").all():
            field_.locator("label").first.click()
        page.get_by_role("button", name="Store and reveal").click()
        wait_for_desk(page, "revealed")
        check(page)
    assert desk.hosts == {desk.address.removeprefix("http://")}
    assert not desk.faults


def page_with_item(page: Page, desk: Desk) -> Page:
    page.goto(f"{desk.address}/review/1")
    wait_for_desk(page, "blind")
    return page


def check(page: Page) -> None:
    results = Axe().run(page)
    assert results.violations_count == 0, f"{page.url}\n{results.generate_report()}"


def test_no_page_scrolls_sideways_at_320_pixels(browser: Browser, desk: Desk) -> None:
    with window(browser, viewport={"width": 320, "height": 640}) as context:
        page = context.new_page()
        sign_in(page, desk)
        for path in pages_of(desk):
            page.goto(desk.address + path)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 320, (path, wide)
