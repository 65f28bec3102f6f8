"""The whole report as data: every set, the lines that we wrote, and the targets."""

from collections.abc import Iterable, Sequence
from typing import Any

from app.commands.quality.plan import Target
from app.commands.quality.run import (
    PROBED,
    Advance,
    Bench,
    largest_change,
    measure_set,
    measure_written,
)
from app.commands.quality.sets import DevSet
from evaluators.engine import Encoder
from evaluators.protocol import Sample

WRITTEN = ("toxicity", "bias")
"""Criteria of wording, which are measured on the lines that we wrote."""
PROBED_CHARACTERS = 4000
"""The longest rows that are judged again and again, to save time."""


def measure_all(
    bench: Bench, sets: Iterable[DevSet], encoder: Encoder, advance: Advance
) -> dict[str, Any]:
    """Figures of every set, then of the written lines, the repeatability, and the targets."""
    report: dict[str, Any] = {"sets": [], "written": {}, "change": {}}
    report["judges"] = {name: judges[0].spec.name for name, judges in bench.judges.items()}
    for dev in sets:
        report["sets"].append(measure_set(bench, dev, encoder, advance))
        if dev.criterion not in report["change"]:
            report["change"][dev.criterion] = _change(bench, dev)
    for criterion in (name for name in WRITTEN if name in report["change"]):
        report["written"][criterion] = {
            judge.spec.name: measure_written(bench, judge) for judge in bench.judges[criterion]
        }
    report["targets"] = [reached(target, report) for target in bench.plan.targets]
    return report


def _change(bench: Bench, dev: DevSet) -> float:
    needs = bench.judges[dev.criterion][0].spec.needs
    usable = [row.sample for row in dev.rows if all(row.sample.has(f) for f in needs)]
    short = sorted((s for s in usable if _characters(s) <= PROBED_CHARACTERS), key=_characters)
    spread = short[:: max(1, len(short) // PROBED)][:PROBED]
    return largest_change(lambda: bench.fresh(dev.criterion), spread)


def _characters(sample: Sample) -> int:
    return len(sample.prompt) + len(sample.response) + sum(map(len, sample.contexts))


def reached(target: Target, report: dict[str, Any]) -> dict[str, Any]:
    """A target with the value reached; None where a set that it needs was not measured."""
    value = _value(target, report)
    return {
        "criterion": target.criterion,
        "title": target.title,
        "value": None if value is None else round(value, 4),
        "floor": target.floor,
        "aim": target.aim,
        "reached": target.reached(value),
    }


def _value(target: Target, report: dict[str, Any]) -> float | None:
    if target.figure == "sealed":
        return None
    if target.figure == "change":
        return max(report["change"].values(), default=None)
    if target.figure == "identity":
        judges = report["written"].get(target.criterion)
        value = judges and judges[report["judges"][target.criterion]]["identity"]["value"]
        return None if value is None else float(value)
    if target.figure.startswith("ece_"):
        return _calibration_error(target.figure, report)
    found = [_of_set(target, one, report) for one in report["sets"] if _belongs(target, one)]
    if len(found) < len(target.sets) or None in found:
        return None
    known = [value for value in found if value is not None]
    return min(known) if target.take == "min" else _mean(known)


def _calibration_error(figure: str, report: dict[str, Any]) -> float | None:
    """The mean over sets with both labels, of a kind that was trained on or not."""
    wanted = figure.startswith("ece_in_domain")
    own = [one for one in report["sets"] if one["in_domain"] == wanted and two_classes(one)]
    name = "ece_own_labels" if figure.endswith("own_labels") else "ece"
    return _mean([ours(one, report)[name]["value"] for one in own])


def _belongs(target: Target, one: dict[str, Any]) -> bool:
    return one["criterion"] == target.criterion and one["set"] in target.sets


def ours(one: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    """The figures of the bundled judge on a set."""
    return dict(one["judges"][report["judges"][one["criterion"]]])


def two_classes(one: dict[str, Any]) -> bool:
    """Whether the measured rows of a set hold both labels."""
    return bool(0 < one["prevalence"] < 1)


def _of_set(target: Target, one: dict[str, Any], report: dict[str, Any]) -> float | None:
    figures = ours(one, report)
    if target.figure == "gain":
        pair = figures["auroc"]["value"], one["controls"]["overlap"]["auroc"]["value"]
        return None if None in pair else float(pair[0] - pair[1])
    value = figures[target.figure]["value"]
    return None if value is None else float(value)


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
