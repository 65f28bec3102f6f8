"""Put a backup in the place of a database: whole or not at all, and never while it is in use.

SQLite applies the log of a crashed database to whatever file it finds beside it, so that a backup
copied over such a database is damaged at the next start. Here the old files go together, under
another name.
"""

import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime
from pathlib import Path

from sqlalchemy import inspect, make_url

from app.backup import pg_program, pg_surroundings, sync_file
from app.database import SCHEMA_HEAD, make_private, open_database, reading
from app.errors import SetupError

BESIDE = ("", "-wal", "-shm", "-journal")
"""What belongs to a database of SQLite, by the ends of the names."""


def restore(url: str, backup: Path, *, now: datetime) -> Path | None:
    """Put the backup in the place of the database; where the old one lies now, if there was one.

    Raises SetupError where the file is no backup or somebody uses the database; nothing has changed
    then. A database of PostgreSQL must be empty.
    """
    if not backup.is_file():
        raise SetupError(f"there is no file {str(backup)!r}")
    if not make_url(url).drivername.startswith("sqlite"):
        _refuse_filled(url)
        _fill_postgres(url, backup)
        return None
    _check_sqlite(backup)
    target = Path(make_url(url).database or "")
    _refuse_used(target)
    part = target.with_name(target.name + ".part")
    try:
        return _exchange(backup, target, part, f"{target}.before-{now:%Y%m%dT%H%M%S}")
    except OSError as error:
        raise SetupError(f"cannot write {part}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def _exchange(backup: Path, target: Path, part: Path, aside: str) -> Path | None:
    part.unlink(missing_ok=True)
    make_private(str(part))
    shutil.copyfile(backup, part)
    is_there = target.exists()
    if is_there:
        shutil.copymode(target, part)
    sync_file(part)
    for end in BESIDE:
        old = Path(f"{target}{end}")
        if old.exists():
            old.rename(f"{aside}{end}")
    part.replace(target)
    return Path(aside) if is_there else None


def _check_sqlite(backup: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{backup.absolute().as_uri()}?mode=ro", uri=True)) as copy:
            (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            (found,) = copy.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.Error, TypeError) as error:
        raise SetupError(f"{str(backup)!r} is no backup of Touchstone: {error}") from None
    if verdict != "ok":
        raise SetupError(f"the backup {str(backup)!r} is damaged: {verdict}")
    if found > SCHEMA_HEAD:
        raise SetupError(
            f"the backup is at schema {found}, and this release knows {SCHEMA_HEAD}; "
            "restore it with the release that wrote it"
        )


def _refuse_used(target: Path) -> None:
    """Raise SetupError while another process has the database open; its log is written back."""
    if not target.is_file():
        return
    try:
        with closing(sqlite3.connect(target, timeout=1)) as old:
            old.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise SetupError(
                f"somebody uses {str(target)!r}; stop every server and worker first"
            ) from None
    except sqlite3.DatabaseError:
        # A damaged database is what a backup is for; its files are kept as they are.
        return


def _refuse_filled(url: str) -> None:
    engine = open_database(url)
    with reading(engine) as session:
        filled = inspect(session.connection()).get_table_names()
    engine.dispose()
    if filled:
        raise SetupError(
            "a backup of PostgreSQL is restored into an empty database; make one with createdb, "
            "set TOUCHSTONE_DATABASE_URL to it, and name the old one with --old"
        )


def _fill_postgres(url: str, backup: Path) -> None:
    options = ("--no-owner", "--exit-on-error", "--single-transaction")
    address, environment = pg_surroundings(url)
    done = subprocess.run(
        [pg_program("pg_restore"), *options, f"--dbname={address}", str(backup)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SetupError(f"pg_restore failed: {done.stderr.strip().splitlines()[0]}")
