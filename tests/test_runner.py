"""The runner: any batch gives the same states as transformers, equal sequences run once."""

import logging
import random

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from evaluators.engine import Tokens
from evaluators.heads.bert import Bert
from evaluators.heads.packed import Group, PackedBert, has_bf16
from evaluators.heads.runner import Outputs, Runner, faster_precision, grouped

CHANCE = random.Random(7)


def sequence(length: int) -> Tokens:
    ids = tuple(CHANCE.randrange(90) for _ in range(length))
    return Tokens(ids, tuple(int(index > length // 2) for index in range(length)))


SEQUENCES = [sequence(length) for length in (5, 1, 31, 5, 17, 48, 2, 31, 31)]


@pytest.fixture(scope="module")
def network() -> BertModel:
    """A small encoder with weights large enough for attention to matter."""
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=90,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=48,
        initializer_range=0.3,
    )
    return BertModel(config, add_pooling_layer=False).eval()


@pytest.fixture(scope="module")
def bert(network: BertModel) -> Bert:
    return Bert.of(network.state_dict(), heads=4, epsilon=1e-12)


def expected(network: BertModel, one: Tokens) -> np.ndarray:
    with torch.inference_mode():
        given = {"input_ids": torch.tensor([one.ids]), "token_type_ids": torch.tensor([one.types])}
        return np.asarray(network(**given).last_hidden_state[0].numpy())


def test_it_computes_what_transformers_computes(network: BertModel, bert: Bert) -> None:
    runner = Runner(bert, device="cpu", precision="fp32", tokens_at_once=60)
    found = runner.run(SEQUENCES, first=True, mean=True, tokens=True)
    assert found.first is not None
    assert found.mean is not None
    assert found.tokens is not None
    for index, one in enumerate(SEQUENCES):
        wanted = expected(network, one)
        assert np.allclose(found.tokens[index], wanted, atol=1e-4)
        assert np.allclose(found.first[index], wanted[0], atol=1e-4)
        assert np.allclose(found.mean[index], wanted.mean(axis=0), atol=1e-4)


@pytest.mark.skipif(not has_bf16(), reason="this processor does not compute in bf16")
def test_bf16_is_near_and_independent_of_the_batch(network: BertModel, bert: Bert) -> None:
    runner = Runner(bert, device="cpu", precision="bf16")
    together = runner.run(SEQUENCES, first=True).first
    assert together is not None
    for one, row in zip(SEQUENCES, together, strict=True):
        alone = runner.run([one], first=True).first
        assert alone is not None
        assert (alone[0] == row).all()
        wanted = expected(network, one)[0]
        assert row @ wanted > 0.995 * np.linalg.norm(row) * np.linalg.norm(wanted)


def test_the_first_states_alone_equal_those_of_a_full_pass(bert: Bert) -> None:
    runner = Runner(bert, device="cpu", precision="fp32")
    alone = runner.run(SEQUENCES, first=True).first
    full = runner.run(SEQUENCES, first=True, tokens=True).first
    assert np.allclose(alone, full, atol=1e-5)


def test_equal_sequences_are_computed_once(bert: Bert, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Group] = []
    compute = PackedBert.first_states

    def spy(self: PackedBert, *given: object) -> torch.Tensor:
        seen.extend(given[2])  # type: ignore[call-overload]
        return compute(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(PackedBert, "first_states", spy)
    one, other = sequence(9), sequence(9)
    found = Runner(bert, device="cpu").run([one, other, one], first=True).first
    assert seen == [Group(2, 9)]
    assert found is not None
    assert (found[0] == found[2]).all()
    assert (found[0] != found[1]).any()


def test_other_segments_are_another_sequence(bert: Bert) -> None:
    ids = (1, 2, 3, 4)
    found = Runner(bert, device="cpu").run([Tokens(ids), Tokens(ids, (0, 0, 1, 1))], mean=True).mean
    assert found is not None
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_nothing_asked_is_nothing_given(bert: Bert) -> None:
    runner = Runner(bert, device="cpu", precision="fp32")
    found = runner.run([], first=True, tokens=True)
    assert found.first is not None
    assert found.first.shape == (0, 64)
    assert found.tokens == []
    assert found.mean is None


@pytest.mark.parametrize("length", [0, 49])
def test_an_empty_or_too_long_sequence_is_refused(bert: Bert, length: int) -> None:
    with pytest.raises(ValueError, match=f"a sequence has {length} tokens; the encoder takes 1"):
        Runner(bert, device="cpu", precision="fp32").run([sequence(length)], first=True)


def test_weights_that_are_no_encoder_are_refused() -> None:
    with pytest.raises(ValueError, match="no row of encoder layers"):
        Bert.of({"encoder.layer.1.x": torch.zeros(1)})


def test_equal_lengths_make_a_group() -> None:
    assert grouped([2, 2, 5, 5, 5, 9]) == [Group(2, 2), Group(3, 5), Group(1, 9)]


def test_the_measured_precision_is_one_that_the_processor_has() -> None:
    assert faster_precision(64) in (("fp32", "bf16") if has_bf16() else ("fp32",))


class Failing(PackedBert):
    """An encoder on a device that breaks on more than so many tokens at once."""

    most = 40

    def first_states(self, *given: object) -> torch.Tensor:  # type: ignore[override]
        if len(given[0]) > self.most:  # type: ignore[arg-type]
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().first_states(*given)  # type: ignore[arg-type]


def on_failing_device(bert: Bert, most: int) -> tuple[Runner, Outputs]:
    runner = Runner(bert, device="cpu", precision="fp32")
    packed = Failing(bert, "fp32")
    packed.most = most
    runner._packed, runner._bert = packed, bert
    runner._is_accelerated = True
    return runner, runner.run(SEQUENCES, first=True)


@pytest.mark.parametrize(("most", "told"), [(50, "halving"), (3, "go on on the CPU")])
def test_a_device_that_runs_out_of_memory_is_given_less_then_left(
    bert: Bert, caplog: pytest.LogCaptureFixture, most: int, told: str
) -> None:
    with caplog.at_level(logging.WARNING):
        runner, found = on_failing_device(bert, most)
    wanted = Runner(bert, device="cpu", precision="fp32").run(SEQUENCES, first=True).first
    assert np.allclose(found.first, wanted, atol=1e-5)
    assert told in caplog.text
    assert runner.is_accelerated == (most == 50)
