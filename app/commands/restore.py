"""`touchstone restore`: put a backup in the place of the database, and erase again what was."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from sqlalchemy import Engine, make_url
from sqlalchemy.exc import DBAPIError

from app.commands.operator import operator
from app.commands.progress import progress_bar
from app.commands.prune import erase_noted
from app.database import database_at, reading, reclaim, transaction
from app.errors import SetupError, TouchstoneError
from app.migrate import migrate
from app.reports.numbers import counted
from app.restore import restoring
from app.settings import read_settings
from app.store.audit import Head, head, note
from app.store.erased import all_erased
from app.store.erasing import Erased


class Known(NamedTuple):
    """What the replaced database knew: its traces that were erased for good, and its log's head."""

    erased: list[tuple[str, str]]
    log: Head


def command(
    file: Annotated[Path, typer.Argument(help="The file that `touchstone backup` wrote.")],
    old: Annotated[
        str | None,
        typer.Option(help="The address of the replaced database, where it is another one."),
    ] = None,
) -> None:
    """Put a backup in the place of the database, with servers and workers stopped.

    SQLite: the old file is kept under another name, for you to delete. PostgreSQL: the database
    must be empty; name the replaced one with --old. Traces that were erased since the backup was
    made are erased again, as far as the replaced database can be read.

    Example: touchstone restore touchstone-2026-11-18.db
    """
    url, now = read_settings().database_url, datetime.now(UTC)
    known = _known(old) if old else _known_if_readable(url)
    with restoring(url, file, now=now) as restored:
        erased = _finish(restored.url, known, file.name, now)
    typer.echo(f"restored {file}")
    if restored.aside is not None:
        kept = restored.aside
        typer.echo(f"The old database is kept as {kept}; delete it when you need it no more.")
    typer.echo(_told(known, erased))


def _known(url: str) -> Known:
    """What a database knows; SetupError or another sentence where it cannot be read."""
    name = make_url(url).database or ""
    if make_url(url).drivername.startswith("sqlite") and not Path(name).is_file():
        raise SetupError(f"there is no database {name!r}; name the replaced one with --old")
    with database_at(url) as engine, reading(engine) as session:
        return Known(all_erased(session), head(session))


def _known_if_readable(url: str) -> Known | None:
    try:
        return _known(url)
    except (TouchstoneError, DBAPIError):
        return None


def _finish(url: str, known: Known | None, name: str, now: datetime) -> Erased:
    """Bring the backup up to this release, and erase from it what was erased since."""
    with database_at(url) as engine:
        migrate(engine)
        erased = _erase_again(engine, known, now)
        with transaction(engine) as session:
            before = str(known.log) if known else None
            note(session, operator(), "backup.restored", now=now, about=name, replaced=before)
    return erased


def _erase_again(engine: Engine, known: Known | None, now: datetime) -> Erased:
    with reading(engine) as session:
        gone = set(all_erased(session))
    erased = Erased()
    missing = [one for one in known.erased if one not in gone] if known else []
    with progress_bar("Erasing traces again", len(missing)) as advance:
        for project, trace_id in missing:
            erased += erase_noted(engine, project, trace_id, now)
            advance(1)
    if missing:
        reclaim(engine)
    return erased


def _told(known: Known | None, erased: Erased) -> str:
    if known is None:
        return (
            "The replaced database could not be read: what was erased since the backup is back; "
            "erase it again with `touchstone prune`."
        )
    n = counted(erased.gone + erased.emptied, "interaction")
    return f"What was erased since the backup was erased again: {n}."
