"""`touchstone prune`: forget what is old, and leave counts, labels and reports."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

import typer
from sqlalchemy import Engine

from app.commands.operator import operator
from app.commands.progress import progress_bar
from app.database import database_at, overwrite_deleted, reading, reclaim, transaction
from app.errors import UnknownField
from app.ingest.naming import traces_naming
from app.reports.numbers import counted
from app.settings import read_settings
from app.store.audit import note
from app.store.erasing import (
    Erased,
    erase_trace,
    knows_trace,
    projects_with_words,
    traces_of_user,
    would_erase,
)
from app.store.interactions import hash_user
from app.store.missing import ERASED_ANSWER
from app.store.pruning import count_interactions, count_traces, prune_interactions, prune_traces

MOST_DAYS = 36_500
"""A century: much longer ago, the calendar ends."""
PRUNED = {"traces": "trace.pruned", "interactions": "interaction.pruned"}
ROWS_PER_TRANSACTION = 200
"""Few, so that whoever sends traces meanwhile never waits long."""


def command(
    spans: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_DAYS, help="Forget raw spans after so many days."),
    ] = None,
    interactions: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_DAYS,
            help="Forget interactions that nobody labelled after so many days.",
        ),
    ] = None,
    project: Annotated[str, typer.Option(help="The project they belong to.")] = "default",
    traces: Annotated[
        list[str] | None,
        typer.Option("--trace", help="Erase this trace for good; may be given several times."),
    ] = None,
    users: Annotated[
        list[str] | None,
        typer.Option("--user", help="Erase every trace of this user, by the id that was sent."),
    ] = None,
    request: Annotated[
        str | None,
        typer.Option(help="How you call the request to be forgotten; the audit log keeps it."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Forget raw spans and interactions that arrived long ago, or erase single traces for good.

    By age, labels stay with the interactions they are on, and so do review queues. --trace and
    --user erase the words of what people labelled, too: from queues, drafts, comments, corrected
    answers and the examples of reports; labels, scores and the numbers of reports stay. The server
    may run meanwhile. What is forgotten is overwritten in SQLite's file and does not come back when
    a sender retries late. Backups, exports and delivered reports are for you to delete. The audit
    log proves what was erased, for which --request, without a word of it.

    Example: touchstone prune --spans 90 --interactions 365 --dry-run
    """
    if spans is None and interactions is None and not traces and not users:
        raise UnknownField(
            "say what to forget: --spans DAYS, --interactions DAYS, --trace ID or --user ID"
        )
    now = datetime.now(UTC)
    counts = {"traces": 0, "interactions": 0}
    with database_at(read_settings().database_url) as engine:
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
                    _note_act(engine, PRUNED[name], project, now, days=days, n=counts[name])
        chosen = _chosen(engine, project, traces or (), users or ())
        erased = Erased()
        with progress_bar("Erasing traces", len(chosen)) as advance:
            for trace_id in chosen:
                erased += _erase(engine, project, trace_id, now, dry_run, request)
                advance(1)
        if (traces or users) and not dry_run:
            done = {"users": len(users or ()), "traces": sum(chosen.values()), **erased.counts}
            _note_act(engine, "erasure.done", project, now, about=request or "", **done)
        counts["traces"] += sum(chosen.values())
        counts["interactions"] += erased.gone
        counts |= {"emptied": erased.emptied, "examples": erased.examples}
        if not dry_run and any(counts.values()):
            reclaim(engine)
    _tell(counts, dry_run, as_json)


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


def _note_act(
    engine: Engine, action: str, project: str, now: datetime, *, about: str = "", **details: int
) -> None:
    with transaction(engine) as session:
        note(session, operator(), action, now=now, project=project, about=about, **details)


def _chosen(
    engine: Engine, project: str, traces: Sequence[str], users: Sequence[str]
) -> dict[str, bool]:
    """The traces to erase, each once, and whether anything of it is here: those named, and those in
    which a user said something. Says of whom and what is named whether it is unknown.
    """
    with reading(engine) as session:
        names = (one.strip().lower() for one in traces)
        found = {one: knows_trace(session, project, one) for one in names}
    for trace_id in (one for one, is_known in found.items() if not is_known):
        _warn(f"nothing of a trace {trace_id!r} is here; should it come, it is refused")
    if users and (others := _other_projects(engine, project)):
        _warn(f"looks in project {project!r} only; run it with --project for {', '.join(others)}")
    for user, spoken in _traces_of(engine, project, list(users)).items():
        if not spoken:
            _warn(f"no trace names the user {user!r}")
        found |= dict.fromkeys(sorted(spoken), True)
    return found


def _other_projects(engine: Engine, project: str) -> list[str]:
    with reading(engine) as session:
        return [one for one in projects_with_words(session) if one != project]


def _traces_of(engine: Engine, project: str, users: Sequence[str]) -> dict[str, set[str]]:
    """What each user said: by their interactions and feedback, and by all spans that are kept."""
    with reading(engine) as session:
        with progress_bar("Reading traces", None) as advance:
            named = traces_naming(session, project, users, advance)
        return {
            user: {*named[user], *traces_of_user(session, project, hash_user(project, user))}
            for user in users
        }


def _warn(sentence: str) -> None:
    typer.echo(f"touchstone: {sentence}", err=True)


def _erase(
    engine: Engine,
    project: str,
    trace_id: str,
    now: datetime,
    dry_run: bool,
    request: str | None,
) -> Erased:
    if dry_run:
        with reading(engine) as session:
            return would_erase(session, project, trace_id)
    return erase_noted(engine, project, trace_id, now, request=request)


def erase_noted(
    engine: Engine, project: str, trace_id: str, now: datetime, *, request: str | None = None
) -> Erased:
    """Erase a trace and note it, and each of its answers, in the audit log: all or nothing."""
    with transaction(engine) as session:
        overwrite_deleted(session)
        erased = erase_trace(session, project, trace_id, now=now)
        act = partial(note, session, operator(), now=now, project=project, request=request)
        for one in erased.answers:
            told: dict[str, Any] = {"trace": trace_id, "stays": one.stays, "verdicts": one.verdicts}
            act(ERASED_ANSWER, about=one.id, **told)
        act("trace.erased", about=trace_id, **erased.counts)
        return erased


def _tell(counts: dict[str, int], dry_run: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({**counts, "dry_run": dry_run}))
        return
    verb = "would be forgotten" if dry_run else "forgotten"
    traces = counted(counts["traces"], "trace")
    typer.echo(
        f"The spans of {traces} and {counted(counts['interactions'], 'interaction')} {verb}."
    )
    if counts["emptied"]:
        emptied = counted(counts["emptied"], "labelled interaction")
        typer.echo(f"{emptied} {'would lose' if dry_run else 'lost'} all words; labels stay.")
    if counts["examples"]:
        typer.echo(f"The words of {counted(counts['examples'], 'example')} in reports are erased.")
