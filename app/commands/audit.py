"""`touchstone audit`: read the audit log, prove that it is whole, and tell who judged an answer."""

import json
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlmodel import Session

from app.backup import digest_of_file
from app.commands.operator import operator
from app.criteria import read_criteria
from app.database import database_at, reading, transaction
from app.errors import NotFound, UnknownField
from app.history import History, history_of
from app.reports.issued import Found, find_issued
from app.settings import read_settings
from app.store.audit import Head, entries, note, verify, wrote
from app.tables import AuditEntry

app = typer.Typer(help="Who did what: the audit log.", no_args_is_help=True)

Project = Annotated[str, typer.Option(help="The project of the answer.")]
LARGEST_REPORT_BYTES = 64 << 20
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(
    project: Annotated[str | None, typer.Option(help="Only acts in this project.")] = None,
    about: Annotated[str | None, typer.Option(help="Only acts on the thing of this id.")] = None,
    action: Annotated[str, typer.Option(help="Only acts of this kind, such as label.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, the oldest.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, an entry a line.")] = False,
) -> None:
    """Show the entries, oldest first; with --json they are whole, to be kept elsewhere.

    Example: touchstone audit list --action label --json
    """
    with database_at(read_settings().database_url) as engine, reading(engine) as session:
        found = islice(entries(session, project=project, about=about, action=action), limit)
        for one in found:
            typer.echo(json.dumps(one.model_dump(mode="json")) if as_json else _line(one))


@app.command("verify")
def verify_(
    expect: Annotated[
        str | None,
        typer.Option(help="The head that an earlier verify printed, NUMBER:DIGEST."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that no entry was changed, dropped or moved; exit code 2 names the first that was.

    Keep what it prints somewhere else: only with --expect is it found when somebody wrote all of
    the log anew, or cut its end off.

    Example: touchstone audit verify
    """
    noted = _head(expect) if expect is not None else None
    with database_at(read_settings().database_url) as engine:
        with reading(engine) as session:
            last = verify(entries(session), noted)
        with transaction(engine) as session:
            note(session, operator(), "audit.verified", now=datetime.now(UTC), about=last.seq)
    if as_json:
        typer.echo(json.dumps({"entries": last.seq, "head": str(last)}))
        return
    typer.echo(f"{last.seq} entries, none changed, missing or moved. Note this elsewhere: {last}")


@app.command()
def interaction(
    id: Annotated[str, typer.Argument(help="The id, as lists and reports show it.")],
    project: Project = "default",
    as_json: AsJson = False,
) -> None:
    """Tell which version of which evaluator judged an answer, and who overruled it.

    Example: touchstone audit interaction 0f1e2d3c4b5a69788796a5b4c3d2e1f0
    """
    with database_at(read_settings().database_url) as engine, reading(engine) as session:
        found = history_of(session, project, id, read_criteria())
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=2, ensure_ascii=False, default=str))
        return
    row = found.interaction
    typer.echo(f"Interaction {row.id} of {row.application!r}, {row.started_at:%Y-%m-%d %H:%M} UTC")
    if row.erased_at is not None:
        typer.echo(f"Its words were erased on {row.erased_at:%Y-%m-%d %H:%M} UTC.")
    for event in found.events:
        typer.echo(f"{event.at:%Y-%m-%d %H:%M:%S} UTC  {event.sentence}")


@app.command()
def file(
    path: Annotated[Path, typer.Argument(help="An export, a backup or a report, as it left.")],
    as_json: AsJson = False,
) -> None:
    """Tell whether a file left here as it is, and by which entries; exit code 2 where it did not.

    Exports, backups and the files of `touchstone report` are known byte for byte: one that was
    unpacked or saved anew by another program is another file. A report that came in another way,
    from the API, a page or a message, is known by what it says. It proves no more than the log
    does: see `touchstone audit verify`.

    Example: touchstone audit file report.json
    """
    digest = digest_of_file(path)
    with database_at(read_settings().database_url) as engine, reading(engine) as session:
        found = wrote(session, digest)
        report = None if found else _as_report(session, path)
    if report is not None and report.entry is not None and report.is_issued:
        found = [report.entry]
    if found and not as_json:
        typer.echo(f"{path}: {report.sentence if report else 'it left here, byte for byte'}.")
    for one in found:
        typer.echo(json.dumps(one.model_dump(mode="json")) if as_json else _line(one))
    if report is not None and not report.is_issued:
        entry = f" Entry {report.entry.seq} issued that." if report.entry is not None else ""
        raise NotFound(f"{str(path)!r} is no report as it was issued: {report.sentence}.{entry}")
    if not found:
        raise NotFound(
            f"no export, no backup and no report gave {str(path)!r} as it is (sha256 {digest}): "
            "it was changed, comes from elsewhere, or left before the log kept digests"
        )


def _as_report(session: Session, path: Path) -> Found | None:
    """What is known of the file as a report; what is too large for one is not read."""
    if path.stat().st_size > LARGEST_REPORT_BYTES:
        return None
    return find_issued(session, path.read_bytes())


def _head(text: str) -> Head:
    number, _, digest = text.partition(":")
    if not number.isdecimal() or len(digest) != 64:
        raise UnknownField(f"--expect must be NUMBER:DIGEST as verify prints it, not {text!r}")
    return Head(int(number), digest)


def _line(one: AuditEntry) -> str:
    """An entry as people read it; of a configuration only what changed."""
    details = json.loads(one.details)
    details.pop("state", None)
    told = ", ".join(f"{name} {_plain(value)}" for name, value in details.items())
    who = f"{one.actor} ({', '.join(part for part in (one.role, one.source) if part)})"
    act = " ".join(part for part in (one.action, one.about) if part)
    return f"{one.seq}  {one.at:%Y-%m-%d %H:%M:%S} UTC  {who}  {act}{': ' if told else ''}{told}"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _as_json(found: History) -> dict[str, Any]:
    row = found.interaction
    names = ("id", "trace_id", "span_id", "application", "model", "started_at", "erased_at")
    return {
        **{name: getattr(row, name) for name in names},
        "words": row.content_hash,
        "events": [event._asdict() for event in found.events],
        "log": found.acts,
    }
