"""Whole numbers: near to exact states, the same in any batch, and only with the right ranges."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from app.errors import SetupError
from app.selection import find_evaluators
from app.settings import read_settings
from evaluators.engine import ENCODER, PrecisionError, Tokens, WeightsError
from evaluators.heads import int8
from evaluators.heads import runner as heads_runner
from evaluators.heads.bert import Bert
from evaluators.heads.int8 import has_int8, product, rounded
from evaluators.heads.ranges import (
    FILE,
    Ranges,
    find_ranges,
    input_name,
    read_ranges,
    write_ranges,
)
from evaluators.heads.runner import Runner, faster_precision
from evaluators.protocol import Computation
from evaluators.weights import BUNDLED, bundled_encoder
from tests.test_runner import SEQUENCES, bert, network, sequence

__all__ = ["bert", "network"]

needs_int8 = pytest.mark.skipif(not has_int8(), reason="OpenVINO has no int8 on this processor")


@pytest.fixture(scope="module")
def ranges(bert: Bert) -> Ranges:
    return find_ranges(bert, [sequence(length) for length in range(1, 49)])


@pytest.fixture(scope="module")
def runner(bert: Bert, ranges: Ranges) -> Runner:
    return Runner(bert, device="cpu", precision="int8", ranges=ranges)


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    found: np.ndarray = (one * other).sum(axis=1) / lengths
    return found


@needs_int8
def test_it_is_near_to_fp32(bert: Bert, runner: Runner) -> None:
    exact = Runner(bert, device="cpu", precision="fp32").run(SEQUENCES, first=True, mean=True)
    found = runner.run(SEQUENCES, first=True, mean=True)
    for wanted, given in ((exact.first, found.first), (exact.mean, found.mean)):
        assert wanted is not None
        assert given is not None
        assert cosines(wanted, given).min() > 0.99
        assert not np.allclose(wanted, given, atol=1e-4)


@needs_int8
@pytest.mark.parametrize("value", [0.4, 1.0])
def test_a_sum_of_large_products_is_not_cut_off(value: float) -> None:
    found = product(np.full((64, 64), value, np.float32), 64)()
    assert np.abs(found - 64 * value**2).max() < 0.05 * 64 * value**2


def test_where_sums_are_cut_off_there_is_no_int8(
    bert: Bert, ranges: Ranges, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "overflows", lambda: True)
    assert not has_int8()
    faster_precision.cache_clear()
    assert Runner(bert, device="cpu", ranges=ranges).precision in ("fp32", "bf16")
    faster_precision.cache_clear()
    with pytest.raises(PrecisionError, match="no exact int8"):
        Runner(bert, device="cpu", precision="int8", ranges=ranges)


def test_a_product_that_is_cut_off_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    for kept, is_cut in ((1.0, False), (0.5, True)):
        made = np.full((int8.PROBED, int8.PROBED), kept * int8.PROBED, np.float32)
        monkeypatch.setattr(int8, "product", lambda weight, rows, made=made: lambda: made)
        assert int8.overflows.__wrapped__() is is_cut


@needs_int8
def test_a_sequence_has_the_same_states_in_any_batch(runner: Runner) -> None:
    together = runner.run(SEQUENCES, tokens=True).tokens
    assert together is not None
    for one, states in zip(SEQUENCES, together, strict=True):
        alone = runner.run([one], tokens=True).tokens
        assert alone is not None
        assert alone[0].shape == states.shape
        assert (alone[0] == states).all()


@needs_int8
def test_first_tokens_alone_are_those_of_a_whole_pass(
    bert: Bert, ranges: Ranges, runner: Runner
) -> None:
    only = Runner(bert, device="cpu", precision="int8", ranges=ranges, only_first=True)
    one, other = only.run(SEQUENCES, first=True).first, runner.run(SEQUENCES, first=True).first
    assert one is not None
    assert other is not None
    assert cosines(one, other).min() > 0.999
    with pytest.raises(ValueError, match="first tokens only"):
        only.run(SEQUENCES, mean=True)


@needs_int8
def test_it_is_among_the_precisions_that_are_tried(bert: Bert, ranges: Ranges) -> None:
    assert faster_precision(64, int8=True) in ("fp32", "bf16", "int8")
    chosen = Runner(bert, device="cpu", ranges=ranges).precision
    assert chosen == faster_precision(bert.width, int8=True)


@needs_int8
def test_without_ranges_there_is_no_int8(bert: Bert) -> None:
    assert Runner(bert, device="cpu").precision != "int8"
    with pytest.raises(ValueError, match="needs the ranges"):
        Runner(bert, device="cpu", precision="int8")


def test_without_openvino_there_is_no_int8(
    bert: Bert, ranges: Ranges, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        int8.importlib.util, "find_spec", lambda name: None if name == "openvino" else find(name)
    )
    assert not has_int8()
    faster_precision.cache_clear()
    assert Runner(bert, device="cpu", ranges=ranges).precision in ("fp32", "bf16")
    faster_precision.cache_clear()


@needs_int8
def test_a_precision_that_is_asked_for_is_the_one_that_computes(
    bert: Bert, ranges: Ranges, runner: Runner
) -> None:
    exact = Runner(bert, device="cpu", precision="fp32", ranges=ranges)
    assert exact.computation == Computation("fp32", f"torch {torch.__version__} on cpu")
    assert runner.computation.precision == "int8"
    assert runner.computation.backend.startswith("openvino 2")


def test_a_precision_that_cannot_be_had_is_refused_with_what_to_do(
    bert: Bert, ranges: Ranges, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads_runner, "has_int8", lambda: False)
    monkeypatch.setattr(heads_runner, "has_bf16", lambda: False)
    with pytest.raises(PrecisionError, match="no exact int8 on this machine"):
        Runner(bert, device="cpu", precision="int8", ranges=ranges)
    with pytest.raises(PrecisionError, match="does not compute in bf16; ask for"):
        Runner(bert, device="cpu", precision="bf16", ranges=ranges)


def test_int8_without_openvino_or_on_a_gpu_ends_the_start_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SetupError, match="TOUCHSTONE_PRECISION is wrong: int8 runs on a CPU"):
        find_evaluators(read_settings(precision="int8", device="cuda"))
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "openvino" else find(name)
    )
    with pytest.raises(SetupError, match="int8 needs OpenVINO, which is not installed; run"):
        find_evaluators(read_settings(precision="int8"))
    assert find_evaluators(read_settings(precision="fp32"))


def test_a_rounded_map_differs_by_little_also_where_one_channel_is_wide() -> None:
    chance = np.random.default_rng(1)
    states = chance.normal(size=(200, 32)).astype(np.float32) * np.where(np.arange(32) == 3, 60, 1)
    weight = chance.normal(size=(16, 32)).astype(np.float32)
    made = rounded(weight, states.min(axis=0), states.max(axis=0))
    step = (made.high - made.low) / 255
    given = np.round(states * made.by / step) * step
    largest = np.abs(made.weight).max(axis=1, keepdims=True)
    taken = np.round(made.weight / largest * 127) * largest / 127
    error = np.abs(given @ taken.T - states @ weight.T).mean()
    assert error < 0.02 * np.abs(states @ weight.T).mean()
    assert made.low <= 0 <= made.high


def test_the_maps_of_an_attention_share_a_range() -> None:
    own = "encoder.layer.2.attention.self"
    names = {input_name(f"{own}.{one}") for one in ("query", "key", "value")}
    assert names == {"2.attention.self"}
    assert input_name("encoder.layer.2.output.dense") == "2.output.dense"


def test_ranges_hold_the_extremes_of_all_sequences(bert: Bert) -> None:
    one, other = sequence(9), sequence(30)
    both, first = find_ranges(bert, [one, other]), find_ranges(bert, [one])
    assert set(both) == set(first)
    for name, ends in both.items():
        wider = ends >= first[name] if name.endswith(".high") else ends <= first[name]
        assert bool(wider.all())


def test_ranges_serve_only_the_weights_that_they_were_found_for(
    bert: Bert, ranges: Ranges, tmp_path: Path
) -> None:
    assert read_ranges(tmp_path, "pair", "digest") is None
    write_ranges({"pair": ("digest", ranges)}, tmp_path)
    found = read_ranges(tmp_path, "pair", "digest")
    assert found is not None
    assert set(found) == set(ranges)
    assert all(torch.allclose(found[name], ranges[name], rtol=1e-2) for name in ranges)
    assert read_ranges(tmp_path, "pair", "another digest") is None
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes() + b" ")
    with pytest.raises(WeightsError, match="is pinned"):
        read_ranges(tmp_path, "pair", "digest")


@pytest.mark.parametrize("name", ["pair", "text", "base"])
def test_the_shipped_ranges_belong_to_the_shipped_weights(name: str) -> None:
    digest = ENCODER.sha256 if name == "base" else bundled_encoder(name).sha256
    found = read_ranges(BUNDLED, name, digest)
    assert found is not None
    assert len(found) == 6 * 4 * 2


def test_a_sequence_without_segment_ids_is_read_as_one_text(bert: Bert) -> None:
    given = find_ranges(bert, [Tokens((5, 6, 7))])
    assert all(bool(torch.isfinite(one).all()) for one in given.values())
