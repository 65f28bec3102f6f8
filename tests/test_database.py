"""The database: durable, honest about being busy, and clear about a missing schema."""

import os
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from app.database import open_database, reading, transaction
from app.errors import Busy, Damaged, SetupError
from app.migrate import migrate
from app.tables import Heartbeat
from tests.builders import only_reading


def beat(engine: Engine, name: str, now: datetime) -> None:
    with transaction(engine) as session:
        session.add(Heartbeat(worker=name, seen_at=now, evaluators=[]))


def test_every_connection_waits_for_the_disk(engine: Engine) -> None:
    with reading(engine) as session:
        if engine.dialect.name == "sqlite":
            assert session.connection().scalar(text("PRAGMA synchronous")) == 2
            assert session.connection().scalar(text("PRAGMA journal_mode")) == "wal"
        else:
            assert session.connection().scalar(text("SHOW synchronous_commit")) == "on"


def test_a_transaction_that_raises_leaves_nothing(engine: Engine, now: datetime) -> None:
    def interrupted() -> None:
        with transaction(engine) as session:
            session.add(Heartbeat(worker="w", seen_at=now, evaluators=[]))
            session.flush()
            raise KeyError("half-way")

    with pytest.raises(KeyError):
        interrupted()
    with reading(engine) as session:
        assert session.get(Heartbeat, "w") is None


def test_many_threads_write_and_none_is_turned_away(engine: Engine, now: datetime) -> None:
    threads = [threading.Thread(target=beat, args=(engine, f"w{n}", now)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as session:
        assert session.connection().scalar(text("SELECT count(*) FROM heartbeat")) == 40


def test_a_database_without_tables_says_what_to_do(tmp_path: Path, now: datetime) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/empty.db")
    with pytest.raises(SetupError, match="touchstone migrate"):
        beat(engine, "w", now)
    engine.dispose()


def test_a_database_that_cannot_be_reached_is_busy_not_broken(now: datetime) -> None:
    engine = open_database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(Busy, match="cannot be reached"):
        beat(engine, "w", now)


def is_open(path: str | None) -> bool:
    """Whether this process has the file open, which a cursor that was left does, too."""
    names = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return path in [os.path.realpath(name) for name in names]


def test_a_database_that_only_reads_for_a_while_is_busy_and_written_again_afterwards(
    engine: Engine, now: datetime
) -> None:
    with only_reading(engine):
        with reading(engine) as one, reading(engine) as other:
            assert [it.scalar(text("SELECT 1")) for it in (one, other)] == [1, 1]
        for _ in range(2):
            with pytest.raises(Busy, match="cannot write"):
                beat(engine, "w", now)
            assert not is_open(engine.url.database)
    beat(engine, "w", now)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_was_given_back_to_a_pool_that_could_only_read_is_closed_at_the_next_try(
    engine: Engine, now: datetime
) -> None:
    with only_reading(engine):
        with reading(engine) as held:
            held.scalar(text("SELECT 1"))
            with pytest.raises(Busy, match="cannot write"):
                beat(engine, "w", now)
        with pytest.raises(Busy, match="cannot write"):
            beat(engine, "w", now)
        assert not is_open(engine.url.database)


def test_a_damaged_database_is_told_as_such_and_senders_keep_what_they_have(
    tmp_path: Path, now: datetime
) -> None:
    path = tmp_path / "hurt.db"
    engine = open_database(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    whole = path.read_bytes()
    for broken in (whole[:4096] + b"x" * (len(whole) - 4096), whole[:100] + b"x" * len(whole)):
        path.write_bytes(broken)
        with pytest.raises(Damaged, match="touchstone restore") as error:
            beat(engine, "w", now)
        assert error.value.status_code == 503
        with pytest.raises(Damaged, match="touchstone restore"), reading(engine) as session:
            session.execute(text("SELECT * FROM heartbeat")).all()
        with pytest.raises(Damaged, match="touchstone restore"):
            migrate(engine)
        engine.dispose()


def test_a_new_database_is_for_its_owners_eyes_and_an_old_one_stays_as_it_was_set(
    tmp_path: Path, now: datetime
) -> None:
    path = tmp_path / "new.db"
    before = os.umask(0o022)
    try:
        engine = open_database(f"sqlite:///{path}")
        migrate(engine)
        assert {one.stat().st_mode & 0o777 for one in tmp_path.glob("new.db*")} == {0o600}
        engine.dispose()
        path.chmod(0o640)
        beat(engine, "w", now)
        assert {one.stat().st_mode & 0o777 for one in tmp_path.glob("new.db*")} == {0o640}
    finally:
        os.umask(before)
        engine.dispose()


def test_a_process_that_looks_in_does_not_part_a_server_from_its_database(
    tmp_path: Path, now: datetime
) -> None:
    path = tmp_path / "shared.db"
    engine = open_database(f"sqlite:///{path}")
    migrate(engine)
    looks_in = f"import sqlite3; sqlite3.connect({str(path)!r}).execute('SELECT 1 FROM heartbeat')"
    with reading(engine) as session:
        session.execute(text("SELECT 1"))
        # Another connection of this process must not cost the first one its locks.
        beat(engine, "before", now)
        session.rollback()
        subprocess.run([sys.executable, "-c", looks_in], check=True)
        assert path.with_name("shared.db-wal").exists()
        beat(engine, "after", now)
    other = open_database(f"sqlite:///{path}")
    with reading(other) as session:
        names = session.scalars(text("SELECT worker FROM heartbeat")).all()
    assert sorted(names) == ["after", "before"]
    assert not list(tmp_path.glob("*.new"))
    other.dispose()
    engine.dispose()


def test_times_come_back_in_utc(engine: Engine, now: datetime) -> None:
    beat(engine, "w", datetime.fromisoformat("2026-11-18T14:00:00+02:00"))
    with reading(engine) as session:
        row = session.get(Heartbeat, "w")
        assert row is not None
        assert (row.seen_at, row.seen_at.utcoffset()) == (now, now.utcoffset())
