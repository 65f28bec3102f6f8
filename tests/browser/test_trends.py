"""Dashboard, trends and reports in a real browser: current without a reload, no fault for axe."""

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Route, expect
from sqlalchemy import Engine

from app.criteria import read_criteria
from app.database import transaction
from app.reports.weeks import days_of, weeks_up_to
from app.settings import Settings
from app.store.reports import save_report
from tests.browser.desk import Desk, check_themes, served_desk, sign_in, window
from tests.report_world import RATES, Plan, report_of, write_weeks

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
WEEKS = weeks_up_to(f"{datetime.now(UTC):%G-W%V}", 6)[:-1]


@pytest.fixture
def desk(engine: Engine, settings: Settings) -> Iterator[Desk]:
    criteria = read_criteria(targets="groundedness=5% toxicity=3%")
    plans = {week: Plan(n=40) for week in WEEKS[:-1]}
    plans[WEEKS[-1]] = Plan(n=120, rate=lambda name, _: min(0.9, 4 * RATES[name]), release="2.0")
    now = datetime.now(UTC)
    with transaction(engine) as session:
        write_weeks(session, plans)
        save_report(session, report_of(session, criteria, WEEKS[-1], now), now=now)
    with served_desk(engine, settings, criteria) as desk:
        yield desk


def test_the_form_and_new_answers_change_the_charts_without_a_reload(
    browser: Browser, desk: Desk, engine: Engine
) -> None:
    with window(browser) as context:
        page = desk.watch(context.new_page())
        sign_in(page, desk)
        page.clock.install()
        page.goto(f"{desk.address}/trends")
        page.evaluate("window.stayed = true")
        page.get_by_label("Criterion").select_option("toxicity")
        page.wait_for_url("**/trends?criterion=toxicity&bucket=week")
        expect(page.locator("[data-live] h2")).to_have_count(1)
        before = page.locator("[data-live] small").inner_text()
        with transaction(engine) as session:
            write_weeks(session, {WEEKS[-1]: Plan(n=30)}, seed=9)
        page.clock.fast_forward(31_000)
        expect(page.locator("[data-live] small")).not_to_have_text(before)
        assert page.evaluate("window.stayed")
    assert not desk.faults


def test_the_dashboard_fills_its_parts_and_follows_form_and_new_answers_without_a_reload(
    browser: Browser, desk: Desk, engine: Engine
) -> None:
    first, last = days_of(WEEKS[-1], "UTC")[0][0], days_of(WEEKS[-1], "UTC")[-1][0]
    with window(browser) as context:
        page = desk.watch(context.new_page())
        sign_in(page, desk)
        page.clock.install()
        page.goto(f"{desk.address}/dashboard?from={first}&to={last}")
        page.evaluate("window.stayed = true")
        for name in ("scorecard", "trend", "coverage", "slices", "trust", "fairness"):
            expect(page.locator(f"#{name}")).to_have_count(1)
        scored = page.locator("#coverage .flow b").first
        everything = scored.inner_text()
        expect(page.locator("#slices h2")).to_contain_text("The rise of")
        page.get_by_label("Application").select_option("shop")
        page.wait_for_url("**application=shop**")
        expect(scored).not_to_have_text(everything)
        before = scored.inner_text()
        with transaction(engine) as session:
            write_weeks(session, {WEEKS[-1]: Plan(n=30)}, seed=9)
        page.clock.fast_forward(31_000)
        expect(scored).to_have_text(str(int(before) + 10))
        page.get_by_label("Compared with").select_option("nothing")
        page.wait_for_url("**against=none**")
        expect(page.locator("#trend")).to_have_count(0)
        page.clock.fast_forward(31_000)
        expect(page.locator("#scorecard h2")).to_contain_text("compared with nothing")
        page.get_by_label("Segment, as key=value").fill("language")
        page.get_by_label("Segment, as key=value").press("Tab")
        expect(page.locator("#live-overview")).to_contain_text("a segment is written as key=value")
        page.get_by_label("Segment, as key=value").fill("language=en")
        page.get_by_label("Segment, as key=value").press("Tab")
        expect(page.locator("#slices h2")).to_contain_text("ithin language en")
        assert page.evaluate("window.stayed")
    assert [fault for fault in desk.faults if "422" not in fault] == []


def test_back_returns_to_what_was_chosen_before(browser: Browser, desk: Desk) -> None:
    with window(browser) as context:
        page = context.new_page()
        sign_in(page, desk)
        page.goto(f"{desk.address}/trends")
        page.get_by_label("Criterion").select_option("toxicity")
        page.wait_for_url("**/trends?criterion=toxicity**")
        page.get_by_label("Points per").select_option("day")
        page.wait_for_url("**bucket=day")
        page.go_back()
        page.wait_for_url("**/trends?criterion=toxicity&bucket=week")
        expect(page.get_by_label("Points per")).to_have_value("week")
        expect(page.locator("[data-live] h2")).to_contain_text("Toxicity")
        page.go_back()
        page.wait_for_url("**/trends")
        expect(page.locator("[data-live] h2")).to_have_count(5)


def test_a_slow_answer_to_an_earlier_choice_does_not_replace_a_later_one(
    browser: Browser, desk: Desk
) -> None:
    held: list[Route] = []
    with window(browser) as context:
        page = context.new_page()
        sign_in(page, desk)
        page.goto(f"{desk.address}/trends")
        page.route("**/trends?criterion=toxicity**", lambda route: held.append(route), times=1)
        with page.expect_request("**/trends?criterion=toxicity**"):
            page.get_by_label("Criterion").select_option("toxicity")
        page.get_by_label("Criterion").select_option("bias")
        expect(page.locator("[data-live] h2")).to_have_count(1)
        expect(page.locator("[data-live] h2")).to_contain_text("Bias")
        with page.expect_response("**/trends?criterion=toxicity**"):
            held[0].continue_()
        page.wait_for_timeout(200)
        expect(page.locator("[data-live] h2")).to_contain_text("Bias")


def test_a_page_that_is_no_longer_current_says_so_and_goes_on_when_the_server_is_back(
    browser: Browser, desk: Desk
) -> None:
    with window(browser) as context:
        page = context.new_page()
        sign_in(page, desk)
        page.clock.install()
        page.goto(f"{desk.address}/trends?criterion=toxicity")
        page.get_by_text("Numbers").click()
        notice = page.get_by_text("no longer current")
        expect(notice).to_be_hidden()
        desk.server.stop()
        page.clock.fast_forward(31_000)
        expect(notice).to_be_visible()
        desk.server.start()
        page.clock.fast_forward(31_000)
        expect(notice).to_be_hidden()
        expect(page.locator("[data-live] details")).to_have_attribute("open", "")
        context.clear_cookies()
        page.clock.fast_forward(31_000)
        expect(notice).to_be_visible()
        page.get_by_role("link", name="Load the page again").click()
        page.wait_for_url("**/sign-in?next=%2Ftrends%3Fcriterion%3Dtoxicity")


def test_what_is_unfolded_with_the_mouse_stays_live(
    browser: Browser, desk: Desk, engine: Engine
) -> None:
    with window(browser) as context:
        page = context.new_page()
        sign_in(page, desk)
        page.clock.install()
        page.goto(f"{desk.address}/trends?criterion=toxicity")
        page.get_by_text("Numbers").click()
        before = page.locator("[data-live] small").inner_text()
        with transaction(engine) as session:
            write_weeks(session, {WEEKS[-1]: Plan(n=30)}, seed=9)
        page.clock.fast_forward(31_000)
        expect(page.locator("[data-live] small")).not_to_have_text(before)


@pytest.mark.parametrize("path", ["/dashboard", f"/reports/{WEEKS[-1]}"])
def test_no_table_is_cut_off_on_paper_and_folded_parts_are_open(
    browser: Browser, desk: Desk, path: str
) -> None:
    with window(browser, viewport={"width": 695, "height": 1000}) as context:
        page = context.new_page()
        sign_in(page, desk)
        page.goto(desk.address + path)
        expect(page.locator("[data-live] h2 a")).to_have_count(0)
        page.emulate_media(media="print")
        assert page.locator(".scroll table").count() > 2
        assert page.eval_on_selector_all(".scroll", CUT_OFF) == []
        for folded in page.locator("details > :last-child").all():
            assert folded.bounding_box()
        broken = page.eval_on_selector_all("figure, tr", BREAKS)
        assert set(broken) == {"avoid"}


BREAKS = "(all) => all.map((one) => getComputedStyle(one).breakInside)"
CUT_OFF = """(all) => all.filter((one) => one.scrollWidth > one.clientWidth).map(
  (one) => [one.getAttribute("aria-label"), one.scrollWidth, one.clientWidth])"""


def test_the_parts_of_the_dashboard_work_without_javascript(browser: Browser, desk: Desk) -> None:
    first, last = days_of(WEEKS[-1], "UTC")[0][0], days_of(WEEKS[-1], "UTC")[-1][0]
    chosen = f"segment=language%3Den&from={first}&to={last}"
    with window(browser, java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, desk)
        page.goto(f"{desk.address}/dashboard?{chosen}")
        page.get_by_role("link", name="Slices").click()
        assert "Within language en" in page.locator("#slices h2").inner_text()
        page.get_by_role("link", name="The whole dashboard").click()
        asked = parse_qs(urlsplit(page.url).query)
        assert asked == parse_qs(chosen)


def test_a_range_and_a_segment_in_the_address_work_without_javascript(
    browser: Browser, desk: Desk
) -> None:
    with window(browser, java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, desk)
        page.goto(f"{desk.address}/trends?segment=language%3Den")
        everything = page.locator("[data-live] small").first.inner_text()
        page.get_by_label("From", exact=True).fill("2020-01-01")
        page.get_by_label("To, that day included").fill("2020-01-31")
        page.get_by_role("button", name="Show").click()
        assert "from=2020-01-01" in page.url
        assert "Nothing was scored here yet" in page.content()
        assert "scored" in everything
        assert f"{WEEKS[-1]}, release 2.0 came" in everything


@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_no_fault_in_trends_and_in_a_report(
    browser: Browser, desk: Desk, width: int
) -> None:
    size = {"width": width, "height": 900}
    with window(browser, viewport=size) as context:
        page = desk.watch(context.new_page())
        sign_in(page, desk)
        report = f"/reports/{WEEKS[-1]}"
        for path in ("/trends?bucket=day", report, f"{report}/actions", "/dashboard"):
            page.goto(desk.address + path)
            expect(page.locator("[data-live] h2 a")).to_have_count(0)
            check_themes(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert not desk.faults


def test_an_action_is_given_to_somebody_else_by_keyboard_alone(
    browser: Browser, desk: Desk
) -> None:
    with window(browser, viewport={"width": 390, "height": 844}) as context:
        page = desk.watch(context.new_page())
        sign_in(page, desk)
        page.goto(f"{desk.address}/reports/{WEEKS[-1]}/actions")
        page.get_by_label("What to do").first.focus()
        page.keyboard.press("Tab")
        page.keyboard.type("Kim")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/reports/{WEEKS[-1]}")
        expect(page.get_by_text("changed by anna")).to_have_count(1)
    assert not desk.faults
