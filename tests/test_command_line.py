"""The command line as a whole: what a user gets wrong ends in a sentence, not in a traceback."""

import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.__main__ import main
from app.errors import SetupError
from app.settings import read_settings


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
