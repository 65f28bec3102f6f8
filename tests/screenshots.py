"""Write pictures of the main pages, light, dark and narrow: `make screenshots`.

The words are made up. A picture is for people to look at; the tests look at everything else.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import typer
from playwright.sync_api import Page, sync_playwright
from sqlalchemy import Engine
from sqlmodel import select

from app.commands.progress import progress_bar
from app.criteria import Criteria, read_criteria
from app.database import open_database, transaction
from app.migrate import migrate
from app.settings import Settings
from app.store.interactions import InteractionFilter
from app.store.reviewers import add_reviewer
from app.store.reviews import Plan, create_queue, get_item
from app.store.turns import claim_turn, finish_turn
from app.tables import Annotation, Evaluation, Interaction
from tests.browser.desk import ARGUMENTS, CHROMIUM, Served, wait_for_desk
from tests.builders import an_interaction, save, score_all

PROMPT = (
    "I bought a jacket in the autumn sale on your website. Can I bring it back to a shop, and "
    "when do I get my money?"
)
ANSWER = (
    "Yes, you can return a sale item bought online in any of our shops within 30 days of "
    "delivery. Please bring the order confirmation and the card you paid with. The refund is "
    "paid out within 24 hours. If the jacket does not fit, our staff will gladly exchange it for "
    "any other model at no extra cost. Let me know if I can help with anything else."
)
PASSAGES = [
    "Items bought online can be returned by post or in any shop within 30 days of delivery. This "
    "includes reduced items, except underwear and gift cards. Please bring the order confirmation "
    "and the payment card. Items must be unworn and carry all labels.",
    "Refunds are issued to the original payment method within 5 to 7 working days after the "
    "return has been registered. If the original card has expired, the bank forwards the amount. "
    "Gift cards are refunded as a new gift card.",
    "Exchanges in shops are limited to another size of the same article, subject to stock. For a "
    "different model, the item is returned and bought anew at the current price. Tailored items "
    "are not exchanged.",
]
JUDGED = [
    ("Yes, you", 0, "Items bought", 0.96, "supported"),
    ("Please bring", 0, "Please bring", 0.94, "supported"),
    ("The refund", 1, "Refunds are", 0.04, "contradicted"),
    ("If the jacket", 2, "Exchanges in", 0.12, "unsupported"),
    ("Let me know", None, "", 0.9, "no_claim"),
]
SIZES = {"wide": (1440, 900), "narrow": (390, 844)}


def main(out: Path = Path("screenshots")) -> None:
    """Write PNG files of every main page into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        _world(Path(folder)) as (server, links),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        kinds = [(theme, size) for theme in ("light", "dark") for size in SIZES]
        with progress_bar("Pictures", len(kinds)) as advance:
            for (theme, size), link in zip(kinds, links, strict=True):
                width, height = SIZES[size]
                context = browser.new_context(
                    color_scheme=theme,  # type: ignore[arg-type]
                    viewport={"width": width, "height": height},
                )
                context.set_default_timeout(120_000)
                _take(context.new_page(), server.address, link, out, f"{theme}-{size}")
                context.close()
                advance(1)
        browser.close()
    print(f"The pictures are in {out}/")


def _take(page: Page, address: str, link: str, out: Path, suffix: str) -> None:
    page.goto(f"{address}/sign-in?link={link}")
    page.screenshot(path=out / f"sign-in-{suffix}.png")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{address}/")
    paths = {"queues": "/review", "interactions": "/interactions", "settings": "/me"}
    paths |= {"home": "/", "measures": "/measures", "decide": "/adjudicate/2"}
    for name, path in paths.items():
        page.goto(address + path)
        page.screenshot(path=out / f"{name}-{suffix}.png", full_page=name == "queues")
    page.goto(f"{address}/review/1")
    wait_for_desk(page, "blind")
    for key in ("1", "1", "1", "1", "1", "]", "]", "c", "s", "["):
        page.keyboard.press(key)
    page.locator(".sel [list]").fill("C1")
    page.locator("[data-from]").fill(
        ANSWER.replace("within 24 hours", "5 to 7 working days after we register the return")
    )
    page.keyboard.press("Escape")
    page.wait_for_selector("text=Draft stored")
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=out / f"review-blind-{suffix}.png")
    page.keyboard.press("?")
    page.screenshot(path=out / f"review-keys-{suffix}.png")
    page.keyboard.press("Escape")
    page.locator("body").press("Enter")
    wait_for_desk(page, "revealed")
    page.screenshot(path=out / f"review-revealed-{suffix}.png")
    sight = page.context.new_cdp_session(page)
    for kind in ("deuteranopia", "achromatopsia"):
        sight.send("Emulation.setEmulatedVisionDeficiency", {"type": kind})
        page.screenshot(path=out / f"review-{kind}-{suffix}.png")
    sight.send("Emulation.setEmulatedVisionDeficiency", {"type": "none"})
    page.goto(f"{address}/review/1/history")
    page.screenshot(path=out / f"history-{suffix}.png")


@contextmanager
def _world(folder: Path) -> Iterator[tuple[Served, list[str]]]:
    settings = Settings(database_url=f"sqlite:///{folder}/shots.db", models_dir=folder)
    criteria = read_criteria()
    engine = open_database(settings.database_url)
    migrate(engine)
    links = _fill(engine, settings, criteria)
    server = Served(settings, criteria)
    try:
        yield server, links
    finally:
        server.stop()
        engine.dispose()


def _fill(engine: Engine, settings: Settings, criteria: Criteria) -> list[str]:
    now = datetime.now(UTC)
    rows = [_row(number, now) for number in range(24)]
    save(engine, rows, now=now)
    score_all(engine, criteria, settings, now=now)
    with transaction(engine) as session:
        _judge(list(session.exec(select(Evaluation))))
        people = ("Anna", "Ben", "Carla", "Dora")
        links = [add_reviewer(session, name=name, role="lead", now=now) for name in people]
        for name, need in (("Week 47 review", 4), ("Week 46 review", 2)):
            create_queue(
                session,
                project="default",
                name=name,
                filters=InteractionFilter(),
                plan=Plan(size=24, need=need, seed=3),
                criteria=criteria,
                created_by="Lea",
                now=now - timedelta(hours=3),
            )
    for reviewer, label in (("Fay", "partly"), ("Gil", "ungrounded")):
        _label(engine, reviewer, label, now)
    return links


def _row(number: int, now: datetime) -> Interaction:
    return an_interaction(
        trace_id=f"{number + 1:032x}",
        application="Support assistant",
        prompt=PROMPT,
        response=ANSWER,
        contexts=PASSAGES,
        segments={"language": "en", "topic": "returns"},
        started_at=now - timedelta(hours=number),
    )


def _judge(rows: list[Evaluation]) -> None:
    starts = [ANSWER.index(words) for words, *_ in JUDGED] + [len(ANSWER) + 1]
    evidence = []
    for number, (_, context, quote, score, kind) in enumerate(JUDGED):
        place = {"start": starts[number], "end": starts[number + 1] - 1}
        if context is not None:
            start = PASSAGES[context].index(quote)
            end = PASSAGES[context].index(".", start) + 1
            place |= {"context": context, "context_start": start, "context_end": end}
        evidence.append({**place, "score": score, "kind": kind})
    for row in rows:
        if row.criterion == "groundedness":
            row.score, row.passed, row.label, row.evidence = 0.09, False, "ungrounded", evidence


def _label(engine: Engine, reviewer: str, label: str, now: datetime) -> None:
    with transaction(engine) as session:
        for _ in range(6):
            turn = claim_turn(session, 2, reviewer=reviewer, now=now)
            assert turn is not None
            item = get_item(session, 2, turn.item_id)
            finish_turn(session, item, reviewer=reviewer, status="stored", now=now)
            for criterion in ("groundedness", "toxicity"):
                said = label if criterion == "groundedness" else "none"
                session.add(
                    Annotation(
                        project="default",
                        interaction_id=item.interaction_id,
                        criterion=criterion,
                        reviewer=reviewer,
                        blind_label=said,
                        final_label=said,
                        inclusion_probability=item.inclusion_probability,
                        guideline_version="made up",
                        queue_id=2,
                        turn_id=turn.id,
                        seconds=21.0,
                        comment="The refund takes a week, not a day."
                        if reviewer == "Fay"
                        else None,
                        idempotency_key=f"{turn.id}.{criterion}",
                        created_at=now,
                    )
                )


if __name__ == "__main__":
    typer.run(main)
