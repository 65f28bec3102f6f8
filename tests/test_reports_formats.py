"""The formats of a report: all say what the JSON says, and the JSON keeps its schema."""

import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import DictLoader, Environment, StrictUndefined
from jsonschema import Draft202012Validator
from sqlalchemy import Engine

from app.criteria import Criteria
from app.database import reading, transaction
from app.reports import (
    html,
    kept_templates,
    render_html,
    render_markdown,
    render_slack,
    report_schema,
)
from app.reports.numbers import percent
from app.reports.pdf import render_pdf
from feedback_ui import pages
from tests.report_world import RATES, Plan, a_label, report_of, write_weeks

WEEKS = [f"2026-W{number}" for number in range(40, 46)]


def worse(criterion: str, known: Any) -> float:
    hit = criterion == "groundedness" and known["application"] == "shop"
    return 0.6 if hit else RATES[criterion]


@pytest.fixture(scope="module")
def report(shared_engine: Engine, criteria: Criteria, now: Any) -> dict[str, Any]:
    plans = {week: Plan() for week in WEEKS[:-1]} | {WEEKS[-1]: Plan(rate=worse, release="2.0")}
    with transaction(shared_engine) as session:
        written = write_weeks(session, plans)
        for place, one in enumerate(written[-80::2]):
            session.add(a_label(one, place))
    with reading(shared_engine) as session:
        return report_of(session, criteria, WEEKS[-1], now)


def test_the_report_keeps_its_schema_and_the_schema_is_one(report: dict[str, Any]) -> None:
    schema = report_schema()
    Draft202012Validator.check_schema(schema)
    errors = list(Draft202012Validator(schema).iter_errors(json.loads(json.dumps(report))))
    assert not errors, [error.json_path for error in errors]
    assert not Draft202012Validator(schema).is_valid({**report, "surprise": 1})
    assert not Draft202012Validator(schema).is_valid({**report, "received": "many"})


def cells(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "cell" in value:
            yield value
        for inner in value.values():
            yield from cells(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from cells(inner)


def test_every_rate_of_the_json_is_in_html_and_markdown(report: dict[str, Any]) -> None:
    html, markdown = render_html(report), render_markdown(report)
    shown = [
        cell
        for cell in cells(report["sections"])
        if cell["cell"] in ("share", "estimate") and cell["rate"] is not None
        if not cell.get("too_few")
    ]
    assert len(shown) > 20
    for cell in shown:
        assert percent(cell["rate"]) in html
        assert percent(cell["rate"]) in markdown


def test_slack_blocks_keep_the_limits_and_say_what_the_json_says(report: dict[str, Any]) -> None:
    message = render_slack(report, "https://touchstone.example")
    kinds = [block["type"] for block in message["blocks"]]
    assert kinds[0] == "header"
    assert kinds[-1] == "context"
    assert message["blocks"][0]["text"]["text"] == report["verdict"]
    text = json.dumps(message, ensure_ascii=False)
    card = next(one for one in report["sections"] if one["id"] == "scorecard")
    for row in card["blocks"][0]["rows"]:
        assert row[1]["too_few"] or percent(row[1]["rate"]) in text
    assert f"https://touchstone.example/reports/{WEEKS[-1]}" in text
    assert all(len(b["text"]["text"]) <= 3000 for b in message["blocks"] if b["type"] == "section")


def test_slack_markup_in_outside_words_stays_words(report: dict[str, Any]) -> None:
    message = render_slack({**report, "sentences": ["<!channel> & <http://x|y>"]})
    assert "&lt;!channel&gt; &amp; &lt;http" in json.dumps(message)


def test_the_pdf_is_tagged_titled_and_every_figure_has_its_words(report: dict[str, Any]) -> None:
    content = render_pdf(render_html(report))
    streams = re.findall(rb"stream\n(.*?)\nendstream", content, re.DOTALL)
    text = content + b"".join(inflated(one) for one in streams)
    assert content.startswith(b"%PDF-")
    assert b"/StructTreeRoot" in text
    assert b"/Marked true" in text
    assert b"pdfuaid:part" in text
    figures = len(re.findall(rb"/S ?/Figure", text))
    assert figures >= 7
    assert len(re.findall(rb"/Alt ", text)) >= figures


def inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


def test_templates_are_kept_as_they_were_when_the_server_started(tmp_path: Path) -> None:
    template = tmp_path / "page.html"
    template.write_text("{{ old }}")
    environment = Environment(loader=kept_templates(tmp_path), undefined=StrictUndefined)
    template.write_text("{{ new }}")
    assert environment.get_template("page.html").render(old="as before") == "as before"
    for kept in (pages._ENVIRONMENT, html._environment()):
        assert isinstance(kept.loader, DictLoader)
