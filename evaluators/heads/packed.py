"""The formula of `Bert` on sequences that lie behind each other, without padding.

The linear maps see the real tokens of all sequences at once; attention runs per group of sequences
of one length. On a CPU with oneDNN the weights are laid out for its matrix product, whose result
for one row does not depend on the other rows: a sequence has the same states in any batch.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from evaluators.heads.bert import EMBEDDINGS, Bert

Precision = Literal["fp32", "bf16", "int8"]

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
LAID_OUT_FOR = 4096
"""For how many rows oneDNN is asked to lay weights out."""
_HELD: WeakValueDictionary[tuple[str, str], Tensor] = WeakValueDictionary()
ROWS = 64
"""Of which number of rows every matrix is a multiple.

oneDNN compiles and keeps a kernel for each number of rows; few of them fill little memory.
"""


class Group(NamedTuple):
    """A number of sequences of `length` tokens."""

    size: int
    length: int

    @property
    def tokens(self) -> int:
        return self.size * self.length


class Linear(NamedTuple):
    """A linear map."""

    weight: Tensor
    bias: Tensor
    is_laid_out: bool

    def __call__(self, states: Tensor) -> Tensor:
        if self.is_laid_out:
            return _multiplied(states, self, "none")
        return F.linear(states, self.weight, self.bias)

    def gelu(self, states: Tensor) -> Tensor:
        """GELU of the map."""
        if self.is_laid_out:
            return _multiplied(states, self, "gelu")
        return F.gelu(self(states))

    def plus(self, states: Tensor, other: Tensor) -> Tensor:
        """The map plus `other`."""
        if self.is_laid_out:
            return _multiplied(states, self, "add", other)
        return self(states) + other


class Norm(NamedTuple):
    """A layer norm."""

    weight: Tensor
    bias: Tensor
    epsilon: float

    def __call__(self, states: Tensor) -> Tensor:
        return F.layer_norm(states, self.weight.shape, self.weight, self.bias, self.epsilon)


class Layer(NamedTuple):
    """One layer; its three attention maps are one, whose queries are scaled already."""

    attention: Linear
    output: Linear
    output_norm: Norm
    wide: Linear
    narrow: Linear
    narrow_norm: Norm


class Embeddings:
    """The first states of tokens, from tables that the encoders of a process share."""

    def __init__(self, bert: Bert, dtype: torch.dtype, device: str) -> None:
        table = {name: one for name, one in bert.state.items() if name.startswith(EMBEDDINGS)}
        # Copies, because a view of a mapped file keeps the whole file in memory.
        words = table[f"{EMBEDDINGS}.word_embeddings.weight"].detach()
        self._words = shared(words.to(device, dtype, copy=True))
        self._positions, self._kinds, *norm = (
            table[f"{EMBEDDINGS}.{name}.weight"].detach().to(device, torch.float32, copy=True)
            for name in ("position_embeddings", "token_type_embeddings", "LayerNorm")
        )
        bias = table[f"{EMBEDDINGS}.LayerNorm.bias"].detach().to(device, torch.float32, copy=True)
        self._norm = Norm(norm[0], bias, bert.epsilon)
        self.longest = len(self._positions)

    def __call__(self, ids: Tensor, types: Tensor, groups: Sequence[Group]) -> Tensor:
        """The states of all tokens, group after group, shape (tokens, width), in fp32."""
        positions = torch.cat([self._positions[: one.length].repeat(one.size, 1) for one in groups])
        return self._norm(self._words[ids] + positions + self._kinds[types])


class PackedBert:
    """An encoder for inference in one floating-point precision on one device."""

    def __init__(self, bert: Bert, precision: Precision, device: str = "cpu") -> None:
        self.precision, self.device = precision, device
        self.library = f"torch {torch.__version__}"
        self.heads, self.width = bert.heads, bert.width
        self._state, self._epsilon, self._dtype = bert.state, bert.epsilon, DTYPES[precision]
        self._embeddings = Embeddings(bert, self._dtype, device)
        self.longest = self._embeddings.longest
        self._layers = [self._layer(f"encoder.layer.{n}") for n in range(bert.layers)]
        del self._state

    def states(self, ids: Tensor, types: Tensor, groups: Sequence[Group]) -> Tensor:
        """The last states of all tokens, shape (tokens, width).

        `ids` and `types` hold the tokens of all sequences, group after group.
        """
        states, filled = self._embed(ids, types, groups)
        for layer in self._layers:
            states = _finish(layer, states, attend(layer.attention(states), filled, self.heads))
        return states[: len(ids)]

    def first_states(self, ids: Tensor, types: Tensor, groups: Sequence[Group]) -> Tensor:
        """The last states of the first token of each sequence, shape (sequences, width).

        Cheaper than `states`, because the last layer is computed for those tokens only.
        """
        states, filled = self._embed(ids, types, groups)
        *lower, last = self._layers
        for layer in lower:
            states = _finish(layer, states, attend(layer.attention(states), filled, self.heads))
        mixed = attend(last.attention(states), groups, self.heads, queries=1)
        first = states[first_rows(groups, self.device)]
        missing = (0, 0, 0, -len(first) % ROWS)
        return _finish(last, F.pad(first, missing), F.pad(mixed, missing))[: len(first)]

    def _embed(
        self, ids: Tensor, types: Tensor, groups: Sequence[Group]
    ) -> tuple[Tensor, Sequence[Group]]:
        """The first states, and the groups with one that fills the rows up."""
        missing = -len(ids) % ROWS
        if missing:
            ids, types = F.pad(ids, (0, missing)), F.pad(types, (0, missing))
            groups = [*groups, Group(missing, 1)]
        return self._embeddings(ids, types, groups).to(self._dtype), groups

    def _tensor(self, name: str, dtype: torch.dtype | None = None) -> Tensor:
        # A copy, because a view of a mapped file keeps the whole file in memory.
        return self._state[name].detach().to(self.device, dtype or self._dtype, copy=True)

    def _layer_norm(self, name: str) -> Norm:
        return Norm(self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias"), self._epsilon)

    def _layer(self, name: str) -> Layer:
        attention = f"{name}.attention"
        return Layer(
            attention=self._fused(f"{attention}.self"),
            output=self._linear(f"{attention}.output.dense"),
            output_norm=self._layer_norm(f"{attention}.output.LayerNorm"),
            wide=self._linear(f"{name}.intermediate.dense"),
            narrow=self._linear(f"{name}.output.dense"),
            narrow_norm=self._layer_norm(f"{name}.output.LayerNorm"),
        )

    def _fused(self, name: str) -> Linear:
        """Query, key and value as one map, the queries divided by the root of a head's width."""
        scale = 1 / math.sqrt(self.width // self.heads)
        parts = [(f"{name}.query", scale), (f"{name}.key", 1.0), (f"{name}.value", 1.0)]
        weights, biases = (
            torch.cat([self._tensor(f"{part}.{kind}", torch.float32) * by for part, by in parts])
            for kind in ("weight", "bias")
        )
        return laid_out(weights, biases, self.precision, self.device)

    def _linear(self, name: str) -> Linear:
        weight, bias = f"{name}.weight", f"{name}.bias"
        tensors = self._tensor(weight), self._tensor(bias)
        return laid_out(*tensors, self.precision, self.device)


def shared(tensor: Tensor) -> Tensor:
    """The same numbers, held once however many encoders of the process have them."""
    numbers = tensor.cpu().view(torch.uint8).numpy().data
    key = (hashlib.sha256(numbers).hexdigest(), str(tensor.device))
    return _HELD.setdefault(key, tensor)


def laid_out(weight: Tensor, bias: Tensor, precision: Precision, device: str) -> Linear:
    """The linear map of a weight of shape (out, in), in a precision, as the device likes it."""
    weight, bias = weight.to(DTYPES[precision]).contiguous(), bias.to(DTYPES[precision])
    if device != "cpu" or not has_onednn():
        return Linear(weight, bias, is_laid_out=False)
    reordered = torch.ops.mkldnn._reorder_linear_weight(weight, LAID_OUT_FOR)
    return Linear(reordered, bias, is_laid_out=True)


def attend(
    fused: Tensor, groups: Sequence[Group], heads: int, *, queries: int | None = None
) -> Tensor:
    """What the tokens take from each other, or only the first `queries` tokens of each sequence.

    `fused` holds scaled queries, keys and values of all tokens, shape (tokens, 3 × width).
    """
    mixed = []
    at = 0
    for group in groups:
        mixed.append(_attend_group(fused[at : at + group.tokens], group, heads, queries))
        at += group.tokens
    return torch.cat(mixed) if len(mixed) > 1 else mixed[0]


def first_rows(groups: Sequence[Group], device: str) -> Tensor:
    """The row of each sequence's first token, where group lies behind group."""
    rows: list[int] = []
    at = 0
    for group in groups:
        rows.extend(range(at, at + group.tokens, group.length))
        at += group.tokens
    return torch.tensor(rows, device=device)


def has_onednn() -> bool:
    """Whether torch was built with oneDNN's linear maps."""
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(available) and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def has_bf16() -> bool:
    """Whether oneDNN computes in bf16 on this processor."""
    return has_onednn() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _multiplied(states: Tensor, by: Linear, then: str, other: Tensor | None = None) -> Tensor:
    """oneDNN's linear map, with what follows it done while the result is in the cache."""
    pointwise = torch.ops.mkldnn._linear_pointwise
    if other is not None:
        return torch.as_tensor(pointwise.binary(states, other, by.weight, by.bias, then))
    return torch.as_tensor(pointwise(states, by.weight, by.bias, then, [], "none"))


def _attend_group(fused: Tensor, group: Group, heads: int, queries: int | None) -> Tensor:
    parts = fused.view(group.size, group.length, 3, heads, -1).permute(2, 0, 3, 1, 4)
    query, key, value = parts.unbind()
    mixed = F.scaled_dot_product_attention(query[:, :, :queries], key, value, scale=1.0)
    return mixed.transpose(1, 2).flatten(2).flatten(0, 1)


def _finish(layer: Layer, states: Tensor, mixed: Tensor) -> Tensor:
    states = layer.output_norm(layer.output.plus(mixed, states))
    return layer.narrow_norm(layer.narrow.plus(layer.wide.gelu(states), states))
