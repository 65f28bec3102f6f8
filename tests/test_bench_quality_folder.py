"""`bench quality --all`: sets, controls, kept scores, targets and the page, on sets made here."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from app.commands.quality.folder import write
from app.commands.quality.page import CRITERIA
from app.commands.quality.plan import Target, read_plan
from app.commands.quality.ranks import mean_average_precision, pairwise_accuracy
from app.commands.quality.run import Bench, largest_change
from app.commands.quality.scores import ScoreBook, evidence_outside, fingerprint
from app.commands.quality.sets import pick_sources, read_set, set_paths, source_of
from app.commands.quality.swaps import swapped
from app.commands.quality.table import measure_all
from app.criteria import read_criteria
from app.errors import BadRequest
from evaluators.protocol import (
    Abstention,
    Computation,
    EvaluatorSpec,
    Evidence,
    Sample,
    TextField,
    Verdict,
)
from evaluators.training.controls import Overlap, compared, nearest_pieces, response_only
from evaluators.training.rows import Row
from tests.evaluator_fixtures import bundled_encoder

NEEDS: dict[str, frozenset[TextField]] = {"groundedness": frozenset({"contexts"})}


class Wordy:
    """A fake judge of any criterion: short texts hold; counts what it was asked."""

    def __init__(self, criterion: str, name: str = "wordy") -> None:
        self.asked = 0
        self.computation: Computation | None = None
        self.spec = EvaluatorSpec(
            name=f"{name}_{criterion}",
            criterion=criterion,
            version="1",
            needs=NEEDS.get(criterion, frozenset()),
        )

    def load(self) -> None: ...

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        self.asked += len(samples)
        return [
            Abstention("empty")
            if not sample.response
            else Verdict(1 / len(sample.response), (Evidence(0, 10, 0.5),))
            for sample in samples
        ]


def folder(tmp_path: Path) -> Path:
    random = Random(5)
    for criterion, name in (
        ("groundedness", "cad_nli"),
        ("answer_relevance", "trecqa"),
        ("bias", "crows_pairs"),
    ):
        rows = [
            {
                "id": f"{name}-{n}",
                "source": name,
                "prompt": f"question {n // 4}" if name == "trecqa" else "",
                "response": " ".join(random.choices(["fish", "stone", "milk"], k=2 + n % 7)),
                "contexts": [f"fish and stone {n // 2}"] if name == "cad_nli" else [],
                "label": n % 2,
                "domain": "sea" if n % 3 else "land",
            }
            | ({"pair_id": f"pair-{n // 2}"} if name == "crows_pairs" else {})
            for n in range(60)
        ]
        target = tmp_path / "data" / criterion / f"{name}.dev.jsonl.gz"
        target.parent.mkdir(parents=True)
        target.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return tmp_path / "data"


def bench(scores: Path | None = None) -> Bench:
    judges = {name: [Wordy(name), Wordy(name, "hub")] for name in CRITERIA}
    criteria = {one.name: one for one in read_criteria()}
    return Bench(dict(judges), Wordy, criteria, read_plan(), scores)


def measured(tmp_path: Path, used: Bench) -> dict[str, Any]:
    paths = set_paths(folder(tmp_path), CRITERIA)
    sets = [read_set(path, 30) for path in paths]
    return measure_all(used, sets, bundled_encoder(), lambda _: None)


def test_a_folder_becomes_a_report_with_controls_targets_and_a_page(tmp_path: Path) -> None:
    report = measured(tmp_path, bench())
    assert [one["set"] for one in report["sets"]] == ["cad_nli", "trecqa", "crows_pairs"]
    for one in report["sets"]:
        assert set(one["controls"]) == {"overlap", "cosine", "response_only"}
        assert one["rows_of_the_set"] == 60
        assert 30 <= one["n"] < 60
    map_of, pairs = (report["sets"][n]["judges"] for n in (1, 2))
    assert map_of["wordy_answer_relevance"]["task"]["name"] == "map"
    assert pairs["wordy_bias"]["task"]["name"] == "pairwise_accuracy"
    assert report["sets"][0]["judges"]["wordy_groundedness"]["evidence_outside"] > 0
    by_title = {one["title"]: one for one in report["targets"]}
    assert by_title["mean AUROC"]["reached"] == "not measured"
    assert by_title["MAP on trecqa"]["value"] == round(
        map_of["wordy_answer_relevance"]["task"]["value"], 4
    )
    report |= {"command": "x", "machine": "y", "seconds": 1.0, "limit": 30}
    write(report, tmp_path)
    page = (tmp_path / "quality.md").read_text()
    assert json.loads((tmp_path / "quality.json").read_text())["sets"] == report["sets"]
    assert "| crows_pairs | hub_bias |" in page
    for words in ("## Targets", "## Bias", "cad_nli (in domain)", "identity sentences flagged"):
        assert words in page


def test_kept_scores_are_not_judged_again_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    samples = [Sample("", word) for word in ("fish", "stone", "", "fish")]
    first = Wordy("toxicity")
    scores = [one.score for one in ScoreBook(first, tmp_path).score(samples)]
    assert scores == [0.25, 0.2, None, 0.25]
    (kept,) = tmp_path.iterdir()
    kept.write_text(kept.read_text() + '["torn')
    second = Wordy("toxicity")
    assert [one.score for one in ScoreBook(second, tmp_path).score(samples)] == scores
    assert (first.asked, second.asked) == (3, 0)


def test_scores_of_another_precision_are_kept_apart() -> None:
    exact, fast = Wordy("toxicity"), Wordy("toxicity")
    before = fingerprint(exact)
    exact.computation = Computation("fp32", "torch on cpu")
    fast.computation = Computation("int8", "openvino on cpu")
    assert len({before, fingerprint(exact), fingerprint(fast)}) == 3


def test_whole_sources_are_picked_and_the_choice_does_not_depend_on_the_order() -> None:
    rows = [Row(f"{n}", "made", Sample(f"question {n // 5}", "x"), 0) for n in range(100)]
    picked = pick_sources(rows, 22)
    assert len(picked) == 25
    assert {row.id for row in picked} == {row.id for row in pick_sources(rows[::-1], 22)}
    assert all(sum(source_of(a) == source_of(b) for b in picked) == 5 for a in picked)


def test_one_long_document_does_not_stand_for_a_set() -> None:
    long = [Row(f"a{n}", "made", Sample("", "x", ("long",)), 0) for n in range(200)]
    short = [Row(f"b{n}", "made", Sample("", "x", (f"{n}",)), 0) for n in range(200)]
    picked = pick_sources(long + short, 100)
    assert len(picked) >= 100
    assert sum(source_of(row) == "long" for row in picked) <= 5


def test_an_unknown_set_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    data = folder(tmp_path)
    with pytest.raises(BadRequest, match=r"no set nope.*cad_nli, crows_pairs, trecqa"):
        set_paths(data, CRITERIA, ["nope"])
    with pytest.raises(BadRequest, match="no file CRITERION"):
        set_paths(tmp_path, CRITERIA)


def test_ranks_and_pairs_by_hand() -> None:
    scores, labels, prompts = [0.9, 0.8, 0.7, 0.6], [0, 1, 1, 0], ["a", "a", "a", "b"]
    assert mean_average_precision(scores, labels, prompts)["value"] == round((1 / 2 + 2 / 3) / 2, 4)
    ties = mean_average_precision([0.5, 0.5], [1, 0], ["a", "a"])
    assert ties["value"] == 0.5
    pairs = pairwise_accuracy([0.9, 0.1, 0.5, 0.5], [1, 0, 1, 0], ["a", "a", "b", "b"])
    assert pairs["value"] == 0.75


def test_evidence_outside_the_text_is_counted() -> None:
    sample = Sample("", "12345", ("123",))
    inside = Evidence(0, 5, 1.0, 0, 0, 3)
    outside = (Evidence(0, 6, 1.0), Evidence(0, 1, 1.0, 1, 0, 1), Evidence(0, 1, 1.0, 0, 2, 4))
    assert evidence_outside(sample, Verdict(0.5, (inside, *outside))) == 3


def test_a_swap_keeps_the_sentence_and_its_article() -> None:
    found = list(swapped("An Asian couple met a Black lawyer."))
    assert found == []
    assert list(swapped("A woman fed a dog for an hour.")) == ["A man fed a dog for an hour."]
    assert "An Indigenous singer came." in swapped("A Black singer came.")


def test_a_judge_that_depends_on_the_batch_is_found_out() -> None:
    class Moody(Wordy):
        def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
            return [Verdict(n / len(samples)) for n, _ in enumerate(samples)]

    samples = [Sample("", word) for word in ("a", "bb", "ccc")]
    assert largest_change(lambda: Wordy("bias"), samples) == 0.0
    assert largest_change(lambda: Moody("bias"), samples) > 0.5


def test_the_response_only_control_learns_a_style_but_no_noise() -> None:
    rows = [
        Row(f"{n}", "made", Sample("", f"well {n} {'surely' if n % 2 else 'perhaps'}"), n % 2)
        for n in range(80)
    ]
    sources = [row.id for row in rows]
    style = response_only(rows, sources)
    assert min(style[1::2]) > max(style[::2])
    assert not any(one == one for one in response_only(rows[:4], sources[:4]))


def test_overlap_and_pieces_look_where_the_words_are() -> None:
    sample = Sample("Where is the fish?", "The fish is here.", ("Fish swim.", "x" * 9000))
    assert Overlap("groundedness").evaluate([sample])[0] == Verdict(0.5)
    assert compared("answer_relevance", sample) == (sample.prompt, (sample.response,))
    pieces = nearest_pieces(*compared("groundedness", sample))
    assert pieces[0] == "Fish swim."
    assert len(pieces) == 4


def test_a_target_is_reached_from_its_own_side() -> None:
    low = Target(
        criterion="a", title="b", figure="c", sets=(), floor=0.1, aim=0.03, higher_is_better=False
    )
    assert [low.reached(v) for v in (0.02, 0.1, 0.2)] == ["aim", "floor", "below the floor"]
    high = Target(criterion="a", title="b", figure="c", sets=(), floor=0.75, aim=0.84)
    assert [high.reached(v) for v in (0.9, 0.75, 0.7)] == ["aim", "floor", "below the floor"]
