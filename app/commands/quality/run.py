"""Measures judges and controls on development sets and on the lines that we wrote."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.commands.quality import ranks
from app.commands.quality.plan import Plan
from app.commands.quality.scores import ScoreBook, Scored
from app.commands.quality.sets import DevSet, source_of
from app.commands.quality.swaps import swapped
from app.criteria import Criterion
from app.quality import Figures, calibration_error, measure
from app.refit import LEAST
from app.statistics.platt import unseen
from evaluators.engine import Encoder
from evaluators.protocol import Evaluator, Sample, Verdict
from evaluators.training.controls import Cosine, Overlap, response_only
from evaluators.training.written import Line, written_lines

Advance = Callable[[int], None]
PROBED = 40
"""How many rows are judged alone, in order and in reverse order."""


@dataclass(slots=True)
class Bench:
    """The judges of each criterion, ours first, and where their scores are kept."""

    judges: dict[str, list[Evaluator]]
    fresh: Callable[[str], Evaluator]
    """Makes our judge of a criterion anew, so that nothing is remembered from other batches."""
    criteria: dict[str, Criterion]
    plan: Plan
    folder: Path | None
    books: dict[str, ScoreBook] = field(default_factory=dict)

    def book(self, judge: Evaluator) -> ScoreBook:
        """The scores of one judge under one criterion."""
        name = f"{judge.spec.criterion} {judge.spec.name}"
        if name not in self.books:
            folder = None if self.folder is None else self.folder / judge.spec.criterion
            self.books[name] = ScoreBook(judge, folder)
        return self.books[name]

    def controls(self, criterion: str, encoder: Encoder) -> list[Evaluator]:
        """Word overlap and the cosine of the untrained encoder."""
        return [Overlap(criterion), Cosine(criterion, encoder)]


def measure_set(bench: Bench, dev: DevSet, encoder: Encoder, advance: Advance) -> dict[str, Any]:
    """What every judge and every control reaches on one set; each moves the bar by one."""
    samples = [row.sample for row in dev.rows]
    labels = [row.label for row in dev.rows]
    found: dict[str, Any] = {
        "criterion": dev.criterion,
        "set": dev.name,
        "rows_of_the_set": dev.total,
        "n": len(labels),
        "sources": len(set(dev.sources)),
        "prevalence": round(sum(labels) / len(labels), 4),
        "in_domain": dev.name in bench.plan.in_domain.get(dev.criterion, []),
        "judges": {},
        "controls": {},
    }
    for judge in bench.judges[dev.criterion]:
        scored = bench.book(judge).score(samples)
        found["judges"][judge.spec.name] = judged(bench, dev, scored) | provenance(judge)
        advance(1)
    for control in bench.controls(dev.criterion, encoder):
        scored = bench.book(control).score(samples)
        found["controls"][control.spec.name] = controlled(dev, [one.score for one in scored])
        advance(1)
    found["controls"]["response_only"] = controlled(dev, response_scores(dev))
    return found


def provenance(judge: Evaluator) -> dict[str, Any]:
    """Which evaluator, of which weights, the figures are of."""
    spec = judge.spec
    return {
        "version": spec.version,
        "weights_digest": spec.weights_digest,
        "calibration": spec.calibration,
    }


def judged(bench: Bench, dev: DevSet, scored: Sequence[Scored]) -> dict[str, Any]:
    """The figures of a judge on a set, without the rows that it abstains from."""
    kept = [index for index, one in enumerate(scored) if one.score is not None]
    scores = [float(scored[index].score or 0.0) for index in kept]
    labels = [dev.rows[index].label for index in kept]
    sources = [dev.sources[index] for index in kept]
    domains = None if dev.domains is None else [dev.domains[index] for index in kept]
    criterion = bench.criteria[dev.criterion]
    figures = measure(
        scores,
        labels,
        threshold=criterion.threshold,
        higher_is_better=criterion.higher_is_better,
        groups=sources,
        domains=domains,
    )
    figures["ece_own_labels"] = ece_own_labels(scores, labels, sources)
    figures["abstained"] = len(scored) - len(kept)
    figures["evidence_outside"] = sum(one.outside for one in scored)
    task = bench.plan.task.get(dev.name)
    if task is not None:
        make = ranks.mean_average_precision if task == "map" else ranks.pairwise_accuracy
        figures["task"] = {"name": task, **make(scores, labels, sources)}
    return figures


def ece_own_labels(
    scores: Sequence[float], labels: Sequence[int], sources: Sequence[str]
) -> Figures:
    """The calibration error once `touchstone calibrate` has read the other sources of the set."""
    through = None
    if min(labels.count(0), labels.count(1)) >= LEAST:
        through = unseen(scores, [one == 1 for one in labels], sources)
    if through is None:
        return {"value": None, "low": None, "high": None}
    return calibration_error(through, labels, sources)


def controlled(dev: DevSet, scores: Sequence[float | None]) -> dict[str, Any]:
    """AUROC of a control, within domains where the set has them."""
    kept = [index for index, score in enumerate(scores) if score is not None]
    figures = measure(
        [float(scores[index] or 0.0) for index in kept],
        [dev.rows[index].label for index in kept],
        threshold=0.5,
        higher_is_better=True,
        groups=[dev.sources[index] for index in kept],
        domains=None if dev.domains is None else [dev.domains[index] for index in kept],
    )
    return {name: figures[name] for name in ("auroc", "auroc_within") if name in figures}


def response_scores(dev: DevSet) -> list[float | None]:
    """The response-only control on the measured rows."""
    fitted = response_only(dev.fitted, [source_of(row) for row in dev.fitted])
    by_id = {row.id: float(one) for row, one in zip(dev.fitted, fitted, strict=True)}
    known = [by_id.get(row.id) for row in dev.rows]
    return [None if one is None or math.isnan(one) else one for one in known]


def measure_written(bench: Bench, judge: Evaluator) -> dict[str, Any]:
    """How a judge of wording takes the lines that we wrote and that no judge was trained on."""
    criterion = bench.criteria[judge.spec.criterion]
    book = bench.book(judge)

    def flags(lines: Sequence[Line]) -> list[float]:
        scored = book.score([Sample("", line.text) for line in lines])
        return [float(not criterion.passes(one.score)) for one in scored if one.score is not None]

    identity = written_lines("identity", "measured")
    groups = sorted({line.group or "" for line in identity})
    speech = written_lines("speech", "measured")
    wrong = [line for line in written_lines("toxic", "measured") if expected(judge, line)]
    return {
        "identity": ranks.mean_of(flags(identity)) | {"n": len(identity)},
        "identity_by_group": {
            group: ranks.mean_of(flags([line for line in identity if line.group == group]))
            for group in groups
        },
        "harmless": {
            kind: ranks.mean_of(flags([line for line in speech if line.kind == kind]))
            for kind in sorted({line.kind for line in speech})
        },
        "caught": ranks.mean_of(flags(wrong)) | {"n": len(wrong)},
        "pairs": measure_pairs(book) if judge.spec.criterion == "bias" else None,
        "swaps": measure_swaps(bench, judge, identity),
    }


def expected(judge: Evaluator, line: Line) -> bool:
    """Whether the judge should flag the line."""
    return bool(line.biased if judge.spec.criterion == "bias" else line.toxic)


def measure_pairs(book: ScoreBook) -> dict[str, Any]:
    """How often a stereotype scores above its twin."""
    lines = written_lines("stereotypes", "measured")
    scored = book.score([Sample("", line.text) for line in lines])
    return dict(
        ranks.pairwise_accuracy(
            [one.score or 0.0 for one in scored],
            [line.biased for line in lines],
            [line.pair_id for line in lines],
        )
    )


def measure_swaps(bench: Bench, judge: Evaluator, lines: Sequence[Line]) -> dict[str, Any]:
    """How far a score moves, and how often a verdict turns, when a group is put for another."""
    pairs = [(line.text, other) for line in lines for other in swapped(line.text)]
    book, criterion = bench.book(judge), bench.criteria[judge.spec.criterion]
    before = book.score([Sample("", text) for text, _ in pairs])
    after = book.score([Sample("", text) for _, text in pairs])
    scores = [(a.score or 0.0, b.score or 0.0) for a, b in zip(before, after, strict=True)]
    return {
        "n": len(pairs),
        "mean_change": ranks.mean_of([abs(a - b) for a, b in scores]),
        "flips": ranks.mean_of(
            [float(criterion.passes(a) != criterion.passes(b)) for a, b in scores]
        ),
    }


def largest_change(make: Callable[[], Evaluator], samples: Sequence[Sample]) -> float:
    """How far a score moves at most between a batch, the same in reverse, and one by one.

    Each is judged by an evaluator of its own, since an evaluator may remember what it has read.
    """
    batched, turned, alone = make(), make(), make()
    for judge in (batched, turned, alone):
        judge.load()
    batch = batched.evaluate(samples)
    others = (
        turned.evaluate(samples[::-1])[::-1],
        [verdict for sample in samples for verdict in alone.evaluate([sample])],
    )
    moved = [abs(_score(a) - _score(b)) for one in others for a, b in zip(batch, one, strict=True)]
    return max(moved, default=0.0)


def _score(verdict: object) -> float:
    return verdict.score if isinstance(verdict, Verdict) else -1.0
