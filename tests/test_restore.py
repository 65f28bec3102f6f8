"""A backup comes back whole, with nothing of the database that it replaces but its erasures."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from click.testing import Result
from sqlalchemy import Engine, create_engine, make_url, text
from sqlmodel import select
from typer.testing import CliRunner

from app.backup import back_up
from app.commands import restore as command
from app.database import open_database, reading, transaction
from app.errors import SetupError
from app.restore import restoring
from app.store.audit import entries, head, verify
from app.store.erased import remember_erased
from app.tables import Interaction
from tests.builders import an_interaction, save, some_interactions
from tests.conftest import require_or_skip

NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


@pytest.fixture
def run_restore(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Callable[..., Result]:
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", database_url)
    line = typer.Typer()
    line.command()(command.command)
    return lambda *arguments: CliRunner().invoke(line, [str(one) for one in arguments])


def traces_in(url: str) -> list[str]:
    engine = open_database(url)
    with reading(engine) as session:
        found = sorted(session.exec(select(Interaction.trace_id)))
    engine.dispose()
    return found


def put_back(url: str, backup: Path) -> None:
    with restoring(url, backup, now=NOW):
        pass


def crashed(folder: Path, target: Path) -> None:
    """Leave the database as a crash does: its log beside it, not written back."""
    for path in folder.glob("test.db*"):
        shutil.copy(path, target.with_name(path.name.replace("test.db", target.name)))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_backup_replaces_a_crashed_database_with_all_that_lies_beside_it(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    save(engine, some_interactions(3))
    back_up(database_url, tmp_path / "copy.db")
    save(engine, [an_interaction(trace_id=f"{n:032x}") for n in range(4, 204)])
    target = tmp_path / "here.db"
    crashed(tmp_path, target)
    assert (tmp_path / "here.db-wal").stat().st_size > 100_000
    with restoring(f"sqlite:///{target}", tmp_path / "copy.db", now=NOW) as restored:
        assert not list(tmp_path.glob("*.before-*"))
    aside = restored.aside
    assert aside == tmp_path / "here.db.before-20261118T120000"
    with closing(sqlite3.connect(target)) as restored:
        assert restored.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert len(traces_in(f"sqlite:///{target}")) == 3
    assert len(traces_in(f"sqlite:///{aside}")) == 203


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_was_erased_since_the_backup_does_not_come_back(
    engine: Engine, database_url: str, tmp_path: Path, run_restore: Callable[..., Result]
) -> None:
    rows = some_interactions(3)
    save(engine, rows)
    back_up(database_url, tmp_path / "copy.db")
    with transaction(engine) as session:
        remember_erased(session, "default", [rows[0].trace_id], until_at=None)
    with reading(engine) as session:
        before = head(session)
    engine.dispose()
    result = run_restore(tmp_path / "copy.db")
    assert result.exit_code == 0, result.output
    assert "What was erased since the backup was erased again: 1 interaction." in result.stdout
    assert traces_in(database_url) == sorted(row.trace_id for row in rows[1:])
    with reading(engine) as session:
        verify(entries(session))
        acts = [(one.action, one.about) for one in entries(session)]
        told = list(entries(session))[-1].details
    assert acts == [
        ("interaction.erased", rows[0].id),
        ("trace.erased", rows[0].trace_id),
        ("backup.restored", "copy.db"),
    ]
    assert str(before) in told


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_damaged_database_is_replaced_and_it_is_said_that_erasures_are_not_known(
    engine: Engine, database_url: str, tmp_path: Path, run_restore: Callable[..., Result]
) -> None:
    save(engine, some_interactions(3))
    back_up(database_url, tmp_path / "copy.db")
    engine.dispose()
    for path in tmp_path.glob("test.db*"):
        path.write_bytes(b"damaged " * 1000)
    result = run_restore(tmp_path / "copy.db")
    assert result.exit_code == 0, result.output
    assert "what was erased since the backup is back" in result.stdout
    assert len(traces_in(database_url)) == 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_is_replaced_while_it_is_used_or_by_what_is_no_backup(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    save(engine, some_interactions(3))
    back_up(database_url, tmp_path / "copy.db")
    with reading(engine) as session:
        session.execute(text("SELECT count(*) FROM interaction"))
        with pytest.raises(SetupError, match="stop every server and worker first"):
            put_back(database_url, tmp_path / "copy.db")
    engine.dispose()
    (tmp_path / "odd.db").write_text("odd")
    sqlite3.connect(tmp_path / "empty.db").close()
    for name, words in (
        ("none.db", "there is no file"),
        ("odd.db", "is no backup"),
        ("empty.db", "is no backup"),
        ("test.db", "is the database itself"),
    ):
        with pytest.raises(SetupError, match=words):
            put_back(database_url, tmp_path / name)
    assert len(traces_in(database_url)) == 3
    assert not list(tmp_path.glob("*.before-*"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_backup_that_cannot_be_finished_replaces_nothing(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    save(engine, some_interactions(3))
    back_up(database_url, tmp_path / "copy.db")
    save(engine, [an_interaction(trace_id=f"{4:032x}")])
    engine.dispose()

    def fail() -> None:
        with restoring(database_url, tmp_path / "copy.db", now=NOW) as restored:
            assert len(traces_in(restored.url)) == 3
            raise SetupError("erasing failed")

    with pytest.raises(SetupError, match="erasing failed"):
        fail()
    assert len(traces_in(database_url)) == 4
    assert sorted(one.name for one in tmp_path.iterdir()) == ["copy.db", "test.db"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nobody_opens_the_old_database_while_it_is_replaced(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    save(engine, some_interactions(3))
    back_up(database_url, tmp_path / "copy.db")
    engine.dispose()
    other = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
    )
    with restoring(database_url, tmp_path / "copy.db", now=NOW):
        tried = subprocess.run(
            [sys.executable, "-c", other, str(tmp_path / "test.db")],
            capture_output=True,
            text=True,
            check=False,
        )
    assert "database is locked" in tried.stderr


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_written_to_the_backup_before_it_takes_the_place_is_there_afterwards(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    save(engine, some_interactions(3))
    back_up(database_url, tmp_path / "copy.db")
    engine.dispose()
    (tmp_path / "test.db").chmod(0o640)
    with restoring(database_url, tmp_path / "copy.db", now=NOW) as restored:
        finishing = open_database(restored.url)
        save(finishing, [an_interaction(trace_id=f"{4:032x}")])
        finishing.dispose()
    assert len(traces_in(database_url)) == 4
    assert (tmp_path / "test.db").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_replaced_database_that_is_named_wrongly_is_told_before_anything_changes(
    engine: Engine, database_url: str, tmp_path: Path, run_restore: Callable[..., Result]
) -> None:
    save(engine, some_interactions(3))
    back_up(database_url, tmp_path / "copy.db")
    engine.dispose()
    result = run_restore(tmp_path / "copy.db", "--old", f"sqlite:///{tmp_path}/nowhere.db")
    assert isinstance(result.exception, SetupError)
    assert "name the replaced one with --old" in str(result.exception)
    assert not list(tmp_path.glob("*.before-*"))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_archive_of_postgres_fills_an_empty_database_without_what_was_erased(
    engine: Engine,
    database_url: str,
    tmp_path: Path,
    run_restore: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    has_tools = shutil.which("pg_dump") is not None and shutil.which("pg_restore") is not None
    require_or_skip("postgres", has_tools, "install PostgreSQL's client programs")
    rows = some_interactions(3)
    save(engine, rows)
    back_up(database_url, tmp_path / "copy.dump")
    result = run_restore(tmp_path / "copy.dump")
    assert isinstance(result.exception, SetupError)
    assert "into an empty database" in str(result.exception)
    with transaction(engine) as session:
        remember_erased(session, "default", [rows[0].trace_id], until_at=None)
    fresh = make_url(database_url).set(database=f"fresh_{make_url(database_url).database}")
    admin = create_engine(database_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {fresh.database}"))
        try:
            monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", str(fresh))
            result = run_restore(tmp_path / "copy.dump", "--old", database_url)
            assert result.exit_code == 0, result.output
            assert traces_in(str(fresh)) == sorted(row.trace_id for row in rows[1:])
        finally:
            connection.execute(text(f"DROP DATABASE {fresh.database} WITH (FORCE)"))
    admin.dispose()
