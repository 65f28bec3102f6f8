"""Every number that a reader of HTML, Markdown or Slack sees is a number of the JSON."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from app.criteria import Criteria
from app.database import reading, transaction
from app.reports import render_html, render_markdown, render_slack
from app.reports.numbers import count, decimal, percent, percent_range, points, points_range
from app.store.studies import save_study
from tests.report_world import RATES, Plan, a_label, report_of, write_weeks

WEEKS = [f"2026-W{number}" for number in range(39, 46)]
SECTIONS = 11
NUMBER = re.compile(r"[+\u2212-]?\d[\d,]*(?:\.\d+)?")
SHORT_ID = re.compile(r"interaction [0-9a-f]{8}")
OWN = ("style", "script", "code", "svg")


def worse(criterion: str, known: Any) -> float:
    hit = criterion == "groundedness" and known["language"] == "de"
    return 0.7 if hit else RATES[criterion]


@pytest.fixture(scope="module")
def report(shared_engine: Engine, criteria: Criteria, now: Any) -> dict[str, Any]:
    """A report in which every section has something to say."""
    plans = {week: Plan(n=200) for week in WEEKS[:-1]}
    plans[WEEKS[-1]] = Plan(
        n=400, rate=worse, release="2.0", abstains=lambda name, _: name == "bias"
    )
    with transaction(shared_engine) as session:
        written = write_weeks(session, plans)
        for place, one in enumerate(written[-240::2]):
            session.add(a_label(one, place))
        for week in WEEKS[-2:]:
            save_study(session, "default", week=week, application=None, body=a_study(week), now=now)
    with reading(shared_engine) as session:
        return built(session, criteria, now)


def built(session: Session, criteria: Criteria, now: Any) -> dict[str, Any]:
    made = report_of(session, criteria, WEEKS[-1], now)
    return dict(json.loads(json.dumps(made)))


def a_study(week: str) -> dict[str, Any]:
    grown = 31 if week == WEEKS[-1] else 12
    example = {
        "interaction_id": "ab" * 16,
        "href": f"/interactions/{'ab' * 16}",
        "criterion": "groundedness",
        "title": "Groundedness",
        "label": "ungrounded",
        "score": 0.12,
        "evaluator": "groundedness-words 1",
        "application": "shop",
        "model": None,
        "segments": {},
        "started_at": "2026-11-04T10:00:00+00:00",
        "prompt": "When?",
        "response": [{"text": "Soon.", "marked": True}],
        "explanation": "",
        "evidence": None,
    }
    item = {
        "name": "refund · delay",
        "n": grown,
        "last_n": 12,
        "centre": [1.0],
        "example": example,
        "ids": [],
    }
    swap = {
        "evaluator": "bias-words",
        "version": "1",
        "criterion": "bias",
        "pairs": 66,
        "largest_gap": 0.125,
        "widest": "old",
        "flips": 3,
        "digest": "d",
    }
    return {
        "clusters": {"groundedness": {"failures": 97, "was_studied": True, "items": [item]}},
        "questions": {"auroc": 0.71, "p_value": 0.001, "n": 380, "reference": 391},
        "swaps": [swap],
    }


class Words(HTMLParser):
    """The words of a page that are neither style nor a drawing."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.depth, self.words = 0, list[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.depth += tag in OWN

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag in OWN

    def handle_data(self, data: str) -> None:
        if not self.depth:
            self.words.append(data)


def cells(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "cell" in value:
            yield value
        for inner in value.values():
            yield from cells(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from cells(inner)


def sayings(value: Any) -> Iterator[str]:
    """Everything that may be said of a JSON value: its words, and its numbers as reports write
    them."""
    if isinstance(value, dict):
        low, high = value.get("low"), value.get("high")
        if isinstance(low, float | int) and isinstance(high, float | int):
            yield percent_range(low, high)
            yield points_range(low, high)
        for inner in value.values():
            yield from sayings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from sayings(inner)
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        yield count(value)
        yield percent(value)
        yield points(value)
        yield decimal(value)
    elif isinstance(value, float):
        yield from (percent(value), points(value), decimal(value))
    else:
        yield str(value)


def numbers_of(words: str) -> list[str]:
    """The numbers, without a sign that is a dash between two of them."""
    return [found.lstrip("-+") for found in NUMBER.findall(words)]


def allowed(report: dict[str, Any]) -> set[str]:
    known = {number for saying in sayings(report) for number in numbers_of(saying)}
    signless = {number.lstrip("\u2212") for number in known}
    return known | signless


def unknown(words: str, report: dict[str, Any]) -> set[str]:
    known = allowed(report)
    return {one for one in numbers_of(words) if one not in known}


def test_every_section_is_there_and_has_numbers(report: dict[str, Any]) -> None:
    assert len(report["sections"]) == SECTIONS
    for section in report["sections"]:
        said = json.dumps(section["blocks"])
        assert re.search(r"\d", said), section["id"]
    assert report["findings"]


def test_markdown_says_no_number_that_the_json_does_not_hold(report: dict[str, Any]) -> None:
    assert unknown(render_markdown(report), report) == set()


def test_slack_says_no_number_that_the_json_does_not_hold(report: dict[str, Any]) -> None:
    blocks = render_slack(report)["blocks"]
    words = " ".join(
        part["text"]
        for block in blocks
        for part in [block.get("text"), *block.get("elements", [])]
        if part
    )
    places = {"1", "2", "3"}
    assert unknown(words, report) - places == set()


def test_the_page_says_no_number_that_the_json_does_not_hold(report: dict[str, Any]) -> None:
    html = render_html(report)
    main = html[html.index("<main>") : html.index("</main>")]
    texts = SHORT_ID.sub("", " ".join(Words(main).words))
    assert unknown(texts, report) == set()


def test_every_number_of_a_cell_is_in_the_page_and_in_markdown(report: dict[str, Any]) -> None:
    html = " ".join(Words(render_html(report)).words)
    markdown = render_markdown(report)
    shown = 0
    for cell in cells(report["sections"]):
        for said in of_cell(cell):
            assert said in html, cell
            assert said in markdown, cell
            shown += 1
    assert shown > 200


def of_cell(cell: dict[str, Any]) -> Iterator[str]:
    kind, value = cell["cell"], cell.get("value")
    if kind == "number":
        yield count(cell["value"])
    elif kind in ("share", "estimate") and cell["rate"] is not None:
        yield count(cell["failing"]) if cell.get("too_few") else percent(cell["rate"])
    elif kind == "difference" and value is not None:
        yield points(value)
    elif kind in ("coefficient", "ratio") and value is not None:
        yield decimal(value)
    elif kind == "usual" and cell["rate"] is not None:
        yield percent(cell["rate"])


def test_a_changed_number_is_noticed(report: dict[str, Any]) -> None:
    changed = render_markdown(report).replace("97", "98.7654", 1)
    assert "98.7654" in unknown(changed, report)
