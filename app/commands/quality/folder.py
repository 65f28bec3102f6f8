"""Measures every evaluator on the development sets of a folder, and writes the report."""

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.commands.progress import progress_bar
from app.commands.quality.page import page, targets
from app.commands.quality.plan import read_plan
from app.commands.quality.run import Bench
from app.commands.quality.sets import read_set, set_paths
from app.commands.quality.table import measure_all
from app.selection import find_criteria, find_evaluators, load_all
from app.settings import Settings, read_settings
from evaluators.engine import Encoder, WeightsError
from evaluators.hub import HUB_EVALUATORS
from evaluators.protocol import Evaluator

CONTROLS = 2
"""How many controls move the bar on each set."""


def measure_folder(
    data: Path,
    criteria: Sequence[str],
    only: Sequence[str],
    *,
    limit: int | None,
    out: Path,
    cache: Path | None,
) -> str:
    """Write quality.md and quality.json to `out`, and return the table of targets."""
    started = time.monotonic()
    settings = read_settings()
    every = find_criteria(settings)
    known = {one.name: one for one in every}
    names = [every.get(name).name for name in criteria or known]
    paths = set_paths(data, names, only)
    judges, absent = with_hub(settings)
    by_criterion = {name: [one for one in judges if one.spec.criterion == name] for name in names}

    def fresh(criterion: str) -> Evaluator:
        own = (one for one in find_evaluators(settings) if one.spec.criterion == criterion)
        return next(own)

    bench = Bench(by_criterion, fresh, known, read_plan(), cache)
    steps = sum(len(by_criterion[path.parent.name]) + CONTROLS for path in paths)
    with progress_bar("Measuring", steps) as advance:
        sets = (read_set(path, limit) for path in paths)
        report = measure_all(bench, sets, Encoder(device=settings.device), advance)
    report |= {
        "command": shown_command(criteria, only, limit),
        "machine": machine(),
        "seconds": round(time.monotonic() - started, 1),
        "limit": limit,
        "not_in_the_cache": absent,
    }
    write(report, out)
    return targets(report)


def write(report: dict[str, Any], out: Path) -> None:
    """Both files of the report."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "quality.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (out / "quality.md").write_text(page(report, read_plan()), encoding="utf-8")


def with_hub(settings: Settings) -> tuple[list[Evaluator], list[str]]:
    """The evaluators whose weights are here, loaded, and the hub names of those that are not."""
    found = find_evaluators(settings)
    load_all(found)
    absent = []
    for name in sorted(set(HUB_EVALUATORS) - set(settings.added_evaluators)):
        evaluator = HUB_EVALUATORS[name](settings.models_dir, settings.device)
        try:
            evaluator.load()
        except WeightsError:
            absent.append(name)
        else:
            found.append(evaluator)
    return found, absent


def shown_command(criteria: Sequence[str], only: Sequence[str], limit: int | None) -> str:
    """The command that makes the report again, with the folder left open."""
    words = ["touchstone bench quality --all --data DIR"]
    words += [f"--criterion {name}" for name in criteria] + [f"--only {name}" for name in only]
    return " ".join(words + ([f"--limit {limit}"] if limit else []))


def machine() -> str:
    """Processor and number of cores, as far as the system names them."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [
            line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        name = models[0].partition(":")[2].strip() if models else name
    return f"{name}, {os.cpu_count()} cores"
