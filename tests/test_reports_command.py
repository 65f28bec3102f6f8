"""`touchstone report`, as a person types it."""

import json
from pathlib import Path

import pytest
import typer
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from app.commands.report import command
from app.database import transaction
from app.errors import NotFound, UnknownField
from tests.report_world import Plan, write_weeks

WEEKS = ["2026-W43", "2026-W44", "2026-W45"]


@pytest.fixture
def filled(engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", database_url)
    with transaction(engine) as session:
        write_weeks(session, {week: Plan(n=45) for week in WEEKS})


def report(*arguments: str) -> Result:
    line = typer.Typer()
    line.command()(command)
    result = CliRunner().invoke(line, ["--no-study", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_it_writes_three_files_with_their_digests_and_says_the_verdict(
    filled: None, tmp_path: Path
) -> None:
    result = report("--week", "2026-W45", "--out", str(tmp_path / "new"))
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "report.html",
        "report.json",
        "report.md",
        "report.sha256",
    ]
    body = json.loads((tmp_path / "new" / "report.json").read_text("utf-8"))
    assert body["week"] == "2026-W45"
    assert result.output.splitlines()[-1] == body["verdict"]


def test_it_prints_json_that_stays_the_same_when_nothing_changed(filled: None) -> None:
    first = json.loads(report("--week", "2026-W45", "--json").output)
    assert json.loads(report("--week", "2026-W45", "--json").output) == first
    assert first["revision"] == 1


def test_only_the_formats_asked_for_are_written(filled: None, tmp_path: Path) -> None:
    report("--week", "2026-W45", "--out", str(tmp_path), "--format", "md")
    assert (tmp_path / "report.md").exists()
    assert not (tmp_path / "report.html").exists()


def test_a_week_without_data_names_the_weeks_that_have_some(filled: None) -> None:
    with pytest.raises(NotFound, match="from 2026-W43 to 2026-W45"):
        report("--week", "2026-W50")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--week", "47"], "write it like"),
        (["--week", "9999-W52"], "write it like"),
        (["--format", "docx"], "json, html, md, slack, pdf"),
    ],
)
def test_a_wrong_argument_is_explained(filled: None, arguments: list[str], words: str) -> None:
    with pytest.raises(UnknownField, match=words):
        report(*arguments)


def test_an_unknown_application_lists_those_that_exist(filled: None) -> None:
    with pytest.raises(NotFound, match="city, health, shop"):
        report("--week", "2026-W45", "--application", "nobody")


def test_an_empty_project_says_how_to_fill_it(filled: None) -> None:
    with pytest.raises(NotFound, match="touchstone demo"):
        report("--week", "2026-W45", "--project", "other")
