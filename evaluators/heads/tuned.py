"""Reads a fine-tuned encoder and runs it: the numeric half of `evaluators.tuned`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from evaluators.engine import Device, Tokens, Wanted
from evaluators.heads.bert import Bert
from evaluators.heads.ranges import Ranges
from evaluators.heads.runner import Runner
from evaluators.protocol import Computation

Array = NDArray[np.float32]
PREFIX = "encoder."
WEIGHTS = "model.safetensors"


class Tuned:
    """An encoder with a layer that mixes its pooled states, and an output per task.

    Pooled are the states of the first token, which is cheaper, or the mean of all tokens.
    """

    def __init__(
        self,
        bert: Bert,
        head: dict[str, Tensor],
        device: Device,
        *,
        first: bool = False,
        precision: Wanted = "auto",
        ranges: Ranges | None = None,
    ) -> None:
        self._runner = Runner(
            bert, device=device, precision=precision, ranges=ranges, only_first=first
        )
        self._first = first
        tensors = {name: one.float().numpy() for name, one in head.items()}
        self._mix = (tensors["mix.weight"].T.copy(), tensors["mix.bias"])
        self._out = (tensors["out.weight"].T.copy(), tensors["out.bias"])

    @property
    def computation(self) -> Computation:
        """How the encoder computes now."""
        return self._runner.computation

    def outputs(self, sequences: Sequence[Tokens]) -> Array:
        """Raw outputs, shape (sequences, tasks)."""
        found = self._runner.run(sequences, first=self._first, mean=not self._first)
        pooled = found.first if self._first else found.mean
        assert pooled is not None
        # A fixed order of additions, so that a sequence gives the same in any batch.
        mixed = np.einsum("ij,jk->ik", pooled, self._mix[0], optimize=False) + self._mix[1]
        outputs = np.einsum("ij,jk->ik", np.tanh(mixed), self._out[0], optimize=False)
        return np.asarray(outputs + self._out[1], dtype=np.float32)

    @staticmethod
    def stacked(rows: Sequence[Array], tasks: int) -> Array:
        """Rows of outputs as one array, also where there are none."""
        return np.stack(rows) if rows else np.empty((0, tasks), np.float32)


def read_tuned(
    folder: Path,
    path: Path,
    device: Device,
    precision: Wanted = "auto",
    ranges: Ranges | None = None,
) -> Tuned:
    """The base encoder of a folder with the layers and the head of a file put in their places."""
    with safe_open(path, framework="pt") as file:
        first = (file.metadata() or {}).get("pooled") == "first"
    head = {name: one for name, one in load_file(path).items() if name[:8] != PREFIX}
    bert = tuned_bert(folder, path)
    return Tuned(bert, head, device, first=first, precision=precision, ranges=ranges)


def tuned_bert(folder: Path, path: Path) -> Bert:
    """The base encoder of a folder with the layers of a file in their places."""
    own = load_file(path)
    layers = {name.removeprefix(PREFIX): one for name, one in own.items() if name[:8] == PREFIX}
    with safe_open(folder / WEIGHTS, framework="pt") as base:
        state = {
            name: layers[name].float() if name in layers else base.get_tensor(name)
            for name in base.keys()  # noqa: SIM118
        }
    return Bert.of(state)
