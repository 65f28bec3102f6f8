"""`touchstone backup`: a copy of the database as of one moment, while the server runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine, inspect

from app.backup import back_up, digest_of_file
from app.commands.operator import operator
from app.commands.progress import progress_bar
from app.database import open_database, reading, transaction
from app.settings import read_settings
from app.store.audit import BACKED_UP, note
from app.tables import AuditEntry


def command(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")],
) -> None:
    """Copy the whole database into one file, as it is at one moment; the server may run.

    SQLite: the copy is a database that was checked. PostgreSQL: an archive of pg_dump, which needs
    PostgreSQL's client programs. `touchstone restore` puts it back: do not copy it over a database,
    because what a crash left beside that would damage it.

    Example: touchstone backup touchstone-2026-11-18.db
    """
    url = read_settings().database_url
    with progress_bar("Copying", None) as advance:
        size = back_up(url, file, advance)
    typer.echo(f"wrote {file}, {size:,} bytes")
    engine = open_database(url)
    if _has_log(engine):
        _note(engine, file, size)
    else:
        typer.echo("touchstone: not noted: this database has no audit log yet", err=True)
    engine.dispose()


def _note(engine: Engine, file: Path, size: int) -> None:
    digest, now = digest_of_file(file), datetime.now(UTC)
    with transaction(engine) as session:
        who, about = operator(), file.name
        note(session, who, BACKED_UP, now=now, about=about, n_bytes=size, sha256=digest)


def _has_log(engine: Engine) -> bool:
    """Whether the database is of a release that keeps an audit log; a copy is made before any
    upgrade."""
    with reading(engine) as session:
        return inspect(session.connection()).has_table(AuditEntry.__tablename__)
