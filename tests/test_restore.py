"""A backup comes back whole, with nothing of the database that it replaces but its erasures."""

import shutil
import sqlite3
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
from app.restore import restore
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
    aside = restore(f"sqlite:///{target}", tmp_path / "copy.db", now=NOW)
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
            restore(database_url, tmp_path / "copy.db", now=NOW)
    engine.dispose()
    (tmp_path / "odd.db").write_text("odd")
    sqlite3.connect(tmp_path / "empty.db").close()
    for name, words in (
        ("none.db", "there is no file"),
        ("odd.db", "is no backup"),
        ("empty.db", "is no backup"),
    ):
        with pytest.raises(SetupError, match=words):
            restore(database_url, tmp_path / name, now=NOW)
    assert len(traces_in(database_url)) == 3
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
