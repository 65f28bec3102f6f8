"""The report of quality as Markdown."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from app.commands.quality.plan import Plan
from app.commands.quality.table import ours

CRITERIA = ("groundedness", "answer_relevance", "context_relevance", "toxicity", "bias")
FAILING = {"groundedness", "answer_relevance", "context_relevance"}
"""Criteria of which label 0 is the class that fails."""


def page(report: dict[str, Any], plan: Plan) -> str:
    """The whole page."""
    parts = [
        head(report),
        targets(report),
        *(criterion(report, name) for name in CRITERIA if _sets(report, name)),
        written(report),
        published(report, plan),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


HEAD = """\
# Quality of the judges

Made by `{command}` on {machine}, in {seconds:.0f} s, with {taken} of each development set
(chosen by a hash, source after source). The same figures are in `quality.json`.

Development sets serve for choosing and reporting, never for training; test sets are sealed and not
in this table. Intervals are 95 % bootstrap intervals over sources: rows about one document,
question or pair are drawn together. *Label 1* is the share of rows of which the criterion holds. F1
is that of the failing class at the threshold that ships. A row from which a judge abstains counts
in no figure but in *abstained*. *In domain* marks sets of a kind that was trained on. *ECE by
chance* is what a perfectly calibrated judge with the same scores would show on as many rows. *ECE,
own labels* is what is left once `touchstone calibrate` has fitted the scores to nine tenths of the
sources, measured on the other tenth, in turns.

Three controls see too little to judge. *Response only* is a linear model on the words of the
response, cross-validated inside the set, so it shows how much style or topic give away; it has seen
labels of this very set, which the judge has not. *Overlap* is the share of the judged text's words
that the text it is held against contains (toxicity: rude words; bias: groups named). *Encoder* is
the cosine of all-MiniLM-L6-v2 as it came (toxicity and bias: to one made-up example). A judge that
a control beats has not earned its place."""

WRITTEN = """\
Lines of `evaluators/training/written` that no judge was trained on. A swap puts another group of
the same kind into an identity sentence; a fair judge does not move."""


def head(report: dict[str, Any]) -> str:
    """What was measured, how, and what the columns mean."""
    taken = f"about {report['limit']} rows" if report["limit"] else "all rows"
    return str(HEAD.format(**report, taken=taken))


def targets(report: dict[str, Any]) -> str:
    """The targets beside what was reached."""
    rows = [
        (
            one["criterion"].replace("_", " "),
            one["title"],
            "–" if one["value"] is None else f"{one['value']:.3g}",
            f"{one['floor']:g}",
            f"{one['aim']:g}",
            str(one["reached"]),
        )
        for one in report["targets"]
    ]
    head = ("Criterion", "Measure", "Value", "Floor", "Aim", "Reached")
    return "## Targets\n\n" + table(head, rows)


def criterion(report: dict[str, Any], name: str) -> str:
    """The tables of one criterion."""
    sets = _sets(report, name)
    title = name.replace("_", " ").capitalize()
    parts = [f"## {title}", table(SET_HEAD, [_row(one, report) for one in sets])]
    parts.append(table(CONTROL_HEAD, [_controls(one, report) for one in sets]))
    others = [row for one in sets for row in _others(one, report)]
    if others:
        parts.append("Evaluators of the hub, whose weights were in the cache:")
        parts.append(table(OTHER_HEAD, others))
    return "\n\n".join(parts)


SET_HEAD = (
    *("Set", "n (sources)", "Label 1", "AUROC", "AUPRC", "F1", "Balanced accuracy"),
    *("ECE", "ECE by chance", "ECE, own labels", "Brier", "Of the task", "Abstained"),
)
CONTROL_HEAD = ("Set", "Judge", "Response only", "Overlap", "Encoder", "Judge within domains")
OTHER_HEAD = ("Set", "Evaluator", "AUROC", "AUPRC", "Of the task", "Abstained")


def _sets(report: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [one for one in report["sets"] if one["criterion"] == name]


def _title(one: dict[str, Any]) -> str:
    return str(one["set"]) + (" (in domain)" if one["in_domain"] else "")


def _row(one: dict[str, Any], report: dict[str, Any]) -> Sequence[str]:
    own = ours(one, report)
    f1 = "f1_failing" if one["criterion"] in FAILING else "f1"
    return (
        _title(one),
        f"{one['n']} ({one['sources']})",
        f"{one['prevalence']:.2f}",
        shown(own["auroc"]),
        shown(own["auprc"]),
        shown(own[f1]),
        shown(own["balanced_accuracy"]),
        shown(own["ece"]),
        f"{own['ece_by_chance']:.3f}",
        shown(own["ece_own_labels"]),
        shown(own["brier"]),
        _task(own),
        str(own["abstained"]),
    )


def _task(own: dict[str, Any]) -> str:
    if "task" not in own:
        return f"accuracy {shown(own['accuracy'])}"
    names = {"map": "MAP", "pairwise_accuracy": "pairs"}
    return f"{names[own['task']['name']]} {shown(own['task'])}"


def _controls(one: dict[str, Any], report: dict[str, Any]) -> Sequence[str]:
    own, controls = ours(one, report), one["controls"]
    within = shown(own["auroc_within"]) if "auroc_within" in own else "one domain"
    return (
        _title(one),
        shown(own["auroc"]),
        *(shown(controls[name]["auroc"]) for name in ("response_only", "overlap", "cosine")),
        within,
    )


def _others(one: dict[str, Any], report: dict[str, Any]) -> Iterator[Sequence[str]]:
    for name, own in one["judges"].items():
        if name != report["judges"][one["criterion"]]:
            figures = shown(own["auroc"]), shown(own["auprc"]), _task(own), str(own["abstained"])
            yield one["set"], name, *figures


def written(report: dict[str, Any]) -> str:
    """How judges of wording take the lines that we wrote."""
    if not report["written"]:
        return ""
    rows, groups = [], []
    for name, judges in report["written"].items():
        own = judges[report["judges"][name]]
        rows += [(name, what, shown(value)) for what, value in _written_figures(own)]
        groups += [(name, group, shown(value)) for group, value in own["identity_by_group"].items()]
    return "\n\n".join(
        [
            "## Lines that we wrote, and fairness",
            WRITTEN,
            table(("Judge", "Figure", "Value"), rows),
            "Identity sentences flagged, by group:",
            table(("Judge", "Group", "Flagged"), groups),
        ]
    )


def _written_figures(own: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield f"identity sentences flagged, of {own['identity']['n']}", own["identity"]
    for kind, value in own["harmless"].items():
        yield f"{kind.replace('_', ' ')} flagged", value
    yield f"bad lines flagged, of {own['caught']['n']}", own["caught"]
    if own["pairs"] is not None:
        yield "stereotype above its twin", own["pairs"]
    yield f"verdicts turned by a swap, of {own['swaps']['n']}", own["swaps"]["flips"]
    yield "mean change of the score by a swap", own["swaps"]["mean_change"]


def published(report: dict[str, Any], plan: Plan) -> str:
    """What others report, with the source; most figures are of other rows or of test sets."""
    change = ", ".join(f"{name} {value:.1g}" for name, value in report["change"].items())
    outside = sum(ours(one, report)["evidence_outside"] for one in report["sets"])
    rows = [(one.set, one.figure, one.source) for one in plan.published]
    return "\n\n".join(
        [
            "## Repeatability and evidence",
            f"Largest change of a score between a batch, its reverse and one by one: {change}.",
            f"Pieces of evidence that lie outside the text that they point into: {outside}.",
            "## Published figures",
            "Of the same sets or of their kin, never of the very same rows: compare with care.",
            table(("Set", "Figure", "Source"), rows),
        ]
    )


def shown(figure: dict[str, Any]) -> str:
    """A value with its interval."""
    if figure["value"] is None:
        return "–"
    if figure["low"] is None:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
