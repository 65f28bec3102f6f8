"""`touchstone report`: write the report of a week, and keep it as issued."""

import hashlib
import importlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlmodel import Session, col, select

from app.commands.learn import learn_week
from app.commands.operator import operator
from app.database import database_at, open_database, reading, refuse_newer, transaction
from app.errors import NotFound, SetupError, UnknownField
from app.reports import build_report, render_html, render_markdown, render_slack, report_schema
from app.reports.weeks import last_complete_week, week_bounds, week_of
from app.selection import find_criteria, find_evaluators, load_all
from app.settings import Settings, read_settings
from app.store.interactions import applications
from app.store.reports import note_files, save_report
from app.tables import Interaction

FORMATS = ("json", "html", "md", "slack", "pdf")
FILES = {"slack": "slack.json"}


def command(
    week: Annotated[
        str | None, typer.Option(help="ISO week such as 2026-W47; the last complete one without.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("."),
    application: Annotated[str | None, typer.Option(help="Only this application.")] = None,
    project: Annotated[str, typer.Option(help="The project to report on.")] = "default",
    formats: Annotated[
        str, typer.Option("--format", help="Which of json, html, md, slack, pdf, with commas.")
    ] = "json,html,md",
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON, write no file.")] = False,
    study: Annotated[
        bool, typer.Option(help="Group the failures by topic first; takes some seconds.")
    ] = True,
    schema: Annotated[bool, typer.Option(help="Print the JSON Schema of the report.")] = False,
    fail_on_change: Annotated[
        bool, typer.Option(help="Exit with code 1 when something got worse this week.")
    ] = False,
) -> None:
    """Write the report of a week and keep it as issued.

    The audit log keeps the sha256 of every file; `touchstone audit file FILE` tells one that was
    issued from one that was changed.

    Example: touchstone report --week 2026-W47 --out reports
    """
    if schema:
        typer.echo(_dumped(report_schema()), nl=False)
        return
    wanted = _formats(formats)
    settings, now = read_settings(), datetime.now(UTC)
    week = week or last_complete_week(now, settings.time_zone)
    if study:
        _study(settings, now, project=project, week=week, application=application)
    report = issue_report(settings, project=project, week=week, application=application, now=now)
    if as_json:
        typer.echo(_dumped(report), nl=False)
    else:
        sums = _write(report, wanted, out)
        with database_at(settings.database_url) as engine, transaction(engine) as session:
            note_files(session, operator(), report, sums, now)
        _tell(report)
    if fail_on_change and any(one["kind"] == "worse" for one in report["findings"]):
        raise typer.Exit(1)


def _study(
    settings: Settings, now: datetime, *, project: str, week: str, application: str | None
) -> None:
    week_bounds(week, settings.time_zone)
    criteria = find_criteria(settings)
    engine = open_database(settings.database_url)
    try:
        refuse_newer(engine)
        with reading(engine) as session:
            _check(session, project, application, week, settings.time_zone)
        evaluators = [e for e in find_evaluators(settings) if e.spec.criterion in criteria.by_name]
        load_all(evaluators)
        learn_week(
            engine,
            evaluators,
            criteria,
            settings,
            project=project,
            week=week,
            application=application,
            now=now,
        )
    finally:
        engine.dispose()


def render(report: dict[str, Any], name: str) -> bytes:
    """The report in one of the formats, as the bytes of a file.

    Raises SetupError where the PDF's library or what it needs of the system is missing.
    """
    if name == "pdf":
        return _pdf(render_html(report))
    if name == "html":
        return render_html(report).encode()
    if name == "md":
        return render_markdown(report).encode()
    return _dumped(render_slack(report) if name == "slack" else report).encode()


def _pdf(html: str) -> bytes:
    try:
        pages = importlib.import_module("app.reports.pdf")
    except ImportError:
        raise SetupError(
            "a PDF needs the extra `pdf`: pip install 'touchstone[pdf]'; or print the HTML"
        ) from None
    except OSError:
        raise SetupError(
            "a PDF needs Pango: apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 "
            "fonts-dejavu-core; or print the HTML"
        ) from None
    content: bytes = pages.render_pdf(html)
    return content


def _write(report: dict[str, Any], names: list[str], out: Path) -> dict[str, str]:
    """The sha256 of each file, by its name."""
    out.mkdir(parents=True, exist_ok=True)
    sums = {}
    for name in names:
        path, content = out / FILES.get(name, f"report.{name}"), render(report, name)
        path.write_bytes(content)
        sums[path.name] = hashlib.sha256(content).hexdigest()
        typer.echo(f"wrote {path}")
    lines = [f"{digest}  {name}\n" for name, digest in sums.items()]
    (out / "report.sha256").write_text("".join(lines), encoding="utf-8")
    return sums


def _tell(report: dict[str, Any]) -> None:
    if report["change_note"]:
        typer.echo(report["change_note"])
    typer.echo(report["verdict"])


def _dumped(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def issue_report(
    settings: Settings, *, project: str, week: str, application: str | None, now: datetime
) -> dict[str, Any]:
    """The report of a week as issued: a new revision where it says something else than before.

    Raises NotFound where the week has no interaction, naming the weeks that have.
    """
    week_bounds(week, settings.time_zone)
    engine = open_database(settings.database_url)
    try:
        refuse_newer(engine)
        with transaction(engine) as session:
            _check(session, project, application, week, settings.time_zone)
            report = build_report(
                session,
                project=project,
                criteria=find_criteria(settings),
                week=week,
                application=application,
                now=now,
                time_zone=settings.time_zone,
            )
            return save_report(session, report, now=now, actor=operator()).body
    finally:
        engine.dispose()


def _formats(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise UnknownField(f"--format must name {', '.join(FORMATS)}, not {text!r}")
    return names


def _check(session: Session, project: str, application: str | None, week: str, zone: str) -> None:
    known = applications(session, project)
    if application is not None and application not in known:
        raise NotFound(
            f"there is no application {application!r}; there are {', '.join(known) or 'none yet'}"
        )
    from_at, to_at = week_bounds(week, zone)
    query = select(Interaction.started_at).where(Interaction.project == project)
    if application is not None:
        query = query.where(Interaction.application == application)
    at = col(Interaction.started_at)
    if session.exec(query.where(at >= from_at, at < to_at).limit(1)).first() is not None:
        return
    first = session.exec(query.order_by(at).limit(1)).first()
    last = session.exec(query.order_by(at.desc()).limit(1)).first()
    if first is None or last is None:
        raise NotFound(
            f"project {project!r} has no interactions yet; send traces, or fill a fresh database "
            "with `touchstone demo`"
        )
    raise NotFound(
        f"there is no interaction in {week}; there are some from {week_of(first, zone)} to "
        f"{week_of(last, zone)}"
    )
