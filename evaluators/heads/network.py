"""A small feed-forward network with a calibrated output, stored as safetensors."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from evaluators.engine import check_digest

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Network:
    """Standardised inputs through layers of ReLU to one number; no layers means a linear one."""

    mean: Array
    scale: Array
    layers: tuple[tuple[Array, Array], ...]

    def logits(self, inputs: Array) -> Array:
        """One raw output per row of inputs."""
        states = np.clip((inputs - self.mean) / self.scale, -8, 8)
        for number, (weight, bias) in enumerate(self.layers):
            # One row at a time would round differently from many: a fixed order of additions.
            states = np.einsum("ij,jk->ik", states, weight, optimize=False) + bias
            if number < len(self.layers) - 1:
                states = np.maximum(states, 0)
        return np.asarray(states[:, 0], dtype=np.float32)

    def tensors(self, prefix: str) -> dict[str, Array]:
        """The network as named tensors."""
        named = {f"{prefix}.mean": self.mean, f"{prefix}.scale": self.scale}
        for number, (weight, bias) in enumerate(self.layers):
            named |= {f"{prefix}.{number}.weight": weight, f"{prefix}.{number}.bias": bias}
        return named


@dataclass(frozen=True, slots=True)
class HeadFile:
    """The tensors and the metadata of a head."""

    tensors: dict[str, Array]
    metadata: dict[str, str]

    def network(self, prefix: str) -> Network:
        """The network stored under a prefix."""
        layers: list[tuple[Array, Array]] = []
        while f"{prefix}.{len(layers)}.weight" in self.tensors:
            name = f"{prefix}.{len(layers)}"
            layers.append((self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]))
        mean, scale = self.tensors[f"{prefix}.mean"], self.tensors[f"{prefix}.scale"]
        return Network(mean=mean, scale=scale, layers=tuple(layers))

    @property
    def curve(self) -> tuple[float, float]:
        """Slope and offset of the calibration."""
        slope, offset = json.loads(self.metadata["calibration"])
        return float(slope), float(offset)


def read_head(path: Path, sha256: str) -> HeadFile:
    """The head of a file, once its digest is the one in the manifest."""
    check_digest(path, sha256)
    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
        return HeadFile(tensors=tensors, metadata=json.loads(file.metadata()["head"]))


def sigmoid(logits: Array) -> Array:
    """Probabilities of logits, without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), dtype=np.float32)


def calibrated(logit: float, curve: tuple[float, float]) -> float:
    """The probability of a raw output, rounded so that float noise cannot show."""
    slope, offset = curve
    probability = 1 / (1 + np.exp(-np.clip(slope * logit + offset, -30, 30)))
    return round(float(probability), 4)
