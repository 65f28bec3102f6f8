"""The formula of `Bert` with linear maps in whole numbers of eight bits, run by OpenVINO on a CPU.

Weights are rounded per output channel and inputs per map. A channel whose input has a wide range is
divided by it beforehand, and its weights are multiplied, so that no channel is rounded to nothing
(Xiao et al. 2023, SmoothQuant, with a strength of 0.9). Between the maps everything is computed in
bf16 or fp32, attention included. Needs the ranges that `evaluators.heads.ranges` finds.
"""

import importlib
import importlib.util
import logging
import threading
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluators.heads.bert import Bert
from evaluators.heads.packed import Embeddings, Group, Precision
from evaluators.heads.ranges import Ranges, input_name

Array = NDArray[np.float32]

STRENGTH = 0.9
"""How much of a channel's range its weights take over; the rest stays in the input."""
HEADROOM = 1.05
"""How much wider than the ranges that were seen the rounded ones are."""
LEAST_GELU = 2.0
"""The least upper end of a channel after GELU, whose lower end is -0.17 everywhere.

With less, narrow channels would spend most of the 256 values below zero.
"""
APART = 32
"""How many of a layer's inner channels, those with the widest effect, are not rounded.

Few channels reach many times further than the others and would make the steps of all of them
coarse (Dettmers et al. 2022, LLM.int8()).
"""
LEAST_RANGE = 1e-3
STEPS = 255
PADDED_TO = 16
"""Of which number of tokens the length of a batch is a multiple: few shapes need few plans."""
PLANS = 64
"""For how many shapes OpenVINO keeps its plan of a map; each takes memory."""
PROBED = 64
"""The width of the product that is tried with the largest numbers."""
UNSEEN = -1e4
"""What is added to the attention to padding."""

Node = Any
"""A value of an OpenVINO graph."""

log = logging.getLogger(__name__)


def has_int8() -> bool:
    """Whether OpenVINO is installed and computes rightly in whole numbers on this machine."""
    if importlib.util.find_spec("openvino") is None:
        return False
    try:
        able = openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return "INT8" in able and not overflows()
    except (ImportError, RuntimeError) as error:
        log.warning("OpenVINO does not work here (%s); the judges run without int8", error)
        return False


@cache
def overflows() -> bool:
    """Whether this processor cuts off sums of products of large whole numbers.

    Without VNNI or AMX, two products of eight bits are added in sixteen, which cannot hold them:
    OpenVINO's guide to quantization calls it the saturation issue.
    """
    largest = np.ones((PROBED, PROBED), np.float32)
    found = product(largest, PROBED)()
    return bool(np.abs(found - PROBED).max() > PROBED / 20)


@cache
def openvino() -> Any:
    """The library, imported when it is first needed."""
    return importlib.import_module("openvino")


@cache
def operations() -> Any:
    """The operations of its graphs."""
    return importlib.import_module("openvino.opset15")


class Int8Bert:
    """An encoder for inference in whole numbers on a CPU; the counterpart of `PackedBert`.

    With `first` only the first token of each sequence is computed to the end, which is cheaper.
    """

    precision: Precision = "int8"
    device = "cpu"

    def __init__(self, bert: Bert, ranges: Ranges, *, first: bool = False) -> None:
        self._embeddings = Embeddings(bert, torch.bfloat16, "cpu")
        self.longest = self._embeddings.longest
        self._is_first = first
        self._compiled = compiled(Graph(bert, ranges).model(first=first))
        self._requests = threading.local()
        self.library = f"openvino {version('openvino')}"

    def states(self, ids: Tensor, types: Tensor, groups: Sequence[Group]) -> Tensor:
        """The last states of all tokens, shape (tokens, width)."""
        if self._is_first:
            raise ValueError("this encoder was made for the states of first tokens only")
        found = torch.from_numpy(self._run(ids, types, groups))
        return found[_is_real(groups)]

    def first_states(self, ids: Tensor, types: Tensor, groups: Sequence[Group]) -> Tensor:
        """The last states of the first token of each sequence, shape (sequences, width)."""
        return torch.from_numpy(self._run(ids, types, groups)[:, 0])

    def _run(self, ids: Tensor, types: Tensor, groups: Sequence[Group]) -> Array:
        """Last states, shape (sequences, padded length or 1, width)."""
        real = _is_real(groups)
        states = self._embeddings(ids, types, groups)
        filled = torch.zeros((*real.shape, states.shape[1]))
        filled[real] = states
        unseen = torch.where(real, 0.0, UNSEEN)
        found = self._request().infer([filled.numpy(), unseen.numpy()], share_inputs=True)
        return np.asarray(found[0], dtype=np.float32)

    def _request(self) -> Any:
        """The request of this thread; one serves only one caller at a time."""
        if not hasattr(self._requests, "own"):
            self._requests.own = self._compiled.create_infer_request()
        return self._requests.own


def _is_real(groups: Sequence[Group]) -> Tensor:
    """Where tokens stand in the padded batch, shape (sequences, padded length)."""
    lengths = torch.tensor([one.length for one in groups for _ in range(one.size)])
    return torch.arange(padded(int(lengths.max())))[None, :] < lengths[:, None]


def padded(length: int) -> int:
    """The length of the batches that sequences of this length are put into."""
    return -(-length // PADDED_TO) * PADDED_TO


def compiled(model: Any) -> Any:
    """A graph made ready for as many threads as torch has."""
    options = {
        "INFERENCE_PRECISION_HINT": "bf16",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
        "CPU_RUNTIME_CACHE_CAPACITY": PLANS,
    }
    return openvino().Core().compile_model(model, "CPU", options)


class Rounded(NamedTuple):
    """A linear map for an input that is multiplied by `by` and rounded between two values."""

    weight: Array
    by: Array
    low: float
    high: float


def rounded(weight: Array, low: Array, high: Array, *, is_gelu: bool = False) -> Rounded:
    """A weight of shape (out, in) and an input with these ranges, made ready for rounding."""
    wide = np.maximum(np.abs(low), np.abs(high)) * HEADROOM
    wide = np.maximum(wide, LEAST_GELU if is_gelu else LEAST_RANGE)
    strength = 1.0 if is_gelu else STRENGTH
    weights = np.maximum(np.abs(weight).max(axis=0), 1e-5)
    share = wide**strength / weights ** (1 - strength)
    lowest = float((low * HEADROOM / share).min())
    highest = float((wide / share).max() if is_gelu else (high * HEADROOM / share).max())
    step = (highest - lowest) / STEPS
    zero = round(-lowest / step)
    return Rounded(weight * share, 1 / share, -zero * step, (STEPS - zero) * step)


def product(weight: Array, rows: int) -> Callable[[], Array]:
    """A product of so many rows with a weight of shape (out, in), as an encoder computes it."""
    ends = np.ones(weight.shape[1], np.float32)
    given = operations().parameter([rows, weight.shape[1]], np.float32)
    found = multiplied(given, rounded(weight, -ends, ends))
    request = compiled(openvino().Model([found], [given], "product")).create_infer_request()
    states = np.resize(weight, (rows, weight.shape[1]))
    return lambda: np.asarray(request.infer([states], share_inputs=True)[0])


def multiplied(states: Node, by: Rounded) -> Node:
    """The product of states with a rounded weight."""
    given = _round(operations().multiply(states, _array(by.by)), by.low, by.high, STEPS + 1)
    largest = np.abs(by.weight).max(axis=1, keepdims=True)
    weight = _round(_array(by.weight), -largest, largest, STEPS)
    return operations().matmul(given, weight, False, True)


def _exactly(states: Node, weight: Array) -> Node:
    """The product of states with a weight that is not rounded."""
    return operations().matmul(states, _array(weight), False, True)


def _round(value: Node, low: float | Array, high: float | Array, levels: int) -> Node:
    ends = [_array(np.asarray(one)) for one in (low, high)]
    return operations().fake_quantize(value, *ends, *ends, levels)


def _array(values: Array) -> Node:
    return operations().constant(np.ascontiguousarray(values, dtype=np.float32))


def _numbers(*values: int) -> Node:
    return operations().constant(np.array(values, dtype=np.int64))


class Graph:
    """Builds the OpenVINO graph of an encoder from states to states."""

    def __init__(self, bert: Bert, ranges: Ranges) -> None:
        self._bert, self._ranges = bert, ranges
        self._head = bert.width // bert.heads

    def model(self, *, first: bool) -> Any:
        """Of states, shape (sequences, tokens, width), and 0 or `UNSEEN` for each token."""
        op, float32 = operations(), np.float32
        states = op.parameter([-1, -1, self._bert.width], float32, name="states")
        unseen = op.parameter([-1, -1], float32, name="unseen")
        mask = op.unsqueeze(unseen, _numbers(1, 2))
        found = states
        for number in range(self._bert.layers):
            is_last = number == self._bert.layers - 1
            found = self._layer(found, mask, f"encoder.layer.{number}", only=first and is_last)
        return openvino().Model([found], [states, unseen], "encoder")

    def _layer(self, states: Node, mask: Node, name: str, *, only: bool) -> Node:
        op, own = operations(), f"{name}.attention.self"
        asking = op.slice(states, *(_numbers(one) for one in (0, 1, 1, 1))) if only else states
        query = self._split(self._linear(asking, f"{own}.query"))
        key, value = (self._split(self._linear(states, f"{own}.{one}")) for one in ("key", "value"))
        mixed = op.transpose(
            op.scaled_dot_product_attention(query, key, value, mask), _numbers(0, 2, 1, 3)
        )
        mixed = op.reshape(mixed, _numbers(0, 0, self._bert.width), True)
        mixed = op.add(asking, self._linear(mixed, f"{name}.attention.output.dense"))
        given = self._norm(mixed, f"{name}.attention.output.LayerNorm")
        found = op.add(given, self._inner(given, name))
        return self._norm(found, f"{name}.output.LayerNorm")

    def _split(self, states: Node) -> Node:
        shape = _numbers(0, 0, self._bert.heads, self._head)
        reshaped = operations().reshape(states, shape, True)
        return operations().transpose(reshaped, _numbers(0, 2, 1, 3))

    def _inner(self, states: Node, name: str) -> Node:
        """The two maps around GELU, with the channels of widest effect in floating point."""
        op = operations()
        wide, narrow = (f"{name}.{one}.dense" for one in ("intermediate", "output"))
        weight, bias = self._weight(f"{wide}.weight"), self._weight(f"{wide}.bias")
        back, (low, high) = self._weight(f"{narrow}.weight"), self._ends(narrow)
        effect = np.linalg.norm(back, axis=0) * np.maximum(np.abs(low), np.abs(high))
        order = np.argsort(-effect, kind="stable")
        few, many = np.sort(order[:APART]), np.sort(order[APART:])
        plain = op.gelu(op.add(_exactly(states, weight[few]), _array(bias[few])), "erf")
        entering = rounded(weight[many], *self._ends(wide))
        inner = op.gelu(op.add(multiplied(states, entering), _array(bias[many])), "erf")
        leaving = rounded(back[:, many], low[many], high[many], is_gelu=True)
        found = op.add(multiplied(inner, leaving), _array(self._weight(f"{narrow}.bias")))
        return op.add(found, _exactly(plain, back[:, few]))

    def _linear(self, states: Node, name: str) -> Node:
        made = rounded(self._weight(f"{name}.weight"), *self._ends(name))
        bias = _array(self._weight(f"{name}.bias"))
        return operations().add(multiplied(states, made), bias)

    def _ends(self, name: str) -> tuple[Array, Array]:
        part = input_name(name)
        return self._ranges[f"{part}.low"].numpy(), self._ranges[f"{part}.high"].numpy()

    def _norm(self, states: Node, name: str) -> Node:
        op = operations()
        normal = op.mvn(states, _numbers(-1), True, self._bert.epsilon, "inside_sqrt")
        scaled = op.multiply(normal, _array(self._weight(f"{name}.weight")))
        return op.add(scaled, _array(self._weight(f"{name}.bias")))

    def _weight(self, name: str) -> Array:
        return self._bert.state[name].detach().float().numpy()
