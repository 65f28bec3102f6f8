"""Between which values the inputs of linear maps lie, which has to be known to round them.

Ranges are named after the layer and the part, such as `3.intermediate.dense.low`; the three maps of
an attention read the same input and share one. Each has a value per channel, shape (in,).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from evaluators.engine import Tokens, check_digest, file_digest
from evaluators.heads.bert import Bert
from evaluators.weights import RANGES, listed_ranges

Ranges = Mapping[str, Tensor]
FILE = "ranges.safetensors"
ENDS = (("low", torch.amin, torch.minimum), ("high", torch.amax, torch.maximum))
"""What is kept of an input: the least of rows and of two, the greatest of rows and of two."""


@dataclass(frozen=True, slots=True)
class _Watched(Bert):
    """An encoder that remembers the extremes of what its linear maps are given."""

    seen: dict[str, Tensor] = field(default_factory=dict)

    def _linear(self, states: Tensor, name: str) -> Tensor:
        part = input_name(name)
        rows = states.flatten(0, -2)
        for end, of_rows, wider in ENDS:
            found = of_rows(rows, 0)
            self.seen[f"{part}.{end}"] = wider(self.seen.get(f"{part}.{end}", found), found)
        return Bert._linear(self, states, name)


def input_name(linear: str) -> str:
    """The name of the input that a linear map reads."""
    part = linear.removeprefix("encoder.layer.")
    return part.rsplit(".", 1)[0] if ".self." in part else part


def find_ranges(bert: Bert, sequences: Iterable[Tokens]) -> dict[str, Tensor]:
    """The lowest and the highest value of every channel of every input, over these sequences."""
    watched = _Watched(bert.state, bert.layers, bert.heads, bert.epsilon)
    with torch.inference_mode():
        for one in sequences:
            ids = torch.tensor([one.ids])
            types = None if one.types is None else torch.tensor([one.types])
            watched.states(ids, torch.ones_like(ids, dtype=torch.bool), types)
    return {name: found.clone() for name, found in watched.seen.items()}


def write_ranges(found: Mapping[str, tuple[str, Ranges]], out: Path) -> dict[str, object]:
    """Write the ranges of encoders, each with the sha256 of its weights, and return the entry."""
    tensors = {
        f"{encoder}.{name}": one.to(torch.float16).contiguous()
        for encoder, (_, ranges) in sorted(found.items())
        for name, one in sorted(ranges.items())
    }
    save_file(tensors, out / FILE, {encoder: digest for encoder, (digest, _) in found.items()})
    entry: dict[str, object] = {"file": FILE, "sha256": file_digest(out / FILE)}
    (out / RANGES).write_text(json.dumps(entry, indent=2) + "\n")
    return entry


def read_ranges(folder: Path, encoder: str, weights: str) -> Ranges | None:
    """The ranges of an encoder whose weights have this sha256; None where none were found for it.

    Raises WeightsError where the file is not the listed one.
    """
    listed = listed_ranges(folder)
    if listed is None:
        return None
    check_digest(folder / listed.name, listed.sha256)
    with safe_open(folder / listed.name, framework="pt") as file:
        if (file.metadata() or {}).get(encoder) != weights:
            return None
        names = [name for name in file.keys() if name.startswith(f"{encoder}.")]  # noqa: SIM118
        return {name.removeprefix(f"{encoder}."): file.get_tensor(name).float() for name in names}
