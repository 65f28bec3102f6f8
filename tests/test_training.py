"""Training: the same rows give the same weights, false edits are false, cards say what was done."""

import gzip
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from app.quality import measure, pick_threshold
from evaluators.heads.network import Network, calibrated, read_head
from evaluators.protocol import Sample
from evaluators.training.corruption import make_claims, reword
from evaluators.training.fitting import Bags, Recipe, fit_curve, fit_network, fit_together, pool
from evaluators.training.grounding import support_examples
from evaluators.training.rows import Row, RowsError, Source, pick_rows, read_rows
from evaluators.training.tasks import Scored, Trained
from evaluators.training.writing import Direction, choose_threshold, write_head

PASSAGE = (
    "The refund is paid within 14 days after the item was received by the warehouse. "
    "Customers in Norway pay 49 kroner for delivery, and it is free above 500 kroner. "
    "The shop in Oslo is open on weekdays and closed on Sundays."
)


def bags(n: int = 300) -> Bags:
    """Bags of one or two sentences that are good when the first feature is high in all of them."""
    random = np.random.default_rng(0)
    sizes = random.integers(1, 3, n)
    bag = np.repeat(np.arange(n), sizes)
    features = random.normal(size=(len(bag), 6)).astype(np.float32)
    lowest = pool(features[:, 0], bag, n, -1)
    return Bags(features, bag, (lowest > -0.3).astype(np.float32), np.ones(n, np.float32))


RECIPE = Recipe(hidden=(8,), epochs=25, learning_rate=1e-2, dropout=0.0, sign=-1)


def test_a_network_learns_bags_and_is_the_same_every_time() -> None:
    rows = bags()
    first, second = (fit_network(rows, RECIPE) for _ in range(2))
    for (one, _), (other, _) in zip(first.layers, second.layers, strict=True):
        assert np.array_equal(one, other)
    outputs = pool(first.logits(rows.features), rows.bag, len(rows.labels), -1)
    assert ((outputs > 0) == rows.labels).mean() > 0.8


def test_one_row_gives_what_many_rows_give() -> None:
    rows = bags()
    network = fit_network(rows, RECIPE)
    together = network.logits(rows.features)
    alone = np.concatenate([network.logits(row[None, :]) for row in rows.features])
    assert np.array_equal(together, alone)


def test_networks_that_were_fitted_together_give_the_mean_of_each_alone() -> None:
    rows, recipe = bags(), replace(RECIPE, hidden=(4,))
    alone = [fit_network(rows, replace(recipe, seed=recipe.seed + n)) for n in range(3)]
    mean = np.mean([one.logits(rows.features) for one in alone], axis=0)
    together = fit_together(rows, recipe, 3).logits(rows.features)
    assert np.abs(together - mean).max() < 1e-4


def test_the_calibration_recovers_a_known_curve() -> None:
    random = np.random.default_rng(1)
    outputs = random.normal(size=4000).astype(np.float32) * 2
    chances = 1 / (1 + np.exp(-(0.5 * outputs - 1)))
    labels = (random.random(4000) < chances).astype(np.float32)
    slope, offset = fit_curve(outputs, labels, np.ones(4000, np.float32))
    assert slope == pytest.approx(0.5, abs=0.1)
    assert offset == pytest.approx(-1, abs=0.15)
    assert calibrated(0.0, (slope, offset)) == pytest.approx(0.27, abs=0.03)


def test_a_false_edit_changes_a_fact_and_its_twin_does_not() -> None:
    made = make_claims(PASSAGE, ["Berlin", "Anna"], Random(5), count=3)
    assert Counter(claim.label for claim in made) == {1: 3, 0: 3}
    for true, false in zip(made[::2], made[1::2], strict=True):
        assert false.text not in PASSAGE
        assert true.text != false.text


def test_claims_follow_from_the_seed() -> None:
    again = [make_claims(PASSAGE, ["Berlin"], Random(5), count=3) for _ in range(2)]
    assert again[0] == again[1]
    assert reword("It is free.", Random(0)) == reword("It is free.", Random(0))


def test_the_held_out_help_desk_passages_are_never_trained_on() -> None:
    trained = {example.sample.response for example in support_examples(Random(1), held_out=False)}
    held = {example.sample.response for example in support_examples(Random(1), held_out=True)}
    assert held
    assert not trained & held


def test_a_subset_is_chosen_by_ids_alone() -> None:
    rows = [Row(str(n), "s", Sample("", "x"), 0) for n in range(50)]
    assert pick_rows(rows, 7) == pick_rows(rows[::-1], 7)
    assert pick_rows(rows, 20)[:7] == pick_rows(rows, 7)


def test_rows_are_read_from_gzip_and_wrong_ones_are_named(tmp_path: Path) -> None:
    path = tmp_path / "bias" / "set.train.jsonl.gz"
    path.parent.mkdir()
    good = {"id": "1", "source": "set", "response": "x", "label": 1, "kind": "k"}
    with gzip.open(path, "wt") as file:
        file.write(json.dumps(good) + "\n\n")
    (row,) = Source("set").rows(tmp_path, "bias", "train")
    assert (row.label, row.sample.response, row.extra) == (1, "x", {"kind": "k"})
    path.write_bytes(gzip.compress(b"[1]\n"))
    with pytest.raises(RowsError, match=r"train.jsonl.gz, line 1"):
        list(read_rows(path))


def trained() -> Trained:
    zeros = np.zeros(2, np.float32)
    network = Network(zeros, zeros + 1, ((np.ones((2, 1), np.float32), np.zeros(1, np.float32)),))
    head = Trained(
        name="bias",
        tensors=network.tensors("network"),
        metadata={"calibration": "[1.0, 0.0]"},
        sources=(Source("edos", "CC0"),),
        rows=Counter({"edos": 5}),
    )
    head.dev["edos"] = Scored([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])
    head.dev["chat"] = Scored([n / 1000 for n in range(200)], [0] * 200)
    return head


def test_a_head_is_written_with_manifest_and_card(tmp_path: Path) -> None:
    entry = write_head(
        trained(), tmp_path, direction=Direction(False), measure=measure, pick=pick_threshold
    )
    again = write_head(
        trained(), tmp_path, direction=Direction(False), measure=measure, pick=pick_threshold
    )
    assert entry == again == json.loads((tmp_path / "manifest.json").read_text())["bias"]
    head = read_head(tmp_path / "bias.safetensors", str(entry["sha256"]))
    assert head.network("network").logits(np.ones((1, 2), np.float32)) == pytest.approx(2)
    card = (tmp_path / "bias.md").read_text()
    assert str(entry["sha256"]) in card
    assert "| edos | 5 | CC0 |" in card
    assert "1.000 (1.000 to 1.000)" in card


def test_at_most_one_percent_of_chat_answers_fail_at_the_chosen_threshold() -> None:
    head = trained()
    from_rule = choose_threshold(head, pick_threshold)
    assert sum(score >= from_rule for score in head.dev["chat"].scores) <= 2
