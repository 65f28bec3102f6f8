"""`touchstone evaluators`: lists the evaluators that are found."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.selection import find_criteria, find_evaluators
from app.settings import read_settings
from evaluators.hub import HUB_WEIGHTS
from evaluators.protocol import EvaluatorSpec


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the evaluators: bundled ones, hub ones that are switched on, and plugins.

    Example: touchstone evaluators --json
    """
    settings = read_settings()
    specs = [evaluator.spec for evaluator in find_evaluators(settings)]
    if as_json:
        typer.echo(json.dumps([spec_json(spec) for spec in specs], indent=2))
        return
    table = Table("Evaluator", "Criterion", "Version", "Needs", "Calibration", "Weights")
    for spec in specs:
        found = spec_json(spec)
        weights = "\n".join(f"{one['name']} {one['sha256'][:12]}" for one in found["weights"])
        table.add_row(
            spec.name,
            spec.criterion,
            spec.version,
            ", ".join(found["needs"]),
            spec.calibration or "",
            weights,
        )
    Console().print(table)
    known = find_criteria(settings).by_name
    for spec in specs:
        if spec.criterion not in known:
            typer.echo(
                f"{spec.name} takes no work: there is no criterion {spec.criterion!r}; "
                "add its table to app/criteria.toml"
            )
    off = sorted(set(HUB_WEIGHTS) - {spec.name for spec in specs})
    if off:
        typer.echo(
            f"Off: {', '.join(off)} (touchstone fetch NAME, then TOUCHSTONE_EVALUATORS=NAME)"
        )


def spec_json(spec: EvaluatorSpec) -> dict[str, Any]:
    """A specification as JSON values."""
    return {
        "evaluator": spec.name,
        "criterion": spec.criterion,
        "version": spec.version,
        "needs": sorted(spec.needs),
        "batch_size": spec.batch_size,
        "calibration": spec.calibration,
        "weights": [{"name": one.name, "sha256": one.sha256} for one in spec.weights],
    }
