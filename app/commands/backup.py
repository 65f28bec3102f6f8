"""`touchstone backup`: a copy of the database as of one moment, while the server runs."""

from pathlib import Path
from typing import Annotated

import typer

from app.backup import back_up
from app.commands.progress import progress_bar
from app.settings import read_settings


def command(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")],
) -> None:
    """Copy the whole database into one file, as it is at one moment; the server may run.

    SQLite: the copy is a database that was checked; to restore it, stop the server and put it in
    the place of the old file. PostgreSQL: an archive of pg_dump, which pg_restore reads.

    Example: touchstone backup touchstone-2026-11-18.db
    """
    with progress_bar("Copying", None) as advance:
        size = back_up(read_settings().database_url, file, advance)
    typer.echo(f"wrote {file}, {size:,} bytes")
