"""`touchstone migrate`: bring the database to the newest schema."""

from typing import Annotated

import typer

from app.database import open_database
from app.migrate import migrate, migrate_down
from app.settings import read_settings


def command(
    down: Annotated[
        str | None, typer.Option(help="Walk down to this revision instead; `base` empties it.")
    ] = None,
) -> None:
    """Bring the database to the newest schema.

    Example: touchstone migrate
    """
    engine = open_database(read_settings().database_url)
    if down is None:
        migrate(engine)
    else:
        migrate_down(engine, down)
    typer.echo("The database is at the schema asked for.")
