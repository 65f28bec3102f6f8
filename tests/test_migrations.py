"""Migrations: they lead to the tables, up and down, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, select, text

from app.database import SCHEMA_HEAD, database_at, refuse_newer, transaction
from app.errors import SetupError, UnknownField
from app.migrate import migrate, migrate_down, newest_revision, revisions
from app.tables import Trace


def test_the_migrations_make_exactly_the_tables(engine: Engine) -> None:
    with engine.connect() as connection:
        options = {"compare_type": True, "include_object": _is_ours}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Trace.metadata) == []


def _is_ours(_object: object, name: str | None, *_: object) -> bool:
    """Not the full-text index, which each database keeps in its own way."""
    return not (name or "").startswith("search_")


def test_every_revision_walks_up_and_down_twice(engine: Engine) -> None:
    for _ in range(2):
        migrate_down(engine, "base")
        assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
        for revision in revisions():
            migrate(engine, revision)
    assert set(Trace.metadata.tables) <= set(inspect(engine).get_table_names())


def test_revisions_are_numbered_in_order() -> None:
    assert revisions() == [f"{number:04d}" for number in range(1, len(revisions()) + 1)]
    assert newest_revision() == SCHEMA_HEAD


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    migrate(engine)


def test_a_database_of_a_newer_release_is_left_alone_with_a_sentence(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SetupError, match=r"revisions up to .*run the release that wrote it"):
        migrate(engine)
    with pytest.raises(SetupError, match=f"at schema 9999, and this release knows {SCHEMA_HEAD}"):
        refuse_newer(engine)
    with pytest.raises(
        UnknownField, match="there is no revision 'nonsense'; there are base and 0001"
    ):
        migrate_down(engine, "nonsense")


def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with (
        database_at(f"sqlite:///{tmp_path}/missing/t.db") as lost,
        pytest.raises(SetupError, match=r"missing/t.db.*TOUCHSTONE_DATABASE_URL"),
    ):
        migrate(lost)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Not a database at all. " * 100)
    with (
        pytest.raises(SetupError, match=r"notes.txt is no SQLite database"),
        database_at(f"sqlite:///{tmp_path}/notes.txt") as other,
    ):
        migrate(other)


@pytest.mark.parametrize("path", sorted(Path("app/migrations/versions").glob("0*.py")))
def test_a_revision_file_is_named_after_its_number(path: Path) -> None:
    assert f'revision = "{path.name[:4]}"' in path.read_text()


def test_servers_that_start_together_migrate_one_after_another(engine: Engine) -> None:
    migrate_down(engine, "base")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, [engine] * 4))
    assert set(Trace.metadata.tables) <= set(inspect(engine).get_table_names())


@pytest.mark.parametrize("table", ["evaluation", "audit_entry"])
def test_a_database_of_an_older_release_is_told_what_to_do(engine: Engine, table: str) -> None:
    migrate_down(engine, "0010")
    with (
        pytest.raises(SetupError, match="of an older release; run `touchstone migrate`"),
        transaction(engine) as session,
    ):
        session.execute(select(Trace.metadata.tables[table])).all()
