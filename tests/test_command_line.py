"""The command line as a whole: what a user gets wrong ends in a sentence, not in a traceback."""

import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.__main__ import main
from app.database import reading
from app.errors import SetupError
from app.settings import read_settings
from app.store.audit import head


@pytest.mark.parametrize("name", ["missing/answers.jsonl", "file/answers.jsonl"])
def test_a_file_that_cannot_be_written_is_named(
    name: str,
    engine: Engine,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", database_url)
    monkeypatch.setattr(sys, "argv", ["touchstone", "export", "interactions", str(tmp_path / name)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith(f"touchstone: cannot read or write '{tmp_path}")


@pytest.mark.parametrize("value", ["inf", "1e300"])
def test_a_time_without_end_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTONE_TRACE_QUIET_SECONDS", value)
    with pytest.raises(SetupError, match="TOUCHSTONE_TRACE_QUIET_SECONDS is wrong"):
        read_settings()


def test_a_database_that_cannot_be_reached_is_told_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/missing/touchstone.db"
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", url)
    monkeypatch.setattr(sys, "argv", ["touchstone", "keys", "list"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "could not be used: unable to open database file; see TOUCHSTONE_DATABASE_URL" in said


def test_a_file_of_bad_lines_only_ends_the_import_with_code_1(
    engine: Engine,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "bad.jsonl").write_text("{broken")
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", database_url)
    monkeypatch.setattr(sys, "argv", ["touchstone", "import", str(tmp_path / "bad.jsonl")])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert "1 rejected" in capsys.readouterr().err


def test_an_export_that_cannot_be_written_is_not_noted(
    engine: Engine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", database_url)
    path = str(tmp_path / "missing" / "labels.csv")
    monkeypatch.setattr(sys, "argv", ["touchstone", "export", "annotations", path])
    with pytest.raises(SystemExit):
        main()
    with reading(engine) as session:
        assert head(session).seq == 0
