"""Whoever holds a report can tell whether it is the one that was issued."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import Engine, select
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

from app.commands import audit, report
from app.database import transaction
from app.errors import NotFound
from app.reports import render_html
from app.reports.issued import find_issued
from app.reports.weekly import sign
from app.store.audit import entries, verify
from app.store.erasing import erase_trace
from app.store.reports import load_report
from app.tables import Interaction, Report
from tests.report_world import Plan, write_weeks

WEEK = "2026-W45"
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def issued(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Path:
    """The folder of a report that was issued."""
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", database_url)
    with transaction(engine) as session:
        write_weeks(session, {WEEK: Plan(n=45)})
    run(report.command, "--no-study", "--week", WEEK, "--out", str(tmp_path), "--format", FORMATS)
    return tmp_path


FORMATS = "json,html,md,slack"


def run(command: Any, *arguments: str) -> Result:
    line = command
    if not isinstance(command, typer.Typer):
        line = typer.Typer()
        line.command()(command)
    result = CliRunner().invoke(line, list(arguments))
    if result.exception is not None:
        raise result.exception
    return result


def ask(path: Path, *arguments: str) -> str:
    return run(audit.app, "file", str(path), *arguments).stdout


def write(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["report.json", "report.html", "report.md", "slack.json"])
def test_every_file_of_a_report_is_known_by_its_bytes(issued: Path, name: str) -> None:
    said = ask(issued / name)
    assert "it left here, byte for byte" in said
    assert f"report.written {WEEK}: file {name}, revision 1, sha256 " in said


def test_a_report_from_the_api_or_a_webhook_is_known_by_what_it_says(
    issued: Path, client: TestClient
) -> None:
    body = client.get(f"/api/v1/reports/{WEEK}").json()
    turned = dict(reversed(body.items()))
    for value in (body, turned, {"slack": {}, "report": body}):
        said = ask(write(issued / "got.json", value))
        assert f"it is revision 1 of the report of {WEEK} about all applications" in said
        assert "as it was issued on" in said
        assert "report.issued" in said
    assert json.loads(ask(issued / "got.json", "--json"))["action"] == "report.issued"


def test_the_page_of_a_report_and_the_one_that_is_sent_are_known(
    issued: Path, client: TestClient, engine: Engine
) -> None:
    body = client.get(f"/api/v1/reports/{WEEK}").json()
    page = client.get(f"/reports/{WEEK}").text
    assert "All reports" in page
    for text in (page, render_html(body)):
        with transaction(engine) as session:
            found = find_issued(session, text.encode())
        assert found is not None
        assert found.is_issued
        assert "as it was issued on" in found.sentence


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda body: body.update(verdict="All is well."), "it was changed in verdict"),
        (lambda body: body["sections"][1].update(heading="Well"), "it was changed in scorecard"),
        (lambda body: body.update(sha256="0" * 64), "was never issued"),
        (lambda body: body.update(sign({**body, "verdict": "All is well."})), "was never issued"),
        (lambda body: body.update(week="2026-W46"), "was never issued"),
        (lambda body: body.update(revision=2), "was never issued"),
        (lambda body: body.update(generated_at="2020"), "names another generated_at"),
        (lambda body: body.update(verdict="\ud800"), "it was changed in verdict"),
    ],
)
def test_a_report_that_was_changed_is_refused_and_told_where(
    issued: Path, change: Change, told: str
) -> None:
    body = json.loads((issued / "report.json").read_text("utf-8"))
    change(body)
    with pytest.raises(NotFound, match=f"is no report as it was issued: .*{told}"):
        ask(write(issued / "forged.json", body))


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_a_page_that_was_changed_is_refused_and_the_report_that_it_names_is_told(
    issued: Path, name: str
) -> None:
    path = issued / name
    path.write_text(path.read_text("utf-8").replace("a", "o", 1), encoding="utf-8")
    with pytest.raises(NotFound, match=rf"names revision 1 of .*{WEEK}.*Entry 1 issued that"):
        ask(path)


def test_a_report_from_before_an_erasure_is_known_and_one_from_after_it_proves_nothing(
    issued: Path, engine: Engine, client: TestClient, now: datetime
) -> None:
    before = client.get(f"/api/v1/reports/{WEEK}").json()
    shown = next(one for one in found_examples(before))
    with transaction(engine) as session:
        trace_id = session.scalar(select(Interaction.trace_id).where(Interaction.id == shown))
        erase_trace(session, "default", trace_id, now=now)
    after = client.get(f"/api/v1/reports/{WEEK}").json()
    assert after != before
    assert "as it was issued on" in ask(write(issued / "got.json", before))
    for path in (write(issued / "got.json", after), issued / "got.html"):
        if path.suffix == ".html":
            path.write_text(client.get(f"/reports/{WEEK}").text, encoding="utf-8")
        with pytest.raises(NotFound, match="words were erased from that since it was issued"):
            ask(path)


def test_a_report_that_somebody_changed_in_the_database_does_not_vouch_for_itself(
    issued: Path, engine: Engine, client: TestClient
) -> None:
    with transaction(engine) as session:
        stored = load_report(session, "default", week=WEEK)
        assert isinstance(stored, Report)
        stored.body = sign({**stored.body, "verdict": "All is well."})
        session.add(stored)
    with pytest.raises(NotFound, match="was never issued"):
        ask(write(issued / "got.json", client.get(f"/api/v1/reports/{WEEK}").json()))


def test_writing_a_report_again_adds_an_entry_and_the_log_stays_whole(
    issued: Path, engine: Engine
) -> None:
    run(report.command, "--no-study", "--week", WEEK, "--out", str(issued), "--format", "md")
    with transaction(engine) as session:
        acts = [one.action for one in entries(session)]
        assert acts == ["report.issued", *["report.written"] * (len(FORMATS.split(",")) + 1)]
        assert verify(entries(session)).seq == len(acts)


def found_examples(value: Any) -> Iterator[str]:
    """The ids of the interactions that a report shows."""
    if isinstance(value, dict):
        if "interaction_id" in value and "prompt" in value:
            yield value["interaction_id"]
        value = list(value.values())
    for one in value if isinstance(value, list) else ():
        yield from found_examples(one)
