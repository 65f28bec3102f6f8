"""`touchstone prune`: forget what is old, and leave counts, labels and reports."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

import typer
from sqlalchemy import Engine

from app.commands.progress import progress_bar
from app.database import open_database, overwrite_deleted, reading, reclaim, transaction
from app.errors import UnknownField
from app.settings import read_settings
from app.store.pruning import (
    count_interactions,
    count_of_trace,
    count_traces,
    erase_trace,
    prune_interactions,
    prune_traces,
)

ROWS_PER_TRANSACTION = 200
"""Few, so that whoever sends traces meanwhile never waits long."""


def command(
    spans: Annotated[
        int | None, typer.Option(min=1, help="Forget raw spans after so many days.")
    ] = None,
    interactions: Annotated[
        int | None,
        typer.Option(min=1, help="Forget interactions that nobody labelled after so many days."),
    ] = None,
    project: Annotated[str, typer.Option(help="The project they belong to.")] = "default",
    traces: Annotated[
        list[str] | None,
        typer.Option("--trace", help="Forget this trace for good; may be given several times."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Forget raw spans and interactions that arrived long ago, or single traces for good.

    Labels, the interactions they are on, review queues, counts per hour and reports stay. The
    server may run meanwhile. What is forgotten is overwritten in SQLite's file, too, and does not
    come back when a sender retries late.

    Example: touchstone prune --spans 90 --interactions 365 --dry-run
    """
    if spans is None and interactions is None and not traces:
        raise UnknownField("say what to forget: --spans DAYS, --interactions DAYS or --trace ID")
    now = datetime.now(UTC)
    engine = open_database(read_settings().database_url)
    counts = {"traces": 0, "interactions": 0}
    try:
        for name, days, count, prune in (
            ("traces", spans, count_traces, partial(prune_traces, now=now)),
            ("interactions", interactions, count_interactions, prune_interactions),
        ):
            if days is not None:
                before = now - timedelta(days=days)
                with reading(engine) as session:
                    counts[name] = count(session, project, before)
                if not dry_run:
                    counts[name] = _forget(engine, name, project, before, counts[name], prune)
        kept = 0
        for trace_id in traces or ():
            gone, stay = _erase(engine, project, trace_id.lower(), dry_run)
            counts["traces"], counts["interactions"] = (
                counts["traces"] + 1,
                counts["interactions"] + gone,
            )
            kept += stay
        if not dry_run and any(counts.values()):
            reclaim(engine)
    finally:
        engine.dispose()
    _tell(counts, kept, dry_run, as_json)


def _forget(
    engine: Engine,
    name: str,
    project: str,
    before: datetime,
    total: int,
    prune: Callable[..., int],
) -> int:
    gone = 0
    with progress_bar(f"Forgetting {name}", total) as advance:
        while True:
            with transaction(engine) as session:
                overwrite_deleted(session)
                some = prune(session, project, before, limit=ROWS_PER_TRANSACTION)
            gone += some
            advance(some)
            if some < ROWS_PER_TRANSACTION:
                return gone


def _erase(engine: Engine, project: str, trace_id: str, dry_run: bool) -> tuple[int, int]:
    """Forget one trace, or only count; how many of its interactions go and how many stay."""
    if dry_run:
        with reading(engine) as session:
            return count_of_trace(session, project, trace_id)
    with transaction(engine) as session:
        overwrite_deleted(session)
        return erase_trace(session, project, trace_id)


def _tell(counts: dict[str, int], kept: int, dry_run: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({**counts, "kept": kept, "dry_run": dry_run}))
        return
    verb = "would be forgotten" if dry_run else "forgotten"
    traces, interactions = counts["traces"], counts["interactions"]
    typer.echo(f"The spans of {traces} traces and {interactions} interactions {verb}.")
    if kept:
        typer.echo(
            f"{kept} interactions of these traces stay, because they were given to reviewers."
        )
