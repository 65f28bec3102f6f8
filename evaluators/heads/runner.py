"""Runs an encoder on many token sequences: equal ones once, in batches of a number of tokens.

    runner = Runner(Bert.of(state))  # chooses device and precision by itself
    first = runner.run([Tokens(ids, types), …], first=True).first

`state` is any mapping of names to tensors, as transformers names those of `BertModel`, in any
floating-point type; `first` has shape (sequences, width), float32, in the order of the sequences.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evaluators.engine import (
    Device,
    PrecisionError,
    Tokens,
    Wanted,
    choose_device,
    token_batches,
)
from evaluators.heads.bert import Bert
from evaluators.heads.int8 import Int8Bert, has_int8, padded, product
from evaluators.heads.packed import DTYPES, Group, PackedBert, Precision, has_bf16, laid_out
from evaluators.heads.ranges import Ranges
from evaluators.protocol import Computation

Array = NDArray[np.float32]

CPU_TOKENS = 4096
GPU_TOKENS = 32_768
INT8_TOKENS = 1024
PROBE_ROWS = 512
PROBE_ROUNDS = 9

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outputs:
    """What was asked for, of each sequence in the order asked; what was not asked for is None."""

    first: Array | None
    """The last state of the first token, shape (sequences, width)."""
    mean: Array | None
    """The mean of the last states of all tokens, shape (sequences, width)."""
    tokens: list[Array] | None
    """The last states of all tokens, shape (tokens, width) for each sequence."""


class Runner:
    """An encoder, ready to run on the device and in the precision that suit it.

    `precision` "auto" means bf16 on a GPU, and on a CPU what a short measurement at the start found
    fastest: int8 is among them where OpenVINO is installed and the `ranges` of the encoder are
    given. Any other wish is kept, or PrecisionError says why it cannot be. `only_first` promises
    that nothing but `first` will be asked for. A device that runs out of memory gets half as many
    tokens at once; if that does not help, or the device fails, the CPU takes over, and the log says
    so.
    """

    def __init__(
        self,
        bert: Bert,
        *,
        device: Device = "auto",
        precision: Wanted = "auto",
        tokens_at_once: int | None = None,
        ranges: Ranges | None = None,
        only_first: bool = False,
    ) -> None:
        self._bert: Bert | None = bert
        self._wanted = precision
        self._ranges, self._only_first = ranges, only_first
        self.width = bert.width
        chosen = choose_device(device, has_cuda=torch.cuda.is_available())
        if precision == "int8":
            chosen = "cpu"
        _check_precision(precision, chosen)
        self._packed = self._pack(bert, chosen)
        self._is_accelerated = self.device != "cpu"
        if not self._is_accelerated:
            # Only a device that may fail needs the weights again.
            self._bert = None
        self._tokens_at_once = tokens_at_once or self._default_tokens()

    @property
    def device(self) -> str:
        return self._packed.device

    @property
    def is_accelerated(self) -> bool:
        """Whether a device other than the CPU computes."""
        return self._is_accelerated

    @property
    def precision(self) -> Precision:
        return self._packed.precision

    @property
    def computation(self) -> Computation:
        """The precision and the library that compute now."""
        return Computation(self.precision, f"{self._packed.library} on {self.device}")

    @property
    def longest(self) -> int:
        """How many tokens a sequence may have at most."""
        return self._packed.longest

    def run(
        self,
        sequences: Sequence[Tokens],
        *,
        first: bool = False,
        mean: bool = False,
        tokens: bool = False,
    ) -> Outputs:
        """The outputs named, of each sequence in order; equal sequences are computed once.

        Only `first` is the cheapest. Raises ValueError for a sequence that is empty or too long.
        """
        unique = list(dict.fromkeys(sequences))
        self._check(unique)
        found = _Found(len(unique), self.width, first=first, mean=mean, tokens=tokens)
        lengths = [len(one.ids) for one in unique]
        if self.precision == "int8":
            lengths = [padded(length) for length in lengths]
        waiting = list(token_batches(lengths, self._tokens_at_once))[::-1]
        while waiting:
            batch = waiting.pop()
            try:
                self._run_batch(unique, batch, found)
            except RuntimeError as error:
                waiting += self._after(error, batch)
        place = {one: index for index, one in enumerate(unique)}
        return found.outputs([place[one] for one in sequences])

    def _run_batch(self, unique: Sequence[Tokens], batch: Sequence[int], found: "_Found") -> None:
        groups = grouped([len(unique[index].ids) for index in batch])
        ids = [token for index in batch for token in unique[index].ids]
        types = [kind for index in batch for kind in _types(unique[index])]
        with torch.inference_mode():
            given = (torch.tensor(ids, device=self.device), torch.tensor(types, device=self.device))
            if found.needs_all_tokens:
                found.keep(batch, groups, self._packed.states(*given, groups).float().cpu())
            else:
                found.keep_first(batch, self._packed.first_states(*given, groups).float().cpu())

    def _after(self, error: RuntimeError, batch: list[int]) -> list[list[int]]:
        """What to try after a batch failed: its halves, or the same on the CPU."""
        if not self._is_accelerated:
            raise error
        if isinstance(error, torch.OutOfMemoryError) and len(batch) > 1:
            log.warning("the GPU ran out of memory on %d sequences; halving", len(batch))
            self._tokens_at_once = max(CPU_TOKENS, self._tokens_at_once // 2)
            half = len(batch) // 2
            return [batch[half:], batch[:half]]
        log.warning("the GPU failed (%s); the judges go on on the CPU", error)
        assert self._bert is not None
        self._packed, self._is_accelerated = self._pack(self._bert, "cpu"), False
        self._tokens_at_once = self._default_tokens()
        return [batch]

    def _pack(self, bert: Bert, device: str) -> PackedBert | Int8Bert:
        if self._wanted != "auto":
            precision = self._wanted
        elif device != "cpu":
            precision = "bf16"
        else:
            precision = faster_precision(self.width, int8=self._ranges is not None)
        if precision != "int8":
            return PackedBert(bert, precision, device)
        if self._ranges is None:
            raise ValueError("int8 needs the ranges of the encoder's inputs")
        return Int8Bert(bert, self._ranges, first=self._only_first)

    def _default_tokens(self) -> int:
        if self._is_accelerated:
            return GPU_TOKENS
        return INT8_TOKENS if self.precision == "int8" else CPU_TOKENS

    def _check(self, sequences: Sequence[Tokens]) -> None:
        for one in sequences:
            if not 0 < len(one.ids) <= self.longest:
                raise ValueError(
                    f"a sequence has {len(one.ids)} tokens; the encoder takes 1 to {self.longest}"
                )
            if one.types is not None and len(one.types) != len(one.ids):
                raise ValueError(f"{len(one.ids)} tokens have {len(one.types)} segment ids")


class _Found:
    """Where the outputs of the unique sequences are gathered."""

    def __init__(self, count: int, width: int, *, first: bool, mean: bool, tokens: bool) -> None:
        self.needs_all_tokens = mean or tokens
        self._first = np.empty((count, width), np.float32) if first else None
        self._mean = np.empty((count, width), np.float32) if mean else None
        self._tokens = [np.empty((0, width), np.float32)] * count if tokens else None

    def keep_first(self, batch: Sequence[int], states: Tensor) -> None:
        if self._first is not None:
            self._first[list(batch)] = states.numpy()

    def keep(self, batch: Sequence[int], groups: Sequence[Group], states: Tensor) -> None:
        rows = states.numpy()
        indices = iter(batch)
        at = 0
        for group in groups:
            block = rows[at : at + group.tokens].reshape(group.size, group.length, -1)
            self._keep_group([next(indices) for _ in range(group.size)], block)
            at += group.tokens

    def _keep_group(self, indices: list[int], block: Array) -> None:
        if self._first is not None:
            self._first[indices] = block[:, 0]
        if self._mean is not None:
            self._mean[indices] = block.mean(axis=1)
        if self._tokens is not None:
            for index, states in zip(indices, block, strict=True):
                self._tokens[index] = states

    def outputs(self, order: list[int]) -> Outputs:
        return Outputs(
            first=None if self._first is None else self._first[order],
            mean=None if self._mean is None else self._mean[order],
            tokens=None if self._tokens is None else [self._tokens[index] for index in order],
        )


def grouped(lengths: Sequence[int]) -> list[Group]:
    """Runs of equal lengths as groups."""
    groups: list[Group] = []
    for length in lengths:
        if groups and groups[-1].length == length:
            groups[-1] = Group(groups[-1].size + 1, length)
        else:
            groups.append(Group(1, length))
    return groups


def _check_precision(wanted: Wanted, device: str) -> None:
    if wanted == "int8" and not has_int8():
        raise PrecisionError(
            "OpenVINO has no exact int8 on this machine, as on processors without VNNI; ask for "
            "the precision auto, bf16 or fp32"
        )
    if wanted == "bf16" and device == "cpu" and not has_bf16():
        raise PrecisionError(
            "this processor does not compute in bf16; ask for the precision auto, int8 or fp32"
        )


@cache
def faster_precision(width: int, *, int8: bool = False) -> Precision:
    """The precision in which one core multiplies matrices of an encoder's size fastest.

    What counts is the time of the processor, of each in turn, so that other processes hardly change
    the choice: two workers that start at once must not judge in different precisions. One thread
    works, since the kernel tells the time of a thread that runs on another core up to 4 ms too
    late, which is longer than a product.
    """
    with _one_thread():
        works = _products(width, int8)
        seconds = dict.fromkeys(works, math.inf)
        for _ in range(PROBE_ROUNDS if len(works) > 1 else 0):
            for precision, work in works.items():
                started = time.process_time()
                work()
                seconds[precision] = min(seconds[precision], time.process_time() - started)
    return cast("Precision", min(seconds, key=seconds.__getitem__))


def _products(width: int, int8: bool) -> dict[str, Callable[[], object]]:
    weight = torch.linspace(-1, 1, 4 * width * width).view(4 * width, width)
    works = {"fp32": _linear_work(weight, "fp32")}
    if has_bf16():
        works["bf16"] = _linear_work(weight, "bf16")
    if int8 and has_int8():
        works["int8"] = product(weight.numpy(), PROBE_ROWS)
    return works


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _linear_work(weight: Tensor, precision: Precision) -> Callable[[], object]:
    linear = laid_out(weight, weight[:, 0], precision, "cpu")
    states = weight[:PROBE_ROWS].to(DTYPES[precision])
    return torch.inference_mode()(lambda: linear(states))


def _types(sequence: Tokens) -> tuple[int, ...]:
    return (0,) * len(sequence.ids) if sequence.types is None else sequence.types
