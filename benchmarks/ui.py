"""`python -m benchmarks.ui`: label by keyboard in a real browser, and write benchmarks/ui.md.

Measured in the page itself: from the key that stores to the next item being ready for keys, with
the write to disk between. The baseline is the same page loaded anew, without a write.
"""

import argparse
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles

from playwright.sync_api import Page, sync_playwright

from app.commands.progress import progress_bar
from app.criteria import Criteria, read_criteria
from app.database import open_database, transaction
from app.migrate import migrate
from app.settings import Settings
from app.store.interactions import InteractionFilter
from app.store.reviewers import add_reviewer
from app.store.reviews import Plan, create_queue
from benchmarks.machine import describe
from tests.browser.desk import ANSWER, ARGUMENTS, CHROMIUM, PASSAGE, Served, wait_for_desk
from tests.builders import an_interaction, save, score_all

RESULTS = Path(__file__).with_name("ui.md")
ITEMS = 30
KEYS = ("1", "1", "1", "1", "Enter")
ASKED = ("groundedness", "answer_relevance", "toxicity", "bias")
WATCH = """
addEventListener("keydown", (event) => {
  if (event.key === "Enter") sessionStorage.pressed = performance.timeOrigin + performance.now();
}, true);
new MutationObserver(() => {
  if (!document.querySelector("[data-desk][data-ready]") || !sessionStorage.pressed) return;
  const took = performance.timeOrigin + performance.now() - Number(sessionStorage.pressed);
  sessionStorage.took = (sessionStorage.took ?? "") + " " + took;
  delete sessionStorage.pressed;
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-ready"] });
"""


def main() -> None:
    """Label 30 items with five keys each, several times, and write what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ui", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often to label 30 items")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the file to write")
    arguments = parser.parse_args()
    about = describe()
    with progress_bar("Rounds", arguments.rounds) as advance:
        rounds = []
        for _ in range(arguments.rounds):
            rounds.append(_round())
            advance(1)
    text = "\n".join(_lines(arguments.rounds, about, rounds))
    arguments.out.write_text(text)
    print(text)


def _round() -> tuple[list[float], list[float]]:
    """Milliseconds from Enter to the next item, and to load the same page anew."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.model_validate(
            {"database_url": f"sqlite:///{folder}/ui.db", "models_dir": folder}
        )
        criteria = read_criteria()
        link = _fill(settings, criteria)
        server = Served(settings, criteria)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
                page = browser.new_page()
                page.set_default_timeout(120_000)
                page.goto(f"{server.address}/sign-in?link={link}")
                page.get_by_role("button", name="Sign in").click()
                page.wait_for_url(f"{server.address}/")
                found = _label(page, server.address), _load(page, server.address)
                browser.close()
        finally:
            server.stop()
    return found


def _label(page: Page, address: str) -> list[float]:
    page.add_init_script(WATCH)
    page.goto(f"{address}/review/1")
    for number in range(ITEMS):
        wait_for_desk(page, "blind")
        for key in KEYS:
            page.keyboard.press(key)
        page.wait_for_selector(f"text=/^{number + 1} of/")
    wait_for_desk(page, "blind")
    return [float(one) for one in page.evaluate("sessionStorage.took").split()]


def _load(page: Page, address: str) -> list[float]:
    took = []
    for _ in range(ITEMS):
        page.evaluate("sessionStorage.pressed = performance.timeOrigin + performance.now()")
        page.evaluate("sessionStorage.took = ''")
        page.reload()
        wait_for_desk(page, "blind")
        took.append(float(page.evaluate("sessionStorage.took")))
    return took


def _fill(settings: Settings, criteria: Criteria) -> str:
    now = datetime.now(UTC)
    engine = open_database(settings.database_url)
    migrate(engine)
    rows = [
        an_interaction(
            trace_id=f"{number + 1:032x}",
            response=ANSWER,
            contexts=[PASSAGE],
            started_at=now - timedelta(minutes=number),
        )
        for number in range(ITEMS + 1)
    ]
    save(engine, rows, now=now)
    score_all(engine, criteria, settings, now=now)
    with transaction(engine) as session:
        create_queue(
            session,
            project="default",
            name="speed",
            filters=InteractionFilter(),
            plan=Plan(size=ITEMS + 1),
            criteria=criteria,
            criterion_names=ASKED,
            created_by="lea",
            now=now,
        )
        link = add_reviewer(session, name="anna", now=now)
    engine.dispose()
    return link


def _lines(
    count: int, about: Sequence[str], rounds: Sequence[tuple[list[float], list[float]]]
) -> list[str]:
    stored = [one for some, _ in rounds for one in some]
    loaded = [one for _, some in rounds for one in some]
    ratio = median(stored) / median(loaded)
    return [
        "# The review desk",
        "",
        f"Made by `python -m benchmarks.ui --rounds {count}`. {len(stored)} items were labelled by",
        f"keyboard alone, {len(KEYS)} key presses each, in Chromium on the machine of the server.",
        "",
        *(f"* {one}" for one in about),
        "",
        "| From → to | median | 95 % are below | rounds' medians |",
        "| --- | --: | --: | --- |",
        _row("Enter → next item ready, label on disk", stored, [some for some, _ in rounds]),
        _row("the same page loaded anew (baseline)", loaded, [some for _, some in rounds]),
        "",
        f"Storing a label and showing the next item takes {ratio:.2f} times a mere load.",
        "",
    ]


def _row(name: str, values: Sequence[float], rounds: Sequence[Sequence[float]]) -> str:
    high = quantiles(values, n=20)[-1]
    each = ", ".join(f"{median(some):.0f}" for some in rounds)
    return f"| {name} | {median(values):.0f} ms | {high:.0f} ms | {each} |"


if __name__ == "__main__":
    main()
