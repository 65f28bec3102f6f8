"""`touchstone train`: makes the bundled heads again from labelled lines."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from app.criteria import read_criteria
from app.errors import SetupError
from app.quality import measure, pick_threshold
from evaluators.training.run import train_heads

TASKS = ("groundedness", "answer_relevance", "context_relevance", "toxicity", "bias")


def command(
    task: Annotated[str, typer.Argument(help=f"One of {', '.join(TASKS)}, or all.")],
    data: Annotated[Path, typer.Option(help="The folder of labelled lines, one per criterion.")],
    out: Annotated[Path, typer.Option(help="Where weights, manifest and card are written.")],
    cache: Annotated[
        Path | None, typer.Option(help="Keeps computed features, for a faster second run.")
    ] = None,
    keep_threshold: Annotated[
        bool, typer.Option(help="Report at the threshold of criteria.toml, not at a new one.")
    ] = False,
) -> None:
    """Train a head on a CPU in minutes.

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
            criterion = criteria.get(name)
            entry = train_heads(
                name,
                data=data,
                out=out,
                cache=cache,
                progress=show,
                higher_is_better=criterion.higher_is_better,
                threshold=criterion.threshold if keep_threshold else None,
                measure=measure,
                pick=pick_threshold,
            )
            typer.echo(f"{name}: {entry['file']} {entry['sha256']} threshold {entry['threshold']}")
