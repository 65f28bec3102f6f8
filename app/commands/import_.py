"""`touchstone import`: read interactions from a JSON Lines file into the database."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from sqlalchemy import Engine

from app.commands.progress import in_chunks, progress_bar
from app.criteria import read_criteria
from app.database import open_database, transaction
from app.errors import BadRequest
from app.ingest.jsonl import NumberedLine, parse_interaction, parse_line, read_lines
from app.migrate import migrate
from app.selection import find_evaluators
from app.settings import read_settings
from app.store.erased import TOLD
from app.store.interactions import save_interactions
from app.store.naming import checked_name
from app.tables import Interaction
from evaluators.protocol import EvaluatorSpec

LINES_PER_TRANSACTION = 200


def command(
    file: Annotated[str, typer.Argument(help="A .jsonl or .jsonl.gz file, or - for stdin.")],
    application: Annotated[
        str, typer.Option(help="The application of lines that name none.")
    ] = "default",
    project: Annotated[str, typer.Option(help="The project they belong to.")] = "default",
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first bad line, exit code 2.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Store the interactions of a file; importing it again changes nothing.

    A line has prompt, response, contexts and segments, and may have id, trace_id, application,
    started_at, model, conversation_id. A worker judges what was imported. Bad lines are told on
    stderr; the exit code is still 0, or 1 where no line was good. With --strict the lines before
    the bad one remain stored.

    Example: touchstone import answers.jsonl --application helpdesk
    """
    project = checked_name("project", project)
    settings, criteria = read_settings(), read_criteria()
    found = [one.spec for one in find_evaluators(settings)]
    specs = [spec for spec in found if spec.criterion in criteria.by_name]
    total = None if file == "-" else sum(1 for _ in read_lines(file))
    engine = open_database(settings.database_url)
    counts: Counter[str] = Counter()
    try:
        migrate(engine)
        with progress_bar("Importing", total) as advance:
            for lines in in_chunks(read_lines(file), LINES_PER_TRANSACTION):
                now = datetime.now(UTC)
                rows = read_rows(lines, project, application, now=now, strict=strict)
                counts["rejected"] += len(lines) - len(rows)
                counts.update(save_rows(engine, rows, specs, now=now))
                advance(len(lines))
    finally:
        engine.dispose()
    _tell(counts, as_json)
    if counts["rejected"] and counts["rejected"] == counts.total():
        raise typer.Exit(1)


def read_rows(
    lines: Sequence[NumberedLine], project: str, application: str, *, now: datetime, strict: bool
) -> list[Interaction]:
    """The interactions of the lines that can be read; the others are told on stderr."""
    rows = []
    for line in lines:
        where = f"line {line.number}"
        try:
            value = parse_line(line.text, where)
            if isinstance(value, dict) and not value.get("application"):
                value["application"] = application
            rows.append(parse_interaction(value, project=project, now=now, where=where))
        except BadRequest as error:
            if strict:
                raise
            typer.echo(f"touchstone: {error.detail}", err=True)
    return rows


def save_rows(
    engine: Engine, rows: Sequence[Interaction], specs: Sequence[EvaluatorSpec], *, now: datetime
) -> dict[str, int]:
    """How many of the rows were created, changed, unchanged or refused, in one transaction."""
    with transaction(engine) as session:
        saved = save_interactions(session, rows, specs=specs, now=now)
    for row in saved.refused:
        typer.echo(f"touchstone: trace {row.trace_id}: {TOLD}", err=True)
    counts = {"created": saved.created, "changed": saved.changed, "unchanged": saved.unchanged}
    return {**counts, "rejected": len(saved.refused)}


def _tell(counts: Counter[str], as_json: bool) -> None:
    names = ("created", "changed", "unchanged", "rejected")
    if as_json:
        typer.echo(json.dumps({name: counts[name] for name in names}))
    else:
        typer.echo(", ".join(f"{counts[name]} {name}" for name in names), err=True)
