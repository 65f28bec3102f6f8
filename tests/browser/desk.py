"""A real browser, a desk for it to work at, and what went wrong in either."""

import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

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


@contextmanager
def started_browser() -> Iterator[Browser]:
    """Chromium, while the block runs; the test is skipped where there is none."""
    require_or_skip("chromium", CHROMIUM is not None, "install Chromium to run these tests")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def served_desk(engine: Engine, settings: Settings, criteria: Criteria) -> Iterator[Desk]:
    """A server with a queue of four items and a lead who may sign in, while the block runs."""
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


def check_themes(page: Page) -> None:
    """What `check` does, in the light theme and then, of what colours decide, in the dark one."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    check(page)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    check(page, **OF_COLOURS)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")


OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
"""The theme changes colours and nothing else of a page."""


def check(page: Page, **options: object) -> None:
    results = Axe().run(page, options=dict(options))
    assert results.violations_count == 0, f"{page.url}\n{results.generate_report()}"
