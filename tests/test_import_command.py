"""`touchstone import`: lines become interactions once, and bad lines are told."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import Engine
from sqlmodel import Session, select
from typer.testing import CliRunner, Result

from app.commands import import_
from app.errors import BadRequest
from app.tables import Evaluation, Interaction
from tests.builders import FAKE_EVALUATORS

GOOD = {"id": "1", "prompt": "When?", "response": "In 5 days.", "contexts": ["5 days."]}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Any:
    """Runs the command on the test's database."""
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", database_url)
    monkeypatch.setattr(import_, "find_evaluators", lambda _settings: list(FAKE_EVALUATORS))
    line = typer.Typer()
    line.command()(import_.command)

    def _run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(line, list(arguments), input=stdin)

    return _run


def counts(result: Result) -> dict[str, int]:
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_lines_become_interactions_once(run: Any, engine: Engine, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    lines = [json.dumps({**GOOD, "id": str(index)}) for index in range(450)]
    source.write_text("\n".join([*lines, "{broken", "7"]))
    first = counts(run(str(source), "--json", "--application", "helpdesk"))
    again = counts(run(str(source), "--json", "--application", "helpdesk"))
    assert first == {"created": 450, "changed": 0, "unchanged": 0, "rejected": 2}
    assert again == {"created": 0, "changed": 0, "unchanged": 450, "rejected": 2}
    with Session(engine) as session:
        assert {row.application for row in session.exec(select(Interaction))} == {"helpdesk"}
        assert len(session.exec(select(Evaluation)).all()) == 450 * 5


def test_a_line_names_its_own_application_and_time(run: Any, engine: Engine) -> None:
    line = {**GOOD, "application": "bank", "started_at": "2026-11-18T09:30:00+01:00"}
    counts(run("-", "--json", stdin=json.dumps(line)))
    with Session(engine) as session:
        row = session.exec(select(Interaction)).one()
    assert (row.application, row.started_at.isoformat()) == ("bank", "2026-11-18T08:30:00+00:00")


def test_bad_lines_are_told_with_their_number(run: Any) -> None:
    result = run("-", stdin=json.dumps(GOOD) + "\n{broken\n")
    assert result.exit_code == 0
    assert "line 2: " in result.stderr
    assert "1 created, 0 changed, 0 unchanged, 1 rejected" in result.stderr


def test_strict_stops_at_the_first_bad_line(run: Any, engine: Engine) -> None:
    result = run("-", "--strict", stdin=json.dumps(GOOD) + "\n{broken\n")
    assert isinstance(result.exception, BadRequest)
    with Session(engine) as session:
        assert session.exec(select(Interaction)).all() == []


def test_changed_words_are_a_change(run: Any) -> None:
    counts(run("-", "--json", stdin=json.dumps(GOOD)))
    changed = counts(run("-", "--json", stdin=json.dumps({**GOOD, "response": "Never."})))
    assert changed["changed"] == 1
