"""`touchstone train`: makes the bundled judges again from labelled lines."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from app.criteria import read_criteria
from app.errors import SetupError
from app.quality import measure, pick_threshold
from evaluators.training.encoders import ENCODERS, train_encoder
from evaluators.training.rounding import train_ranges
from evaluators.training.run import RANGES, TASKS, train_head

FOLDERS = "The folder of labelled lines, one per criterion."


def command(
    task: Annotated[str, typer.Argument(help=f"One of {', '.join(TASKS)}, or all.")],
    data: Annotated[Path, typer.Option(help=FOLDERS)],
    out: Annotated[Path, typer.Option(help="Where weights, manifest and card are written.")],
    work: Annotated[
        Path, typer.Option(help="Where checkpoints are kept; a stopped run goes on from them.")
    ] = Path("training"),
    keep_threshold: Annotated[
        bool, typer.Option(help="Report at the threshold of criteria.toml, not at a new one.")
    ] = False,
) -> None:
    """Train an encoder (an hour on two cores), its ranges or the last step of a judge (minutes).

    Example: touchstone train toxicity --data data --out heads
    """
    if task not in (*TASKS, "all"):
        raise SetupError(f"there is no task {task!r}; there are {', '.join(TASKS)} and all")
    criteria = read_criteria()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=total)
            progress.update(bars[what], completed=done, total=total)

        for name in TASKS if task == "all" else (task,):
            if name in ENCODERS:
                entry = train_encoder(name, data, out, work, show)
                typer.echo(f"{name}: {entry['file']} {entry['sha256']}")
                continue
            if name == RANGES:
                entry = train_ranges(data, out, show)
                typer.echo(f"{name}: {entry['file']} {entry['sha256']}")
                continue
            criterion = criteria.get(name)
            entry = train_head(
                name,
                data=data,
                out=out,
                progress=show,
                higher_is_better=criterion.higher_is_better,
                threshold=criterion.threshold if keep_threshold else None,
                measure=measure,
                pick=pick_threshold,
            )
            typer.echo(f"{name}: {entry['file']} {entry['sha256']} threshold {entry['threshold']}")
