"""`touchstone bench`: measures how well and how fast the evaluators judge."""

import json
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from app.commands.progress import in_chunks, progress_bar
from app.commands.quality.folder import measure_folder
from app.commands.quality.sets import DevSet, read_set
from app.criteria import Criteria, Criterion
from app.errors import BadRequest, UnknownField
from app.guardrail import judge_samples
from app.outcomes import judge_batch
from app.quality import measure
from app.selection import find_criteria, find_evaluators, load_all
from app.settings import read_settings
from app.workload import COPIED, realistic_samples
from evaluators.protocol import Evaluator, Sample, Verdict, missing_fields
from evaluators.training.rows import Row

app = typer.Typer(no_args_is_help=True, help="Measure how well and how fast the evaluators judge.")

LINES_PER_CHUNK = 64
ALONE = "a single interaction"


@app.callback()
def bench() -> None:
    """Measure how well and how fast the evaluators judge."""


@app.command()
def quality(
    data: Annotated[
        Path,
        typer.Option(help="A .jsonl or .jsonl.gz file of labelled lines; a folder with --all."),
    ],
    criterion: Annotated[
        str | None, typer.Option(help="The criterion that the labels are about.")
    ] = None,
    evaluator: Annotated[
        str | None, typer.Option(help="Which evaluator, where several judge the criterion.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="About so many lines: whole sources, by a hash.")
    ] = None,
    all_sets: Annotated[
        bool, typer.Option("--all", help="Every CRITERION/SET.dev.jsonl.gz of the folder.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="With --all: this set only; may be repeated.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="With --all: where quality.md and quality.json are written.")
    ] = Path("benchmarks"),
    cache: Annotated[
        Path | None, typer.Option(help="With --all: keeps scores, so that a stopped run goes on.")
    ] = None,
) -> None:
    """Print how well an evaluator agrees with labels, as one JSON object.

    Label 1 means that the criterion named holds. Examples:
    touchstone bench quality --criterion groundedness --data dev.jsonl.gz
    touchstone bench quality --all --data data --limit 400 --cache scores
    """
    if all_sets:
        report = measure_folder(
            data, [criterion] if criterion else [], only or [], limit=limit, out=out, cache=cache
        )
        typer.echo(report)
        return
    if criterion is None:
        raise BadRequest("name the criterion that the labels are about: --criterion groundedness")
    settings = read_settings()
    asked = find_criteria(settings).get(criterion)
    judge = chosen_evaluator(find_evaluators(settings), criterion, evaluator)
    dev = read_set(data, limit)
    load_all([judge])
    scores: list[float | None] = []
    with progress_bar("Judging", len(dev.rows)) as advance:
        for chunk in in_chunks(dev.rows, LINES_PER_CHUNK):
            scores += score(judge, chunk)
            advance(len(chunk))
    typer.echo(json.dumps(figures(judge, asked, dev, scores), indent=2))


@app.command()
def speed(
    interactions: Annotated[int, typer.Option(min=8, help="How many a round judges.")] = 128,
    rounds: Annotated[int, typer.Option(min=1, help="How many rounds are measured.")] = 3,
    copied: Annotated[
        float, typer.Option(min=0, max=1, help="Which share of the answers quotes the contexts.")
    ] = COPIED,
) -> None:
    """Print how fast all evaluators judge here, as one JSON object.

    The interactions are synthetic: three contexts of 150 words, answers of 60 to 200 words.
    Sentences that are copied from a context cost groundedness nothing; see --copied.
    Example: touchstone bench speed --interactions 256
    """
    settings = read_settings()
    criteria, found = find_criteria(settings), find_evaluators(settings)
    judges = [one for one in found if one.spec.criterion in criteria.by_name]
    load_all(judges)
    judge_samples(judges, criteria, realistic_samples(8, seed=0), None)
    with progress_bar("Judging", rounds * interactions) as advance:
        measured = []
        for number in range(rounds):
            samples = realistic_samples(interactions + 1, seed=number + 1, copied=copied)
            measured.append(round_seconds(judges, criteria, samples))
            advance(interactions)
    typer.echo(json.dumps(speed_figures(measured, interactions), indent=2))


def round_seconds(
    judges: Sequence[Evaluator], criteria: Criteria, samples: Sequence[Sample]
) -> dict[str, float]:
    """Seconds that each judge takes for all samples but the last, and all judges for that one."""
    *together, alone = samples
    seconds: dict[str, float] = {}
    for judge in judges:
        started = time.perf_counter()
        judge_batch(judge, criteria.get(judge.spec.criterion), together)
        seconds[judge.spec.name] = time.perf_counter() - started
    started = time.perf_counter()
    judge_samples(judges, criteria, [alone], None)
    return {**seconds, ALONE: time.perf_counter() - started}


def speed_figures(measured: Sequence[Mapping[str, float]], count: int) -> dict[str, object]:
    """Medians over the rounds."""
    names = [name for name in measured[0] if name != ALONE]
    rates = [count / sum(one[name] for name in names) for one in measured]
    per_judge = {name: statistics.median(one[name] for one in measured) / count for name in names}
    return {
        "interactions": count,
        "rounds": len(measured),
        "interactions_per_second": round(statistics.median(rates), 2),
        "lowest": round(min(rates), 2),
        "highest": round(max(rates), 2),
        "seconds_per_interaction": {name: round(value, 5) for name, value in per_judge.items()},
        "seconds_for_a_single_one": round(statistics.median(one[ALONE] for one in measured), 4),
    }


def chosen_evaluator(found: Iterable[Evaluator], criterion: str, name: str | None) -> Evaluator:
    """The evaluator of a criterion, or UnknownField listing those that there are."""
    able = [one for one in found if one.spec.criterion == criterion]
    chosen = [one for one in able if name in (None, one.spec.name)]
    if not chosen:
        known = ", ".join(one.spec.name for one in able) or "none"
        raise UnknownField(f"no evaluator {name or ''!r} judges {criterion!r}; there is {known}")
    return chosen[0]


def score(judge: Evaluator, rows: Sequence[Row]) -> list[float | None]:
    """A score per row, None where the evaluator lacks a field or abstains."""
    usable = [row.sample for row in rows if not missing_fields(judge.spec, row.sample)]
    verdicts = iter(judge.evaluate(usable))
    found = [None if missing_fields(judge.spec, row.sample) else next(verdicts) for row in rows]
    return [one.score if isinstance(one, Verdict) else None for one in found]


def figures(
    judge: Evaluator, criterion: Criterion, dev: DevSet, scores: Sequence[float | None]
) -> dict[str, object]:
    """What is printed: provenance, counts, and every figure with its interval by source."""
    kept = [index for index, one in enumerate(scores) if one is not None]
    measured = measure(
        [float(scores[index] or 0.0) for index in kept],
        [dev.rows[index].label for index in kept],
        threshold=criterion.threshold,
        higher_is_better=criterion.higher_is_better,
        groups=[dev.sources[index] for index in kept],
        domains=None if dev.domains is None else [dev.domains[index] for index in kept],
    )
    return {
        "criterion": criterion.name,
        "evaluator": judge.spec.name,
        "version": judge.spec.version,
        "weights_digest": judge.spec.weights_digest,
        "abstained": len(scores) - len(kept),
        **measured,
    }
