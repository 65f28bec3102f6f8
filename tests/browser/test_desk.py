"""The pages in a real browser: keyboard only, no fault that axe finds, no request to elsewhere."""

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import Engine
from sqlmodel import select

from app.criteria import Criteria
from app.database import transaction
from app.settings import Settings
from app.store.interactions import InteractionFilter
from app.store.reviews import Plan, create_queue
from app.tables import Evaluation
from tests.browser.desk import (
    ANSWER,
    QUESTIONS,
    Desk,
    an_item,
    check,
    check_themes,
    labels,
    pages_of,
    sign_in,
    wait_for_desk,
    window,
)
from tests.builders import save, score_all

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


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
        use_keys(page, desk, False)
        page.keyboard.press("1")
        assert page.locator("input:checked").count() == 0
        use_keys(page, desk, True)
        page.keyboard.press("1")
        assert page.locator("input:checked").count() == 1
        page.keyboard.press("x")
        page.get_by_role("dialog", name="Skip this item").wait_for()
        with page.expect_navigation(url="**/review/1"):
            page.keyboard.press("2")
        assert "Not my field" in page.goto(f"{desk.address}/review/1/history").text()
    assert not labels(engine)
    assert not desk.faults


def use_keys(page: Page, desk: Desk, on: bool) -> None:
    """Turn single keys on or off for good, and come back to the desk."""
    page.locator(".keys").get_by_role("link").click()
    page.get_by_label("Use single keys").set_checked(on)
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector("text=Saved.")
    page.goto(f"{desk.address}/review/1")
    wait_for_desk(page, "blind")


def said_of(page: Page, sentence: int) -> str:
    return (page.locator(f"#s{sentence} [data-mine]").text_content() or "").strip()


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
        assert said_of(page, 2) == "you: contradicted"
        page.keyboard.press("z")
        assert page.locator("#s2 [data-mine]").is_hidden()
        page.keyboard.press("]")
        page.keyboard.press("[")
        page.keyboard.press("u")
        page.keyboard.press("[")
        page.locator("#s2").get_by_label("Evidence").fill("a2")
        page.keyboard.press("Escape")
        assert said_of(page, 2) == "you: unsupported a2"
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
    (mark,) = first.details["marks"]
    assert (mark["mark"], mark["place"], mark["context_start"]) == ("unsupported", "A2", 34)
    assert not desk.faults


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
        page.get_by_role("button", name="Save").click()
        assert "stands for two actions" in page.get_by_role("alert").inner_text()
        page.get_by_label("Mark it as unsupported").fill("b")
        page.get_by_role("button", name="Save").click()
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


@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_no_fault_in_either_theme_and_nothing_leaves_the_host(
    browser: Browser, desk: Desk, engine: Engine, criteria: Criteria, width: int
) -> None:
    assisted = an_assisted_queue(engine, criteria)
    size = {"width": width, "height": 900}
    with window(browser, viewport=size) as context:
        page = desk.watch(context.new_page())
        page.goto(f"{desk.address}/sign-in")
        check_themes(page)
        sign_in(page, desk)
        for path in pages_of(desk):
            page.goto(desk.address + path)
            check_themes(page)
        for field_ in page_with_item(page, desk).locator("fieldset").all():
            field_.locator("label").first.click()
        page.get_by_role("button", name="Store and reveal").click()
        wait_for_desk(page, "revealed")
        check_themes(page)
        page.goto(f"{desk.address}/review/{assisted}")
        wait_for_desk(page, "assisted")
        check_themes(page)
    assert desk.hosts == {desk.address.removeprefix("http://")}
    assert not desk.faults


def an_assisted_queue(engine: Engine, criteria: Criteria) -> int:
    now = datetime.now(UTC)
    with transaction(engine) as session:
        queue = create_queue(
            session,
            project="default",
            name="triage",
            filters=InteractionFilter(),
            plan=Plan(size=2, seed=1, kind="assisted"),
            criteria=criteria,
            created_by="lea",
            now=now,
        )
    assert queue.id is not None
    return queue.id


def page_with_item(page: Page, desk: Desk) -> Page:
    page.goto(f"{desk.address}/review/1")
    wait_for_desk(page, "blind")
    return page


def test_no_page_scrolls_sideways_at_320_pixels(browser: Browser, desk: Desk) -> None:
    with window(browser, viewport={"width": 320, "height": 640}) as context:
        page = context.new_page()
        sign_in(page, desk)
        for path in pages_of(desk):
            page.goto(desk.address + path)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 320, (path, wide)


def test_a_phone_has_its_pages_in_a_menu_on_one_line(browser: Browser, desk: Desk) -> None:
    with window(browser, viewport={"width": 390, "height": 844}) as context:
        page = desk.watch(context.new_page())
        sign_in(page, desk)
        box = page.locator("header.top").bounding_box()
        assert box is not None
        assert box["height"] <= 64
        link = page.get_by_role("navigation").get_by_role("link", name="Review")
        assert not link.is_visible()
        page.get_by_role("button", name="Menu").press("Enter")
        check(page)
        page.keyboard.press("Escape")
        assert not link.is_visible()
        page.get_by_role("button", name="Menu").click()
        link.click()
        page.wait_for_url("**/review")
    assert not desk.faults


def test_the_main_button_and_the_first_question_are_in_view_at_1280_by_720(
    browser: Browser, desk: Desk
) -> None:
    with window(browser, viewport={"width": 1280, "height": 720}) as context:
        page = context.new_page()
        sign_in(page, desk)
        page.goto(f"{desk.address}/review/1")
        for state, name in (("blind", "Store and reveal"), ("revealed", "Keep mine")):
            wait_for_desk(page, state)
            for part in (page.locator(".pri", has_text=name), page.locator("fieldset").first):
                box = part.bounding_box()
                assert box is not None
                assert box["y"] > 0
                assert box["y"] + box["height"] <= 720, (state, name)
            assert page.evaluate("document.documentElement.scrollWidth") == 1280
            for key in ("1", "1", "1", "1", "1", "Enter"):
                page.keyboard.press(key)


def test_what_supports_and_what_contradicts_is_told_apart_without_any_colour(
    browser: Browser, desk: Desk, engine: Engine
) -> None:
    with transaction(engine) as session:
        query = select(Evaluation).where(Evaluation.criterion == "groundedness")
        for row in session.exec(query):
            against = {"start": ANSWER.index("Anything"), "end": len(ANSWER), "score": 0.0}
            place = {"context": 1, "context_start": 0, "context_end": 9}
            row.evidence = [*row.evidence, {**against, **place, "kind": "contradicted"}]
    with window(browser) as context:
        page = desk.watch(context.new_page())
        sign_in(page, desk)
        page.goto(f"{desk.address}/interactions/{desk.interaction}")
        emulated = context.new_cdp_session(page)
        for sight in ("deuteranopia", "tritanopia", "achromatopsia"):
            emulated.send("Emulation.setEmulatedVisionDeficiency", {"type": sight})
            check(page)
        looks = page.evaluate(LOOKS)
    for kind in ("words", "icons", "lines"):
        assert len({look[kind] for look in looks}) == len(looks) == 3, kind


LOOKS = """() => ["supported", "unsupported", "contradicted"].map((kind) => {
  const tag = document.querySelector(`.ans .tag.${kind}`);
  const line = getComputedStyle(document.querySelector(`.ctx .ev.${kind}, .ev.${kind}`));
  return {
    words: tag.textContent.replace(/[A-Z]/g, "").trim(),
    icons: tag.querySelector("use").getAttribute("href"),
    lines: `${line.textDecorationLine} ${line.textDecorationStyle} ${line.boxShadow !== "none"}`,
  };
})"""


def test_thirty_items_are_labelled_with_five_key_presses_each_and_no_mouse(
    browser: Browser, desk: Desk, engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    now = datetime.now(UTC)
    rows = [an_item(number, now) for number in range(4, 30)]
    save(engine, rows, now=now)
    score_all(engine, criteria, settings, now=now)
    asked = ["groundedness", "answer_relevance", "toxicity", "bias"]
    with transaction(engine) as session:
        create_queue(
            session,
            project="default",
            name="thirty",
            filters=InteractionFilter(),
            plan=Plan(size=30, seed=1, reveal="never"),
            criteria=criteria,
            criterion_names=asked,
            created_by="lea",
            now=now,
        )
    with window(browser) as context:
        page = desk.watch(context.new_page())
        sign_in(page, desk)
        page.goto(f"{desk.address}/review/2")
        page.evaluate("window.loaded = 'once'")
        for number in range(30):
            wait_for_desk(page, "blind")
            if number == 29:
                assert page.evaluate("window.loaded") == "once", "no page is loaded between items"
                page.evaluate("document.querySelector('link').dataset.release = 'older'")
            for key in (*"1111", "Enter"):
                page.keyboard.press(key)
            page.wait_for_selector(f"text=/^{number + 1} of 30|all 30 items are labelled/")
        assert page.evaluate("window.loaded") is None, "a new release's page is loaded"
    stored = labels(engine)
    assert len(stored) == len({(row.interaction_id, row.criterion) for row in stored}) == 30 * 4
    assert not desk.faults
