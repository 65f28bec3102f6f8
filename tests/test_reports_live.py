"""The dashboard's baselines: the periods before, the same weekdays of earlier weeks, or nothing."""

from collections.abc import Mapping
from datetime import date, datetime
from html import unescape
from itertools import count, pairwise
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from app.criteria import Criteria
from app.database import reading, transaction
from app.main import create_app
from app.reports import live
from app.reports.live import Against, View
from app.reports.tallies import EVERYTHING, Slice
from app.reports.weeks import days_of, weekly_up_to, weeks_up_to
from app.settings import Settings
from tests.report_world import RATES, Plan, a_label, write_weeks

WEEK = "2026-W45"
SATURDAY, SUNDAY = (days_of(WEEK, "UTC")[day][0] for day in (5, 6))
EARLIER, PER_DAY = 5, 20


def busy_weekends(n: int = 7 * PER_DAY) -> Plan:
    """A week of which the last two days fail often; rates are asked for in the order of time."""
    asked = count()

    def rate(criterion: str, known: Mapping[str, str]) -> float:
        day = next(asked) // len(RATES) % n * 7 // n
        return 0.5 if criterion == "groundedness" and day > 4 else RATES[criterion]

    return Plan(n=n, rate=rate)


def write(engine: Engine) -> Engine:
    with transaction(engine) as session:
        weeks = {week: busy_weekends() for week in weeks_up_to(WEEK, EARLIER)}
        written = write_weeks(session, weeks)
        for place, one in enumerate(written[-20:]):
            session.add(a_label(one, place))
    return engine


@pytest.fixture(scope="module")
def weekends(shared_engine: Engine) -> Engine:
    return write(shared_engine)


def view(against: Against, part: Slice = EVERYTHING) -> View:
    return View("default", None, part, SATURDAY, SUNDAY, "UTC", against)


def overview(engine: Engine, criteria: Criteria, against: Against, now: datetime) -> Any:
    with reading(engine) as session:
        made = live.overview(session, view(against), criteria, now=now)
    return {one["id"]: one for one in made}


def cells(section: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (table,) = section["blocks"]
    return dict(zip(table["columns"], table["rows"][0], strict=True))


def test_runs_on_the_same_weekdays_leave_no_gap_between_them() -> None:
    for last in (date(2026, 11, 8), date(2026, 11, 13), date(2026, 11, 20)):
        periods = weekly_up_to(date(2026, 11, 7), last, 3, "Europe/Berlin")
        assert all(one.to_at == after.from_at for one, after in pairwise(periods))
        named = [one for one in periods if one.name]
        assert len(named) == 4
        assert len({one.from_at.astimezone().weekday() for one in named}) == 1


def test_a_bad_weekend_is_usual_among_weekends_and_unusual_among_days(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    weekends = write(engine)
    among_days = cells(overview(weekends, criteria, "periods", now)["scorecard"])
    among_weekends = cells(overview(weekends, criteria, "weeks", now)["scorecard"])
    assert among_days["This period"]["n"] == among_weekends["This period"]["n"] == PER_DAY * 2
    assert "Worse" in among_days["Variation"]["text"]
    assert among_days["Usual"]["rate"] < 0.4
    assert among_weekends["Usual"]["rate"] == pytest.approx(0.5, abs=0.02)
    assert among_weekends["Usual"]["weeks"] == EARLIER
    assert among_weekends["Variation"]["text"] == "Usual variation"
    assert among_weekends["The same days a week before"]["n"] == PER_DAY * 2


def test_what_is_compared_with_nothing_shows_its_own_numbers_only(
    weekends: Engine, criteria: Criteria, now: datetime
) -> None:
    alone = overview(weekends, criteria, "none", now)
    assert list(alone) == ["scorecard", "coverage"]
    assert list(cells(alone["scorecard"])) == ["Measure", "This period", "Corrected by labels"]
    assert "compared with nothing" in alone["scorecard"]["heading"]
    (table,) = [block for block in alone["coverage"]["blocks"] if block["block"] == "table"]
    assert "Usually" not in table["columns"]
    assert {len(row) for row in table["rows"]} == {len(table["columns"])}
    with_target = overview(weekends, criteria.with_targets("groundedness=5%"), "none", now)
    assert cells(with_target["scorecard"])["Target"]["sign"] == ""


def test_labels_and_parts_follow_the_baseline(weekends: Engine, criteria: Criteria) -> None:
    english = Slice("language", "en")
    with reading(weekends) as session:
        told = live.confidence(session, view("weeks"), criteria)
        alone = live.regressions(session, view("none"), criteria)
        within = live.regressions(session, view("weeks", english), criteria)
        groups = live.groups(session, view("weeks", english), criteria)
    (labelled,) = (row for block in told["blocks"][:1] for row in block["rows"][:1])
    assert labelled[1] == {"cell": "number", "value": 20}
    assert alone["heading"] == "No slice stands out against the rest"
    (folded,) = alone["blocks"]
    assert folded["blocks"][0]["columns"][2] == "The rest"
    assert "ithin language en" in within["heading"]
    assert groups["id"] == "fairness"
    assert "earlier periods" in told["note"]
    assert "usual" not in alone["note"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_baseline_stands_in_the_address_and_an_unknown_one_is_named(
    weekends: Engine, settings: Settings, criteria: Criteria
) -> None:
    own = settings.model_copy(update={"database_url": str(weekends.url)})
    client = TestClient(create_app(own, evaluators=[], criteria=criteria), "http://127.0.0.1")
    days = f"from={SATURDAY}&to={SUNDAY}"
    page = client.get(f"/dashboard?{days}&against=weeks").text
    assert '<option value="weeks" selected>' in page
    assert f"/dashboard/slices?{days}&against=weeks" in unescape(page)
    assert "The same days a week before" in page
    assert 'id="trend"' not in client.get(f"/dashboard?{days}&against=none").text
    refused = client.get(f"/dashboard?{days}&against=moon")
    assert refused.status_code == 422
    assert "periods, weeks, none" in refused.text
