"""A copy of a database that is whole: of one moment, checked, and under its name only when done."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from app.database import new_file
from app.errors import Conflict, SetupError
from app.settings import child_environment


def back_up(url: str, target: Path, advance: Callable[[int], None] = lambda _: None) -> int:
    """Copy the database of the URL into a file; how many bytes it has.

    Raises Conflict where the file exists, SetupError where the copy cannot be made.
    """
    if target.exists():
        raise Conflict(f"{target} exists already; choose another name, nothing was written")
    if not target.absolute().parent.is_dir():
        raise SetupError(f"cannot write {target}: there is no folder {str(target.parent)!r}")
    part = target.with_name(target.name + ".part")
    try:
        part.unlink(missing_ok=True)
        new_file(str(part))
        if make_url(url).drivername.startswith("sqlite"):
            _copy_sqlite(make_url(url).database or "", part, advance)
        else:
            _dump_postgres(url, part)
        sync_file(part)
        part.replace(target)
    except OSError as error:
        raise SetupError(f"cannot write {target}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def _copy_sqlite(source: str, part: Path, advance: Callable[[int], None]) -> None:
    """In one step of the backup API: between two of them a writer would make it begin anew."""
    if not Path(source).is_file():
        raise SetupError(f"there is no database {source!r}; check TOUCHSTONE_DATABASE_URL")
    try:
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(part)) as new:
            old.execute("BEGIN")
            old.execute("SELECT count(*) FROM sqlite_master").fetchone()
            old.backup(new, pages=-1, progress=lambda _status, _left, total: advance(total))
            new.execute("PRAGMA journal_mode=DELETE")
            (verdict,) = new.execute("PRAGMA quick_check").fetchone()
    except sqlite3.Error as error:
        raise SetupError(f"the database {source!r} cannot be copied: {error}") from None
    if verdict != "ok":
        raise SetupError(f"the database {source!r} is damaged: {verdict}")


def _dump_postgres(url: str, part: Path) -> None:
    address, environment = pg_surroundings(url)
    options = ("--format=custom", "--no-owner", f"--file={part}", f"--dbname={address}")
    done = subprocess.run(
        [pg_program("pg_dump"), *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SetupError(f"pg_dump failed: {done.stderr.strip().splitlines()[-1]}")


def pg_program(name: str) -> str:
    """Where one of PostgreSQL's client programs is, or SetupError."""
    program = shutil.which(name)
    if program is None:
        raise SetupError(f"{name} is not here; install PostgreSQL's client programs")
    return program


def pg_surroundings(url: str) -> tuple[str, dict[str, str]]:
    """The address without its password, and the environment, with it, for a client program.

    Everybody on the machine can read the arguments of a process, but not its environment.
    """
    address = make_url(url).set(drivername="postgresql")
    environment = {**child_environment(), "PGPASSWORD": str(address.password or "")}
    return address.set(password=None).render_as_string(), environment


def sync_file(path: Path) -> None:
    """Return when the file is on disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def digest_of_file(path: Path) -> str:
    """The sha256 of what is in the file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
