"""`touchstone keys`: make, list and revoke API keys."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from app.commands.operator import operator
from app.database import database_at, reading, transaction
from app.errors import UnknownField
from app.settings import read_settings
from app.store.audit import note
from app.store.keys import SCOPES, create_key, list_keys, revoke_key
from app.tables import ApiKey

app = typer.Typer(help="API keys of programs that send or read.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"One of {', '.join(SCOPES)}; for several, give --scope again."),
    ] = None,
    project: Annotated[str, typer.Option(help="The project the key belongs to.")] = "default",
    expires_days: Annotated[
        int | None, typer.Option(min=1, help="Days until the key ends; never without it.")
    ] = None,
) -> None:
    """Make a key and print it, once.

    Example: touchstone keys create "support bot" --scope ingest
    """
    _check_apart(scope or ())
    now = datetime.now(UTC)
    expires_at = now + timedelta(days=expires_days) if expires_days else None
    with database_at(read_settings().database_url) as engine, transaction(engine) as session:
        key = create_key(
            session,
            project=project,
            name=name,
            scopes=scope or ["ingest"],
            now=now,
            expires_at=expires_at,
        )
        note(
            session,
            operator(),
            "key.created",
            now=now,
            project=key.row.project,
            about=key.row.key_id,
            name=key.row.name,
            scopes=key.row.scopes,
            expires=expires_at.isoformat() if expires_at else None,
        )
    typer.echo(key.text)
    typer.echo("Keep it now: only its digest is stored, so it cannot be shown again.", err=True)


@app.command("list")
def list_(
    project: Annotated[str | None, typer.Option(help="Only keys of this project.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the keys, without their secrets.

    Example: touchstone keys list --json
    """
    now = datetime.now(UTC)
    with database_at(read_settings().database_url) as engine, reading(engine) as session:
        keys = list_keys(session, project)
    if as_json:
        typer.echo(json.dumps([_as_json(key, now) for key in keys], indent=2))
        return
    table = Table(
        Column("id", min_width=16, no_wrap=True), "name", "project", "scopes", "state", "created"
    )
    for key in keys:
        created = f"{key.created_at:%Y-%m-%d %H:%M}"
        scopes = " ".join(key.scopes)
        table.add_row(key.key_id, key.name, key.project, scopes, _state(key, now), created)
    Console().print(table)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The id, as `list` shows it.")]) -> None:
    """End a key at once.

    Example: touchstone keys revoke 1f0c5a9e7b3d2468
    """
    with database_at(read_settings().database_url) as engine, transaction(engine) as session:
        now = datetime.now(UTC)
        key = revoke_key(session, key_id, now=now)
        note(
            session,
            operator(),
            "key.revoked",
            now=now,
            project=key.project,
            about=key_id,
            name=key.name,
        )
    typer.echo(f"The key {key.name!r} is revoked.")


def _check_apart(scopes: Sequence[str]) -> None:
    for one in scopes:
        several = one.replace(",", " ").split()
        if len(several) > 1:
            again = " ".join(f"--scope {name}" for name in several)
            raise UnknownField(f"--scope takes one scope; give it again for each: {again}")


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is None:
        return "valid"
    return "expired" if key.expires_at <= now else f"valid until {key.expires_at:%Y-%m-%d}"


def _as_json(key: ApiKey, now: datetime) -> dict[str, object]:
    shown = key.model_dump(mode="json", exclude={"secret_hash"})
    return {**shown, "state": _state(key, now)}
