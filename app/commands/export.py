"""`touchstone export`: write labels or interactions to a file for other tools."""

import gzip
import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

import typer
from sqlmodel import Session

from app.backup import digest_of_file
from app.commands.operator import operator
from app.commands.progress import progress_bar
from app.database import open_database, reading, transaction
from app.errors import UnknownField
from app.export import (
    LABEL_COLUMNS,
    count_interactions,
    csv_text,
    interaction_rows,
    json_lines,
    label_rows,
    note_export,
    note_written,
)
from app.requests import instant_of
from app.settings import read_settings
from app.store.interactions import InteractionFilter

What = Literal["annotations", "interactions"]


def command(
    what: Annotated[What, typer.Argument(help="annotations (labels) or interactions.")],
    file: Annotated[str, typer.Argument(help="A .csv or .jsonl file, also .gz, or - for stdout.")],
    application: Annotated[str | None, typer.Option(help="Only of this application.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Only interactions from this day on.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Only interactions before this day.")] = None,
    project: Annotated[str, typer.Option(help="The project they belong to.")] = "default",
) -> None:
    """Write labels or interactions to a file, the oldest interaction first.

    Labels go to CSV, one a row, safe to open in a spreadsheet, or to JSON Lines; interactions to
    JSON Lines that `touchstone import` reads. Labels that were replaced are left out. The audit log
    keeps the sha256 of what was written; `touchstone audit file FILE` finds it.

    Example: touchstone export annotations labels.csv --from 2026-11-16
    """
    settings = read_settings()
    as_csv = _is_csv(what, file)
    zone = settings.time_zone
    filters = InteractionFilter(
        application=application,
        from_at=instant_of(from_, zone, name="--from"),
        to_at=instant_of(to, zone, name="--to"),
    )
    engine = open_database(settings.database_url)
    try:
        with _opened(file) as out, reading(engine) as session:
            with transaction(engine) as noted:
                now = datetime.now(UTC)
                note_export(noted, operator(), project, filters, what=what, now=now)
            total = count_interactions(session, project, filters, labelled=what == "annotations")
            said = hashlib.sha256()
            with progress_bar("Exporting", total) as advance:
                rows = _counted(_rows(session, what, project, filters), advance)
                for text in csv_text(rows, LABEL_COLUMNS) if as_csv else json_lines(rows):
                    out.write(text)
                    said.update(text.encode())
        digest = said.hexdigest() if file == "-" else digest_of_file(Path(file))
        with transaction(engine) as noted:
            now = datetime.now(UTC)
            note_written(noted, operator(), project, what=what, sha256=digest, now=now)
    finally:
        engine.dispose()


def _rows(
    session: Session, what: What, project: str, filters: InteractionFilter
) -> Iterator[list[dict[str, Any]]]:
    if what == "annotations":
        return label_rows(session, project, filters)
    return interaction_rows(session, project, filters)


def _counted(
    rows: Iterable[list[dict[str, Any]]], advance: Any
) -> Iterator[Sequence[dict[str, Any]]]:
    for some in rows:
        yield some
        advance(len({row.get("interaction_id", row["id"]) for row in some}))


def _is_csv(what: What, file: str) -> bool:
    name = file.removesuffix(".gz")
    if name.endswith(".csv") and what == "annotations":
        return True
    if name == "-" or name.endswith(".jsonl"):
        return False
    kinds = ".csv or .jsonl" if what == "annotations" else ".jsonl"
    raise UnknownField(f"{what} are written to a file that ends in {kinds}, not to {file!r}")


@contextmanager
def _opened(file: str) -> Iterator[TextIO]:
    """A text file that is complete or not there: it gets its name when all is written."""
    if file == "-":
        yield sys.stdout
        return
    path, part = Path(file), Path(file + ".part")
    try:
        opened = gzip.open if file.endswith(".gz") else open
        with opened(part, "wt", encoding="utf-8", newline="") as out:
            yield out
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
