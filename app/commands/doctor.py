"""`touchstone doctor`: what was found in traces, what was not, and why."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Engine

from app.assembly import TRACES_PER_ROUND, assemble
from app.commands.operator import operator
from app.commands.progress import progress_bar
from app.criteria import read_criteria
from app.database import open_database, reading, transaction
from app.errors import NotFound
from app.ingest.assemble import TraceReading
from app.ingest.dialects import EXTRACTOR
from app.ingest.doctor import Diagnosis, SpanDiagnosis, examine
from app.ingest.stored import telemetry_of
from app.reports.numbers import counted
from app.selection import find_evaluators
from app.settings import read_settings
from app.store.audit import note
from app.store.extractions import DAYS, count_traces, outdated_traces, recent_tallies
from evaluators.protocol import EvaluatorSpec


def command(
    trace_id: Annotated[
        str | None, typer.Argument(help="The trace to explain; all applications without it.")
    ] = None,
    project: Annotated[str, typer.Option(help="The project of the traces.")] = "default",
    reextract: Annotated[
        bool, typer.Option("--reextract", help="Read the traces of older versions anew.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="With --reextract: read all traces anew.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain what was found in a trace, count what is not understood, or read traces anew.

    Example: touchstone doctor 0af7651916cd43dd8448eb211c80319c
    """
    settings = read_settings()
    engine = open_database(settings.database_url)
    try:
        if reextract:
            criteria = read_criteria()
            found = [one.spec for one in find_evaluators(settings)]
            specs = [spec for spec in found if spec.criterion in criteria.by_name]
            n = reextract_traces(engine, specs, every=every)
            with transaction(engine) as session:
                now = datetime.now(UTC)
                note(session, operator(), "traces.reextracted", now=now, about=EXTRACTOR, n=n)
            _say_reextracted(n, as_json)
        elif trace_id is None:
            _overview(engine, project, as_json)
        else:
            _explain(engine, project, trace_id.lower(), as_json)
    finally:
        engine.dispose()


def reextract_traces(engine: Engine, specs: Sequence[EvaluatorSpec], *, every: bool) -> int:
    """Read stored traces anew with this version of the extraction; return how many."""
    with reading(engine) as session:
        total = count_traces(session, EXTRACTOR, every=every)
    after, done = ("", ""), 0
    with progress_bar("Reading traces", total) as advance:
        while True:
            with reading(engine) as session:
                traces = outdated_traces(
                    session, EXTRACTOR, after=after, limit=TRACES_PER_ROUND, every=every
                )
            if not traces:
                return done
            assemble(engine, traces, specs, now=datetime.now(UTC))
            after = traces[-1].project, traces[-1].trace_id
            done += len(traces)
            advance(len(traces))


def diagnosis_of(engine: Engine, project: str, trace_id: str) -> Diagnosis:
    """The diagnosis of a stored trace, or NotFound."""
    with reading(engine) as session:
        arrived = telemetry_of(session, [(project, trace_id)])[project, trace_id]
    if not arrived.spans and not arrived.logs:
        raise NotFound(f"there is no trace {trace_id!r} in the project {project!r}")
    return examine(trace_id, TraceReading(arrived.spans, arrived.logs))


def _explain(engine: Engine, project: str, trace_id: str, as_json: bool) -> None:
    found = diagnosis_of(engine, project, trace_id)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
        return
    console = Console()
    console.print(f"[bold]Trace {trace_id}[/] of {escape(repr(found.application))}")
    for sentence in found.sentences:
        console.print(f"  {escape(sentence)}")
    for span in found.spans:
        _print_span(console, span)


def _print_span(console: Console, span: SpanDiagnosis) -> None:
    console.print(f"[bold]{escape(span.name or '(no name)')}[/] {span.span_id}: {escape(span.why)}")
    for one in span.found:
        place = f"{one.convention}, {one.attribute}"
        console.print(f"  {escape(one.field)}: {escape(one.value)}  [dim]{escape(place)}[/]")
    if span.missing and span.verdict != "plumbing":
        console.print(f"  [yellow]not found: {', '.join(span.missing)}[/]")
    if span.unread:
        console.print(f"  [dim]not read: {escape(', '.join(span.unread))}[/]")


def _overview(engine: Engine, project: str, as_json: bool) -> None:
    with reading(engine) as session:
        tallies = recent_tallies(session, project, now=datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps([one._asdict() for one in tallies], indent=2))
        return
    table = Table("application", "traces", "without interaction", "spans", "unmapped spans")
    for one in tallies:
        table.add_row(escape(one.application) or "(no name)", *map(str, one[1:]))
    console = Console()
    console.print(table)
    console.print(f"Of the last {DAYS} days. `touchstone doctor TRACE_ID` explains one trace.")


def _say_reextracted(n: int, as_json: bool) -> None:
    told = {"traces": n, "extractor": EXTRACTOR}
    traces = f"{counted(n, 'trace')} {'was' if n == 1 else 'were'}"
    sentence = f"{traces} read anew by extraction {EXTRACTOR}."
    typer.echo(json.dumps(told) if as_json else sentence)
