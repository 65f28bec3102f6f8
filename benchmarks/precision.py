"""The accuracy gate of a faster precision: `python -m benchmarks.precision --data FOLDER`.

Every bundled judge scores the same lines twice, with its encoder in fp32 and in the precision that
was measured to be faster here. The gate: AUROC moves by at most 0.003 and at most 1 % of the
decisions flip. Without labelled lines only the flips on synthetic interactions are told.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sklearn.metrics import roc_auc_score

from app.commands.bench import score
from app.criteria import Criterion, read_criteria
from app.selection import find_evaluators, load_all
from app.settings import read_settings, share_cores
from app.workload import realistic_samples
from benchmarks.tables import Section
from evaluators.heads import runner
from evaluators.heads.packed import Precision
from evaluators.protocol import Evaluator
from evaluators.training.rows import Row, read_rows

MOST_AUROC_CHANGE = 0.003
MOST_FLIPS = 0.01
Scores = list[float | None]


def precision_section(
    *, quick: bool, data: Path | None = None, limit: int = 300, only: Sequence[str] = ()
) -> Section:
    """A row per judge and data set: how far the scores move, how many decisions flip."""
    faster = runner.faster_precision(384, int8=True)
    plain, fast = judges("fp32"), judges(faster)
    section = Section(
        f"{faster} against fp32",
        ("criterion", "lines", "n", "AUROC fp32", "change", "flips", "largest change", "gate"),
    )
    criteria = read_criteria()
    for exact, other in zip(plain, fast, strict=True):
        criterion = criteria.get(exact.spec.criterion)
        if only and criterion.name not in only:
            continue
        for name, rows in _lines(criterion.name, data, 24 if quick else limit):
            pair = score(exact, rows), score(other, rows)
            section.rows.append((criterion.name, name, *_compared(criterion, rows, *pair)))
    section.notes = [
        f"The gate holds where AUROC moves by at most {MOST_AUROC_CHANGE} and at most "
        f"{MOST_FLIPS:.0%} of the decisions flip."
    ]
    return section


def judges(precision: Precision) -> list[Evaluator]:
    """The bundled judges, loaded, with every encoder in that precision."""
    found = find_evaluators(read_settings(precision=precision))
    weighted = [one for one in found if one.spec.weights]
    load_all(weighted)
    return weighted


def _lines(criterion: str, data: Path | None, limit: int) -> list[tuple[str, list[Row]]]:
    if data is None:
        samples = realistic_samples(limit, seed=7)
        return [("synthetic", [Row(str(n), str(n), one, 0) for n, one in enumerate(samples)])]
    files = sorted((data / criterion).glob("*.dev.jsonl.gz"))
    # Sets are sorted by label or source: a stride takes some of everything.
    found = [(one.name.removesuffix(".dev.jsonl.gz"), list(read_rows(one))) for one in files]
    return [(name, rows[:: max(1, len(rows) // limit)]) for name, rows in found]


def _compared(
    criterion: Criterion, rows: Sequence[Row], exact: Scores, other: Scores
) -> tuple[object, ...]:
    known = [
        (row.label, one, two)
        for row, one, two in zip(rows, exact, other, strict=True)
        if one is not None and two is not None
    ]
    if not known:
        return (0, "", "", "", "", "abstained")
    labels, ones, twos = (list(column) for column in zip(*known, strict=True))
    flips = sum(criterion.passes(a) != criterion.passes(b) for a, b in zip(ones, twos, strict=True))
    largest = max(abs(a - b) for a, b in zip(ones, twos, strict=True))
    share = flips / len(known)
    if len(set(labels)) < 2:
        passed = share <= MOST_FLIPS
        return (len(known), "", "", f"{share:.2%}", f"{largest:.4f}", _word(passed))
    before, after = roc_auc_score(labels, ones), roc_auc_score(labels, twos)
    passed = share <= MOST_FLIPS and abs(after - before) <= MOST_AUROC_CHANGE
    figures = (f"{before:.4f}", f"{after - before:+.4f}", f"{share:.2%}", f"{largest:.4f}")
    return (len(known), *figures, _word(passed))


def _word(passed: bool) -> str:
    return "passed" if passed else "**missed**"


def main() -> None:
    """Print the table; exit code 1 where a row misses the gate."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of CRITERION/SET.dev.jsonl.gz")
    parser.add_argument("--limit", type=int, default=300, help="about so many lines of each set")
    parser.add_argument("--only", action="append", default=[], help="this criterion; repeatable")
    asked = parser.parse_args()
    share_cores()
    made = precision_section(quick=False, data=asked.data, limit=asked.limit, only=asked.only)
    print(made.markdown())
    sys.exit(any("missed" in str(row[-1]) for row in made.rows))


if __name__ == "__main__":
    main()
