"""`touchstone bench`: measures the evaluators on labelled lines."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from app.commands.progress import in_chunks, progress_bar
from app.criteria import Criterion, read_criteria
from app.errors import BadRequest, SetupError, UnknownField
from app.main import find_evaluators
from app.quality import measure
from app.settings import read_settings
from evaluators.engine import WeightsError
from evaluators.protocol import Evaluator, Sample, Verdict, missing_fields
from evaluators.training.rows import RowsError, read_rows

app = typer.Typer(no_args_is_help=True, help="Measure the evaluators on labelled lines.")

LINES_PER_CHUNK = 64


class Line(NamedTuple):
    """A labelled line."""

    sample: Sample
    label: int


@app.callback()
def bench() -> None:
    """Measure the evaluators on labelled lines."""


@app.command()
def quality(
    criterion: Annotated[str, typer.Option(help="The criterion that the labels are about.")],
    data: Annotated[Path, typer.Option(help="A .jsonl or .jsonl.gz file of labelled lines.")],
    evaluator: Annotated[
        str | None, typer.Option(help="Which evaluator, where several judge the criterion.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first lines.")] = None,
) -> None:
    """Print how well an evaluator agrees with labels, as one JSON object.

    Label 1 means that the criterion named holds. Example:
    touchstone bench quality --criterion groundedness --data dev.jsonl.gz
    """
    asked = read_criteria().get(criterion)
    judge = chosen_evaluator(find_evaluators(read_settings()), criterion, evaluator)
    lines = read_lines(data)[:limit]
    try:
        judge.load()
    except WeightsError as error:
        raise SetupError(str(error)) from None
    with progress_bar("Judging", len(lines)) as advance:
        scores = []
        for chunk in in_chunks(lines, LINES_PER_CHUNK):
            scores += score(judge, chunk)
            advance(len(chunk))
    typer.echo(json.dumps(figures(judge, asked, lines, scores), indent=2))


def chosen_evaluator(found: Iterable[Evaluator], criterion: str, name: str | None) -> Evaluator:
    """The evaluator of a criterion, or UnknownField listing those that there are."""
    able = [one for one in found if one.spec.criterion == criterion]
    chosen = [one for one in able if name in (None, one.spec.name)]
    if not chosen:
        known = ", ".join(one.spec.name for one in able) or "none"
        raise UnknownField(f"no evaluator {name or ''!r} judges {criterion!r}; there is {known}")
    return chosen[0]


def read_lines(path: Path) -> list[Line]:
    """The labelled lines of a file, or BadRequest naming the line that is wrong."""
    try:
        return [Line(row.sample, row.label) for row in read_rows(path)]
    except (RowsError, OSError, EOFError) as error:
        raise BadRequest(str(error)) from None


def score(judge: Evaluator, lines: Sequence[Line]) -> list[float | None]:
    """A score per line, None where the evaluator lacks a field or abstains."""
    usable = [line.sample for line in lines if not missing_fields(judge.spec, line.sample)]
    verdicts = iter(judge.evaluate(usable))
    found = [None if missing_fields(judge.spec, line.sample) else next(verdicts) for line in lines]
    return [one.score if isinstance(one, Verdict) else None for one in found]


def figures(
    judge: Evaluator,
    criterion: Criterion,
    lines: Sequence[Line],
    scores: Sequence[float | None],
) -> dict[str, object]:
    """What is printed: provenance, counts, and every figure with its interval."""
    known = [(s, line.label) for s, line in zip(scores, lines, strict=True) if s is not None]
    measured = measure(
        [one for one, _ in known],
        [label for _, label in known],
        threshold=criterion.threshold,
        higher_is_better=criterion.higher_is_better,
    )
    return {
        "criterion": criterion.name,
        "evaluator": judge.spec.name,
        "version": judge.spec.version,
        "weights_digest": judge.spec.weights_digest,
        "abstained": len(lines) - len(known),
        **measured,
    }
