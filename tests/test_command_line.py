"""The command line as a whole: what a user gets wrong ends in a sentence, not in a traceback."""

import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.__main__ import main
from app.database import reading
from app.errors import SetupError
from app.settings import misspelt, read_settings
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIME_ZONE", "Mars/Olympus"),
        ("TIME_ZONE", "Europe"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "postgresql://me:hunter2@db:port/touchstone"),
        ("DATABASE_URL", "mysql://me:hunter2@db/touchstone"),
        ("PUBLIC_ADDRESS", "touchstone.example.com"),
        ("PUBLIC_ADDRESS", "https://example.com/touchstone"),
        ("CLAIM_SIZE", "99999999999999999999"),
    ],
)
def test_a_setting_that_would_fail_later_is_refused_at_once(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"TOUCHSTONE_{name}", value)
    with pytest.raises(SetupError, match=f"TOUCHSTONE_{name} is wrong") as refused:
        read_settings()
    assert "hunter2" not in str(refused.value)


def test_a_variable_that_is_empty_or_padded_means_what_its_author_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOUCHSTONE_HOST", "")
    monkeypatch.setenv("TOUCHSTONE_OPEN_ACCESS", " ")
    monkeypatch.setenv("TOUCHSTONE_CALIBRATION", " ")
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", "postgres://db/touchstone\n")
    monkeypatch.setenv("TOUCHSTONE_PUBLIC_ADDRESS", "https://touchstone.example.com/")
    settings = read_settings()
    assert (settings.host, settings.open_access) == ("127.0.0.1", False)
    assert settings.calibration is None
    assert settings.database_url == "postgresql+psycopg://db/touchstone"
    assert settings.address == "https://touchstone.example.com"


@pytest.mark.parametrize("between", [" ", "\n", ",", ", ", " , "])
def test_addresses_for_reports_may_stand_apart_by_blanks_or_commas(
    between: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ("mailto://a:b@mail.example?to=x@e.example,y@e.example", "json://hook.example/a")
    monkeypatch.setenv("TOUCHSTONE_DELIVER_TO", between.join(both) + between)
    assert read_settings().channels == both


def test_an_ipv6_address_can_be_opened_as_it_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOUCHSTONE_PORT", raising=False)
    monkeypatch.setenv("TOUCHSTONE_HOST", "[::1]")
    settings = read_settings()
    assert (settings.host, settings.address) == ("::1", "http://[::1]:8000")


def test_a_misspelt_variable_is_told_and_a_foreign_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOUCHSTONE_DB_URL", "sqlite:///mine.db")
    monkeypatch.setenv("TOUCHSTONE_VERSION", "1")
    assert misspelt() == ["TOUCHSTONE_DB_URL is no setting; TOUCHSTONE_DATABASE_URL is one"]
