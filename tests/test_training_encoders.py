"""Fine-tuning: it learns, goes on where it stopped, and judging computes what training computed."""

import gzip
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from evaluators.engine import Tokens, file_digest
from evaluators.heads.tuned import read_tuned
from evaluators.training.disguises import disguise
from evaluators.training.encoders import ENCODERS, READ, write_encoder, write_used
from evaluators.training.tuning import Bag, Judge, Tuning, outputs_of, rate_at, tune
from evaluators.weights import BUNDLED

SMALL = Tuning(signs=(1, -1), frozen_layers=1, epochs=6, tokens_per_step=400, learning_rate=3e-3)
BAD, GOOD = 7, 8


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small encoder on disk."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("base")
    config = BertConfig(
        vocab_size=40,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=12,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def bag(random: Random) -> Bag:
    """Sequences; the first task asks whether any holds BAD, the second whether all hold GOOD."""
    sequences = []
    for _ in range(random.randint(1, 3)):
        ids = [random.randrange(10, 40) for _ in range(random.randint(4, 9))]
        if random.random() < 0.3:
            ids[random.randrange(len(ids))] = BAD
        if random.random() < 0.7:
            ids[random.randrange(len(ids))] = GOOD
        sequences.append(Tokens((1, *ids, 2)))
    is_bad = any(BAD in one.ids for one in sequences)
    is_good = all(GOOD in one.ids for one in sequences)
    return Bag(tuple(sequences), {0: float(is_bad), 1: float(is_good)})


def bags(n: int, seed: int) -> list[Bag]:
    random = Random(seed)
    return [bag(random) for _ in range(n)]


def test_it_learns_what_a_bag_of_sequences_holds(base: Path, tmp_path: Path) -> None:
    judge = tune(bags(600, 1), SMALL, tmp_path, base=base)
    unseen = bags(200, 2)
    outputs = np.array(outputs_of(judge, unseen, SMALL.signs))
    for task in (0, 1):
        right = (outputs[:, task] > 0) == [one.labels[task] == 1 for one in unseen]
        assert right.mean() > 0.9


def test_a_stopped_run_ends_like_one_that_was_not_stopped(base: Path, tmp_path: Path) -> None:
    rows, tuning = bags(60, 1), replace(SMALL, epochs=2, checkpoint_seconds=-1)
    whole = tune(rows, tuning, tmp_path / "whole", base=base)

    class Stop(Exception): ...

    def stop(what: str, done: int, total: int) -> None:
        if done == total // 2:
            raise Stop

    with pytest.raises(Stop):
        tune(rows, tuning, tmp_path / "stopped", stop, base=base)
    resumed = tune(rows, tuning, tmp_path / "stopped", base=base)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_judging_computes_what_training_computed(base: Path, tmp_path: Path) -> None:
    judge = tune(bags(100, 1), SMALL, tmp_path / "run", base=base)
    entry = write_encoder("text", ("bad", "good"), tmp_path / "run", tmp_path, Counter(made=100))
    assert entry["tasks"] == ["bad", "good"]
    sequences = [one.sequences[0] for one in bags(30, 5)]
    found = read_tuned(base, tmp_path / "text.safetensors", "cpu").outputs(sequences)
    wanted = outputs_of(judge, [Bag((one,), {}) for one in sequences], SMALL.signs)
    assert np.abs(found - np.array(wanted)).max() < 0.15


def test_the_frozen_layers_are_neither_changed_nor_shipped(base: Path, tmp_path: Path) -> None:
    before = Judge(2, 1, base).state_dict()
    after = tune(bags(60, 1), replace(SMALL, epochs=1), tmp_path, base=base).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any("embeddings" in name or "layer.0." in name for name in changed)
    assert any("layer.1." in name for name in changed)


def test_the_learning_rate_rises_and_falls_to_nothing() -> None:
    rates = [rate_at(step, 100, 0.1) for step in range(100)]
    assert max(rates) == rates[9] == 1
    assert rates[-1] < 0.02


def test_a_disguise_follows_from_the_seed_and_keeps_the_number_of_words_or_adds_spaces() -> None:
    text = "You are a stupid person"
    made = [disguise(text, Random(seed)) for seed in range(20)]
    assert made == [disguise(text, Random(seed)) for seed in range(20)]
    assert any(one != text for one in made)


def test_the_rows_that_a_run_read_are_told_by_file_and_digest(tmp_path: Path) -> None:
    row = json.dumps({"id": "a", "source": "made", "response": "Yes.", "label": 1})
    for folder, sets in READ["text"]:
        for one in sets:
            path = one.path(tmp_path, folder, "train")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(row.encode(), mtime=0))
    digest = write_used("text", tmp_path, tmp_path / "out")
    written = tmp_path / "out" / "text.data.json"
    assert digest == file_digest(written)
    files = json.loads(written.read_text())["files"]
    assert len(files) == sum(len(sets) for _, sets in READ["text"])
    assert {one["rows_used"] for one in files} == {1}


@pytest.mark.parametrize("name", ENCODERS)
def test_the_card_names_the_rows_that_a_shipped_encoder_read(name: str) -> None:
    entry = json.loads((BUNDLED / "encoders.json").read_text())[name]
    assert entry["data"] == file_digest(BUNDLED / f"{name}.data.json")
    assert entry["data"] in (BUNDLED / "encoders.md").read_text()
