"""`touchstone backup`: a copy of the database as of one moment, while the server runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.backup import back_up, digest_of_file
from app.commands.operator import operator
from app.commands.progress import progress_bar
from app.database import open_database, transaction
from app.settings import read_settings
from app.store.audit import BACKED_UP, note


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
    engine = open_database(url)
    with transaction(engine) as session:
        now = datetime.now(UTC)
        note(
            session,
            operator(),
            BACKED_UP,
            now=now,
            about=file.name,
            n_bytes=size,
            sha256=digest_of_file(file),
        )
    engine.dispose()
    typer.echo(f"wrote {file}, {size:,} bytes")
