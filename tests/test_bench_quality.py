"""The figures of `bench quality`, against scikit-learn and by hand, and the command itself."""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    roc_auc_score,
)

from app.commands import bench
from app.commands.quality.sets import read_set
from app.criteria import read_criteria
from app.errors import BadRequest, UnknownField
from app.quality import auroc, measure, pick_threshold
from evaluators.protocol import Abstention, EvaluatorSpec, Sample, Verdict


def made_rows(n: int = 400) -> tuple[list[float], list[int]]:
    random = Random(3)
    labels = [int(random.random() < 0.3) for _ in range(n)]
    scores = [round(min(1, max(0, random.gauss(0.4 + 0.2 * y, 0.2))), 2) for y in labels]
    return scores, labels


def value(figures: dict[str, Any], name: str) -> float:
    return float(figures[name]["value"])


def test_figures_agree_with_scikit_learn() -> None:
    scores, labels = made_rows()
    figures = measure(scores, labels, threshold=0.5, higher_is_better=False)
    called = [score >= 0.5 for score in scores]
    assert value(figures, "auroc") == pytest.approx(roc_auc_score(labels, scores), abs=1e-4)
    expected = average_precision_score(labels, scores)
    assert value(figures, "auprc") == pytest.approx(expected, abs=1e-4)
    assert value(figures, "f1") == pytest.approx(f1_score(labels, called), abs=1e-4)
    balanced = balanced_accuracy_score(labels, called)
    assert value(figures, "balanced_accuracy") == pytest.approx(balanced, abs=1e-4)


def test_the_interval_holds_the_figure_and_narrows_with_rows() -> None:
    widths = []
    for n in (100, 1600):
        figures: dict[str, Any] = measure(*made_rows(n), threshold=0.5, higher_is_better=True)
        assert figures["auroc"]["low"] <= figures["auroc"]["value"] <= figures["auroc"]["high"]
        widths.append(figures["auroc"]["high"] - figures["auroc"]["low"])
    assert widths[1] < widths[0] / 2


def test_copies_of_a_row_do_not_narrow_an_interval_by_source() -> None:
    scores, labels = made_rows(100)
    groups = list(range(100))
    once: dict[str, Any] = measure(
        scores, labels, threshold=0.5, higher_is_better=True, groups=groups
    )
    copied: dict[str, Any] = measure(
        scores * 9, labels * 9, threshold=0.5, higher_is_better=True, groups=groups * 9
    )
    assert copied["sources"] == once["sources"] == 100
    for name in ("auroc", "balanced_accuracy", "brier"):
        assert copied[name] == once[name]


def test_a_single_source_has_figures_but_no_interval() -> None:
    figures: dict[str, Any] = measure(
        [0.1, 0.9], [0, 1], threshold=0.5, higher_is_better=True, groups=["a", "a"]
    )
    assert figures["auroc"] == {"value": 1.0, "low": None, "high": None}


def test_a_judge_that_knows_only_the_domain_is_no_judge_within_domains() -> None:
    domains = ["easy"] * 50 + ["hard"] * 50
    labels = [1] * 40 + [0] * 10 + [1] * 10 + [0] * 40
    scores = [0.9 if domain == "easy" else 0.1 for domain in domains]
    figures: dict[str, Any] = measure(
        scores, labels, threshold=0.5, higher_is_better=True, domains=domains
    )
    assert value(figures, "auroc") == pytest.approx(0.8)
    assert value(figures, "auroc_within") == value(figures, "auroc_macro") == 0.5


def test_a_perfectly_calibrated_score_has_no_calibration_error() -> None:
    scores = [0.25] * 40 + [0.75] * 40
    labels = [1] * 10 + [0] * 30 + [1] * 30 + [0] * 10
    figures = measure(scores, labels, threshold=0.5, higher_is_better=True)
    assert value(figures, "brier") == pytest.approx(0.1875)
    assert value(figures, "f1") == value(figures, "f1_failing") == 0.75


def test_one_class_has_no_auroc_and_no_rows_have_no_figures() -> None:
    figures: dict[str, Any] = measure([0.1, 0.9], [1, 1], threshold=0.5, higher_is_better=True)
    assert figures["auroc"] == {"value": None, "low": None, "high": None}
    assert auroc([], []) is None
    assert measure([], [], threshold=0.5, higher_is_better=True)["n"] == 0


def test_the_picked_threshold_separates_what_can_be_separated() -> None:
    assert 0.3 < pick_threshold([0.1, 0.2, 0.3, 0.7, 0.8], [0, 0, 0, 1, 1]) < 0.7


class Long:
    """Says that long responses are relevant, and nothing about empty ones."""

    spec = EvaluatorSpec(
        name="long", criterion="answer_relevance", version="1", needs=frozenset({"prompt"})
    )

    def load(self) -> None: ...

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        return [
            Verdict(min(1, len(sample.response) / 10)) if sample.response else Abstention("empty")
            for sample in samples
        ]


def lines(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_labelled_lines_become_figures_with_provenance(tmp_path: Path) -> None:
    path = lines(
        tmp_path,
        {"id": "1", "prompt": "a", "response": "long enough", "contexts": [], "label": 1},
        {"id": "2", "prompt": "a", "response": "no", "contexts": [], "label": 0},
        {"id": "3", "prompt": "a", "response": "", "contexts": [], "label": 0},
        {"id": "4", "prompt": "", "response": "lacks a prompt", "contexts": [], "label": 0},
    )
    read = read_set(path, None)
    criterion = read_criteria().get("answer_relevance")
    scores = bench.score(Long(), read.rows)
    found: dict[str, Any] = bench.figures(Long(), criterion, read, scores)
    assert (found["evaluator"], found["n"], found["abstained"]) == ("long", 2, 2)
    assert found["auroc"]["value"] == 1.0


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    path = lines(tmp_path, {"id": "1", "response": "x", "label": 1}, {"id": "2"})
    with pytest.raises(BadRequest, match="line 2: the field 'label' is missing"):
        read_set(path, None)
    with pytest.raises(BadRequest, match="there is no file"):
        read_set(tmp_path / "absent.jsonl", None)


def test_an_evaluator_that_does_not_judge_the_criterion_is_refused() -> None:
    assert bench.chosen_evaluator([Long()], "answer_relevance", None).spec.name == "long"
    with pytest.raises(UnknownField, match="there is long"):
        bench.chosen_evaluator([Long()], "answer_relevance", "short")
