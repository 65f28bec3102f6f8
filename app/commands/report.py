"""`touchstone report`: write the report of a week, and keep it as issued."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlmodel import Session, col, select

from app.criteria import read_criteria
from app.database import open_database, transaction
from app.errors import NotFound, UnknownField
from app.reports import build_report, render_html, render_markdown
from app.reports.weeks import last_complete_week, week_bounds, week_of
from app.settings import Settings, read_settings
from app.store.interactions import applications
from app.store.reports import save_report
from app.tables import Interaction

RENDERERS = {
    "json": lambda report: json.dumps(report, indent=2, ensure_ascii=False) + "\n",
    "html": render_html,
    "md": render_markdown,
}


def command(
    week: Annotated[
        str | None, typer.Option(help="ISO week such as 2026-W47; the last complete one without.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for report.json, .html and .md.")] = Path("."),
    application: Annotated[str | None, typer.Option(help="Only this application.")] = None,
    project: Annotated[str, typer.Option(help="The project to report on.")] = "default",
    formats: Annotated[
        str, typer.Option("--format", help="Which files: json, html, md, separated by commas.")
    ] = "json,html,md",
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON, write no file.")] = False,
) -> None:
    """Write the report of a week and keep it as issued.

    Example: touchstone report --week 2026-W47 --out reports
    """
    wanted = _formats(formats)
    settings, now = read_settings(), datetime.now(UTC)
    report = issue_report(
        settings,
        project=project,
        week=week or last_complete_week(now, settings.time_zone),
        application=application,
        now=now,
    )
    if as_json:
        typer.echo(RENDERERS["json"](report), nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    for name in wanted:
        path = out / f"report.{name}"
        path.write_text(RENDERERS[name](report), encoding="utf-8")
        typer.echo(f"wrote {path}")
    if report["change_note"]:
        typer.echo(report["change_note"])
    typer.echo(report["verdict"])


def issue_report(
    settings: Settings, *, project: str, week: str, application: str | None, now: datetime
) -> dict[str, Any]:
    """The report of a week as issued: a new revision where it says something else than before.

    Raises NotFound where the week has no interaction, naming the weeks that have.
    """
    week_bounds(week, settings.time_zone)
    engine = open_database(settings.database_url)
    try:
        with transaction(engine) as session:
            _check(session, project, application, week, settings.time_zone)
            report = build_report(
                session,
                project=project,
                criteria=read_criteria(),
                week=week,
                application=application,
                now=now,
                time_zone=settings.time_zone,
            )
            return save_report(session, report, now=now).body
    finally:
        engine.dispose()


def _formats(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in RENDERERS]
    if unknown or not names:
        raise UnknownField(f"--format must name json, html or md, not {text!r}")
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
