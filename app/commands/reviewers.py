"""`touchstone reviewers`: invite people, list them, end their access."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.commands.operator import operator
from app.database import database_at, reading, transaction
from app.settings import Settings, read_settings
from app.store.audit import note
from app.store.reviewers import (
    LINK_LIFETIME,
    ROLES,
    add_reviewer,
    disable_reviewer,
    list_reviewers,
    new_link,
)
from app.tables import Reviewer

app = typer.Typer(help="People who sign in to label answers.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The name the reviewer signs in with.")]


@app.command()
def add(
    name: Name,
    role: Annotated[str, typer.Option(help=f"One of {', '.join(ROLES)}.")] = "reviewer",
    project: Annotated[str, typer.Option(help="The project the reviewer works in.")] = "default",
) -> None:
    """Invite a reviewer: print a link that signs them in once.

    Example: touchstone reviewers add anna --role lead
    """
    settings = read_settings()
    with database_at(settings.database_url) as engine, transaction(engine) as session:
        now = datetime.now(UTC)
        token = add_reviewer(session, name=name, role=role, project=project, now=now)
        note(
            session,
            operator(),
            "reviewer.added",
            now=now,
            project=project,
            about=name.strip(),
            role=role,
        )
    _print_link(settings, token)


@app.command()
def link(name: Name) -> None:
    """Print another one-time link for a reviewer, who is enabled again by it.

    Example: touchstone reviewers link anna
    """
    settings = read_settings()
    with database_at(settings.database_url) as engine, transaction(engine) as session:
        now = datetime.now(UTC)
        token = new_link(session, name, now=now)
        note(session, operator(), "reviewer.invited", now=now, about=name)
    _print_link(settings, token)


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the reviewers.

    Example: touchstone reviewers list --json
    """
    with database_at(read_settings().database_url) as engine, reading(engine) as session:
        reviewers = list_reviewers(session)
    if as_json:
        typer.echo(json.dumps([_as_json(reviewer) for reviewer in reviewers], indent=2))
        return
    table = Table("name", "role", "project", "state", "created")
    for one in reviewers:
        created = f"{one.created_at:%Y-%m-%d %H:%M}"
        table.add_row(one.name, one.role, one.project, _state(one), created)
    Console().print(table)


@app.command()
def disable(name: Name) -> None:
    """End a reviewer's access at once; their labels stay.

    Example: touchstone reviewers disable anna
    """
    with database_at(read_settings().database_url) as engine, transaction(engine) as session:
        now = datetime.now(UTC)
        disable_reviewer(session, name, now=now)
        note(session, operator(), "reviewer.disabled", now=now, about=name)
    typer.echo(f"The reviewer {name!r} can no longer sign in; all their sessions have ended.")


def _print_link(settings: Settings, token: str) -> None:
    typer.echo(f"{settings.address}/sign-in?link={token}")
    typer.echo(f"The link works once, for {LINK_LIFETIME.days} days.", err=True)


def _state(reviewer: Reviewer) -> str:
    return "disabled" if reviewer.disabled_at is not None else "active"


def _as_json(reviewer: Reviewer) -> dict[str, object]:
    shown = reviewer.model_dump(mode="json", exclude={"password_hash"})
    return {**shown, "state": _state(reviewer)}
