"""`touchstone calibrate`: scores and thresholds that fit an installation's own labels."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.calibrate import Fitted, fit_all
from app.commands.score import whole_file
from app.database import database_at, reading
from app.errors import NotFound
from app.recalibrated import Calibration, calibrations_text, read_calibrations
from app.refit import Quality
from app.selection import find_criteria, find_evaluators
from app.settings import Settings, read_settings

NONE = "–"
HEADER = ("Evaluator", "Labels", "Failing", "Calibration error", "Brier", "Flagged", "People say")
MORE = ("Precision", "Recall", "Threshold")


def command(
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("calibration.toml"),
    project: Annotated[str, typer.Option(help="The project of the labels.")] = "default",
) -> None:
    """Fit scores and thresholds to blind labels on sampled answers, and say what it is worth.

    A score then is the probability that people here would agree, and as many answers are flagged
    as fail. Nothing changes until TOUCHSTONE_CALIBRATION names the file; unset it to go back.

    Example: touchstone calibrate --out calibration.toml
    """
    found = fitted(read_settings(), project)
    if not found:
        raise NotFound(
            f"nobody in the project {project!r} has labelled answers of a sample that the current "
            "evaluators judged; make a queue on the page Review first"
        )
    Console().print(_table(found))
    for one in found:
        if one.refusal:
            typer.echo(f"{one.evaluator} stays as it is: {one.refusal}.")
    kept = {one.criterion.name: one.calibration for one in found if one.calibration}
    if not kept:
        raise typer.Exit(1)
    with whole_file(str(out)) as file:
        file.write(calibrations_text(kept))
    typer.echo(_advice(out, kept))


def fitted(settings: Settings, project: str) -> list[Fitted]:
    """What the labels of a project give, per evaluator as it ships."""
    plain = settings.model_copy(update={"calibration": None})
    in_force, criteria = read_calibrations(settings.calibration), find_criteria(settings)
    specs = [one.spec for one in find_evaluators(plain) if one.spec.criterion in criteria.by_name]
    with database_at(settings.database_url) as engine, reading(engine) as session:
        today = datetime.now(UTC).date()
        return fit_all(session, project, criteria, specs, in_force, today=today)


def _advice(out: Path, kept: dict[str, Calibration]) -> str:
    return (
        f"wrote {out}. Start server and workers with TOUCHSTONE_CALIBRATION={out} to judge "
        f"{', '.join(kept)} by it; what has been judged keeps its verdicts, and reports compare "
        "only weeks that were judged alike."
    )


def _table(found: Sequence[Fitted]) -> Table:
    table = Table(*HEADER, *MORE, caption="Before → after, on conversations that were not fitted")
    for one in found:
        threshold = one.calibration.threshold if one.calibration else None
        table.add_row(
            one.evaluator,
            f"{one.labels:,}",
            f"{one.failing:,}",
            *(_change(one, told) for told in (_error, _brier, _flagged)),
            _percent(one.before.failing),
            *(_change(one, told) for told in (_precision, _recall)),
            f"{one.criterion.threshold:.2f}" + (f" → {threshold:.2f}" if threshold else ""),
        )
    return table


def _change(one: Fitted, told: Callable[[Quality], str]) -> str:
    return told(one.before) + (f" → {told(one.after)}" if one.after else "")


def _error(quality: Quality) -> str:
    return f"{quality.error:.3f}"


def _brier(quality: Quality) -> str:
    return f"{quality.brier:.3f}"


def _flagged(quality: Quality) -> str:
    return _percent(quality.flagged)


def _precision(quality: Quality) -> str:
    return _percent(quality.table.precision)


def _recall(quality: Quality) -> str:
    return _percent(quality.table.recall)


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{100 * share:.1f} %"
