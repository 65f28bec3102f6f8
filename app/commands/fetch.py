"""`touchstone fetch`: downloads the weights of a hub evaluator."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

from app.errors import SetupError, UnknownField
from app.settings import read_settings
from evaluators.engine import WeightsError
from evaluators.fetching import fetch
from evaluators.hub import HUB_WEIGHTS


def command(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(HUB_WEIGHTS)}.")],
    base: Annotated[
        str | None, typer.Option(help="Another server with the same paths, such as a mirror.")
    ] = None,
) -> None:
    """Download weights into the models folder; every file must have its pinned sha256.

    Example: touchstone fetch detoxify
    """
    if name not in HUB_WEIGHTS:
        raise UnknownField(
            f"there is no hub evaluator {name!r}; there are {', '.join(HUB_WEIGHTS)}"
        )
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bars: dict[str, TaskID] = {}

        def show(file: str, done: int, total: int | None) -> None:
            if file not in bars:
                bars[file] = progress.add_task(file, total=total)
            progress.update(bars[file], completed=done, total=total)

        try:
            folder = fetch(HUB_WEIGHTS[name], read_settings().models_dir, base=base, progress=show)
        except WeightsError as error:
            raise SetupError(str(error)) from None
    typer.echo(f"{name} is in {folder}; switch it on with TOUCHSTONE_EVALUATORS={name}")
