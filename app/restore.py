"""Put a backup in the place of a database: whole or not at all, and never while it is in use.

SQLite applies the log of a crashed database to whatever file it finds beside it, so that a backup
copied over such a database is damaged at the next start. Here the old files go together, under
another name, and what is to be done to the backup is done before it gets the name.
"""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import inspect, make_url

from app.backup import pg_program, pg_surroundings, sync_file
from app.database import SCHEMA_HEAD, new_file, open_database, reading
from app.errors import SetupError

LOGS = ("-wal", "-shm", "-journal")
"""How the names of the files end that belong to a database of SQLite."""


@dataclass(slots=True)
class Restored:
    """The address under which a backup is finished, and where the old database lies afterwards."""

    url: str
    aside: Path | None = None


@contextmanager
def restoring(url: str, backup: Path, *, now: datetime) -> Iterator[Restored]:
    """The backup, to be finished in the block; it is the database once the block has ended well.

    Raises SetupError where the file is no backup or somebody uses the database; nothing has changed
    then, nor where the block raises. A database of PostgreSQL must be empty, and is filled at once.
    """
    if not backup.is_file():
        raise SetupError(f"there is no file {str(backup)!r}")
    if not make_url(url).drivername.startswith("sqlite"):
        _refuse_filled(url)
        _fill_postgres(url, backup)
        yield Restored(url)
        return
    target = Path(make_url(url).database or "")
    if target.is_file() and backup.samefile(target):
        raise SetupError(f"{str(backup)!r} is the database itself; name a backup")
    _check_sqlite(backup)
    part = target.with_name(target.name + ".part")
    try:
        with _held(target), _removed(part):
            new_file(str(part))
            shutil.copyfile(backup, part)
            restored = Restored(f"sqlite:///{part}")
            yield restored
            restored.aside = _exchange(part, target, f"{target}.before-{now:%Y%m%dT%H%M%S}")
    except OSError as error:
        raise SetupError(f"cannot write {error.filename or target}: {error.strerror}") from None


def _exchange(part: Path, target: Path, aside: str) -> Path | None:
    with closing(sqlite3.connect(part)) as made:
        made.execute("PRAGMA journal_mode=DELETE").fetchone()
    sync_file(part)
    old = _set_aside(target, part, Path(aside))
    part.replace(target)
    _sync_folder(target.parent)
    return old


def _set_aside(target: Path, part: Path, aside: Path) -> Path | None:
    """Give the old files another name, and the new one their owner and mode.

    The database keeps its first name until it is replaced, where the disk allows two names, so that
    a crash never leaves none: the next start would make an empty one.
    """
    for end in LOGS:
        with suppress(FileNotFoundError):
            Path(f"{target}{end}").rename(f"{aside}{end}")
    if not target.exists():
        return None
    shutil.copymode(target, part)
    with suppress(PermissionError):
        os.chown(part, target.stat().st_uid, target.stat().st_gid)
    try:
        aside.hardlink_to(target)
    except OSError:
        target.rename(aside)
    return aside


@contextmanager
def _removed(part: Path) -> Iterator[None]:
    """No file of this database before and after."""
    files = [Path(f"{part}{end}") for end in ("", *LOGS)]
    for one in files:
        one.unlink(missing_ok=True)
    try:
        yield
    finally:
        for one in files:
            one.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Return when the names in the folder are on disk, where the system can tell."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


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


@contextmanager
def _held(target: Path) -> Iterator[None]:
    """Let nobody open the database meanwhile; SetupError where somebody has. Its log is written
    back, unless it is damaged: its files are kept as they are then."""
    if not target.is_file():
        yield
        return
    with closing(sqlite3.connect(target, timeout=1, isolation_level=None)) as old:
        try:
            old.execute("PRAGMA journal_mode=DELETE").fetchone()
            old.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise SetupError(
                    f"somebody uses {str(target)!r}; stop every server and worker first"
                ) from None
        except sqlite3.DatabaseError:
            # A damaged database is what a backup is for.
            pass
        yield


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
