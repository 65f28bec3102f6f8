"""A backup is a whole database of one moment, or it is not there."""

import shutil
import subprocess
import threading
from pathlib import Path

import pytest
import typer
from sqlalchemy import Engine
from sqlmodel import func, select
from typer.testing import CliRunner

from app.backup import back_up
from app.commands import backup
from app.database import open_database, transaction
from app.errors import Conflict, SetupError
from app.migrate import migrate_down
from app.tables import Evaluation, Interaction
from tests.builders import FAKE_EVALUATORS, an_interaction, save, some_interactions
from tests.conftest import require_or_skip


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_copy_made_while_others_write_holds_whole_transactions(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    save(engine, some_interactions(20))
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            save(engine, [an_interaction(trace_id=f"{number:032x}", span_id="c" * 16)])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        size = back_up(database_url, tmp_path / "copy.db")
    finally:
        stop.set()
        writer.join()
    assert size > 0
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    copy = open_database(f"sqlite:///{tmp_path / 'copy.db'}")
    with transaction(copy) as session:
        n = session.exec(select(func.count()).select_from(Interaction)).one()
        judged = session.exec(select(func.count()).select_from(Evaluation)).one()
    copy.dispose()
    assert n >= 20
    assert judged == n * len(FAKE_EVALUATORS)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_is_overwritten_and_what_is_missing_is_said(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "kept.db").write_text("mine")
    with pytest.raises(Conflict, match="exists already"):
        back_up(database_url, tmp_path / "kept.db")
    assert (tmp_path / "kept.db").read_text() == "mine"
    with pytest.raises(SetupError, match="there is no database"):
        back_up(f"sqlite:///{tmp_path / 'nowhere.db'}", tmp_path / "copy.db")
    with pytest.raises(SetupError, match="cannot write"):
        back_up(database_url, tmp_path / "no-such-folder" / "copy.db")
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_postgres_is_dumped_into_an_archive(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    has_tools = shutil.which("pg_dump") is not None and shutil.which("pg_restore") is not None
    require_or_skip("postgres", has_tools, "install PostgreSQL's client programs")
    save(engine, some_interactions(3))
    back_up(database_url, tmp_path / "copy.dump")
    assert (tmp_path / "copy.dump").stat().st_mode & 0o777 == 0o600
    listed = subprocess.run(
        [
            "pg_restore",
            "--data-only",
            "--table=interaction",
            "-f",
            "-",
            str(tmp_path / "copy.dump"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.count("Refunds take 5 to 7 working days.") == 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_from_before_the_audit_log_is_copied_before_its_upgrade(
    engine: Engine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate_down(engine, "0010")
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", database_url)
    line = typer.Typer()
    line.command()(backup.command)
    result = CliRunner().invoke(line, [str(tmp_path / "old.db")])
    assert result.exit_code == 0, result.output
    assert "has no audit log yet" in result.stderr
    assert (tmp_path / "old.db").stat().st_size > 0
