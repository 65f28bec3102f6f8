"""The encoder: digest checked, batches equal singles, equal texts once, like transformers."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from evaluators.engine import (
    ENCODER,
    Encoder,
    Tokens,
    WeightsError,
    check_digest,
    choose_device,
    file_digest,
    find_encoder,
    token_batches,
)
from evaluators.heads.bert import read_bert
from evaluators.heads.packed import shared
from evaluators.heads.runner import Runner
from evaluators.protocol import Weights

TEXTS = [
    "Refunds take five days.",
    "¿Dónde está la biblioteca? 👍🏽",
    "A much longer sentence about the weather in the north of Norway, where it often rains. " * 4,
    "x",
    "",
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    encoder = Encoder(device="cpu")
    encoder.load()
    return encoder


def test_a_batch_gives_what_singles_give(encoder: Encoder) -> None:
    alone = Encoder(device="cpu", cached_tokens=0)
    alone.load()
    for text, together in zip(TEXTS, encoder.encode(TEXTS), strict=True):
        (single,) = alone.encode([text])
        assert np.abs(single.vector - together.vector).max() < 1e-4
        assert single.token_ids == together.token_ids
        assert len(together.tokens) == len(together.token_ids)


def test_vectors_have_unit_length_and_tell_meanings_apart(encoder: Encoder) -> None:
    money, refund, cat = encoder.encode(["You get your money back.", "A refund.", "A black cat."])
    assert np.linalg.norm(money.vector) == pytest.approx(1, abs=1e-5)
    assert money.vector @ refund.vector > money.vector @ cat.vector + 0.2


def test_vectors_are_those_of_the_encodings(encoder: Encoder) -> None:
    vectors = encoder.vectors(TEXTS)
    for row, encoded in zip(vectors, encoder.encode(TEXTS), strict=True):
        assert row @ encoded.vector == pytest.approx(1, abs=1e-3)


def test_encoders_hold_equal_embeddings_once() -> None:
    first, second, other = torch.ones(3, 2), torch.ones(3, 2), torch.zeros(3, 2)
    assert shared(first) is first
    assert shared(second) is first
    assert shared(other) is other


def test_equal_texts_are_computed_once(encoder: Encoder) -> None:
    first, second = encoder.encode(["Only once, please.", "Only once, please."])
    assert first is second
    assert encoder.encode(["Only once, please."])[0] is first


def test_the_cache_forgets_the_oldest_texts() -> None:
    small = Encoder(device="cpu", cached_tokens=6)
    small.load()
    (first,) = small.encode(["one two three"])
    small.encode(["four five six"])
    small.encode(["seven eight nine"])
    assert small.encode(["one two three"])[0] is not first


def test_it_computes_what_transformers_computes() -> None:
    folder = find_encoder()
    ours = read_bert(folder, "cpu")
    theirs = BertModel(BertConfig.from_pretrained(folder), add_pooling_layer=False).eval()
    theirs.load_state_dict({name: ours.state[name] for name in theirs.state_dict()})
    ids = torch.tensor([[101, 7592, 2088, 102], [101, 2748, 102, 0]])
    mask = ids > 0
    with torch.inference_mode():
        expected = theirs(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        found = ours.states(ids, mask)
    assert torch.allclose(found[mask], expected[mask], atol=1e-5)


def test_segments_count() -> None:
    bert = read_bert(find_encoder(), "cpu")
    theirs = BertModel(BertConfig.from_pretrained(find_encoder()), add_pooling_layer=False).eval()
    theirs.load_state_dict({name: bert.state[name] for name in theirs.state_dict()})
    ids, types = (101, 2054, 102, 2748, 102), (0, 0, 0, 1, 1)
    found = Runner(bert, device="cpu", precision="fp32").run([Tokens(ids, types)], tokens=True)
    with torch.inference_mode():
        expected = theirs(
            input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types])
        ).last_hidden_state[0]
    assert found.tokens is not None
    assert np.abs(found.tokens[0] - expected.numpy()).max() < 1e-4


def test_other_weights_are_refused(tmp_path: Path) -> None:
    shutil.copy(find_encoder() / "config.json", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(WeightsError, match="is pinned"):
        Encoder(tmp_path).load()


def test_the_bundled_weights_are_the_pinned_ones(tmp_path: Path) -> None:
    check_digest(find_encoder() / "model.safetensors", ENCODER.sha256)
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert file_digest(path).startswith("ba7816bf")
    with pytest.raises(WeightsError, match="there are no weights"):
        check_digest(tmp_path / "absent", ENCODER.sha256)
    with pytest.raises(WeightsError, match=r"sha256 ba7816bf.*is pinned"):
        check_digest(path, Weights("x", "0" * 64).sha256)


def test_batches_hold_every_text_once_within_the_budget() -> None:
    lengths = [5, 200, 3, 3, 90, 17]
    batches = list(token_batches(lengths, 200))
    assert sorted(index for batch in batches for index in batch) == list(range(6))
    assert all(len(b) * max(lengths[i] for i in b) <= 200 for b in batches)


def test_a_missing_cuda_device_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert choose_device("cuda", has_cuda=False) == "cpu"
    assert "run on the CPU" in caplog.text
    assert choose_device("auto", has_cuda=True) == "cuda"
    assert choose_device("cpu", has_cuda=True) == "cpu"
