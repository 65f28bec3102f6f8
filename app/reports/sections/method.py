"""Method: which estimators, evaluators, thresholds and data stand behind the numbers."""

import hashlib
import json

from app.reports import blocks
from app.reports.findings import (
    FALSE_DISCOVERY_RATE,
    LEAST_CHANGE,
    LEAST_CHANGE_SLICE,
    LEAST_CHANGE_UNJUDGED,
    LEAST_N,
    WIDEST_INTERVAL,
)
from app.reports.judgement import DRAWS, FEW_DRAWS
from app.reports.material import Material
from app.reports.tallies import Judge
from app.reports.targets import LOCKED_POINTS


def section(material: Material) -> blocks.Section:
    """How the numbers were made, so that someone else can make them again."""
    judges = [_row(judge) for judge in material.judges]
    columns = (
        "Criterion",
        "Evaluator",
        "Fails at",
        "Calibration",
        "Precision",
        "Weights",
        "Answers",
    )
    content = [blocks.facts(_facts(material))]
    if judges:
        card = blocks.table(columns, judges, caption="Evaluators behind this week's numbers")
        content.append(card)
    return blocks.section("method", "Method", "How these numbers were made", content)


def data_digest(material: Material) -> str:
    """The sha256 of the counts, labels and verdicts that the report was made from."""
    cells = {
        criterion: {
            f"{part.key}={part.value}": [
                [one.failing, one.scored, one.abstained, one.failed, one.pending, one.skipped]
                for one in series
            ]
            for part, series in parts.items()
        }
        for criterion, parts in material.tallies.by_criterion.items()
    }
    read = {
        "weeks": material.tallies.weeks,
        "received": material.tallies.received,
        "cells": cells,
        "labels": sorted(material.labels, key=str),
        "judges": material.judges,
        "failures": [
            (evaluation.id, evaluation.score, interaction.content_hash)
            for rows in material.failures.values()
            for evaluation, interaction in rows
        ],
    }
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()


def _facts(material: Material) -> list[tuple[str, str]]:
    level = round(100 * FALSE_DISCOVERY_RATE, 1)
    return [
        (
            "Intervals",
            "95 %: Wilson for shares, Newcombe for differences, Fagerland and Newcombe for ratios.",
        ),
        (
            "Usual variation",
            "p′ charts (Laney) of up to 12 earlier weeks judged by the same evaluator, version "
            "and threshold; weeks that were unusual when they came are left out. Signals by the "
            "rules of the NHS's Making data count.",
        ),
        (
            "What is claimed",
            f"Differences (Fisher's mid-P test) that hold at a false discovery rate of {level:g} "
            "%, shared by criteria, slices over time, and slices against the rest; that leave the "
            f"usual variation; and that reach {100 * LEAST_CHANGE:g} percentage points for a "
            f"criterion, {100 * LEAST_CHANGE_SLICE:g} for a slice, "
            f"{100 * LEAST_CHANGE_UNJUDGED:g} for answers that could not be judged.",
        ),
        (
            "Targets",
            "The largest share of failing answers that is wanted. Held against the limits of usual "
            f"variation once {LOCKED_POINTS} comparable weeks are known, after the assurance icons "
            "of the NHS's Making data count.",
        ),
        (
            "Too few to say",
            f"Fewer than {LEAST_N} answers, or an interval wider than "
            f"{100 * WIDEST_INTERVAL:g} percentage points.",
        ),
        (
            "Corrected rate",
            "Prediction-powered estimate (PPI++) with inverse-probability weights, from the first "
            "blind label of each answer; what a lead decides on differing labels does not count.",
        ),
        (
            "Trust",
            "Agreement, kappa, AC1, precision, recall and calibration error from blind labels, "
            "weighted by 1/p where a sampling plan chose the answers; labels of one answer share "
            f"its weight. Bootstrap over conversations, {DRAWS:,} draws ({FEW_DRAWS} of "
            "calibration errors); Wilson at the effective size where all draws are alike.",
        ),
        (
            "Known limits",
            "Turns of one conversation are counted as if they were independent. Each interaction "
            "counts once per criterion, by the newest version of its evaluator.",
        ),
        ("Criteria", f"sha256 {material.criteria.digest}"),
        ("Data", f"sha256 {data_digest(material)}"),
    ]


def _row(judge: Judge) -> list[blocks.Cell]:
    digests = (judge.weights_digest or "none").split()
    shown = " ".join(digest[:12] for digest in digests)
    threshold = "–" if judge.threshold is None else f"{judge.threshold:g}"
    return [
        blocks.words(judge.criterion),
        blocks.words(f"{judge.evaluator} {judge.version}"),
        blocks.words(threshold),
        blocks.words(judge.calibration or "none"),
        blocks.words(judge.precision or "not told"),
        blocks.words("", shown),
        blocks.number(judge.n),
    ]
