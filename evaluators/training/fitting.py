"""Fits small networks on the CPU: the same rows give the same weights.

A response is a bag of sentences. Its raw output is that of the sentence that decides: the highest
where one bad sentence spoils the response (`sign=1`), the lowest where every sentence must hold
(`sign=-1`).
"""

import itertools
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F  # noqa: N812

from evaluators.heads.network import Network

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bags:
    """Features per sentence, the bag of each sentence, and label and weight per bag."""

    features: Array
    bag: NDArray[np.int64]
    labels: Array
    weights: Array

    def take(self, chosen: NDArray[np.bool_]) -> "Bags":
        """The bags that are chosen, renumbered."""
        number = np.cumsum(chosen) - 1
        rows = chosen[self.bag]
        return Bags(
            features=self.features[rows],
            bag=number[self.bag[rows]],
            labels=self.labels[chosen],
            weights=self.weights[chosen],
        )


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is fitted."""

    hidden: tuple[int, ...] = (64,)
    epochs: int = 12
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    dropout: float = 0.2
    batch: int = 256
    smoothing: float = 0.03
    seed: int = 11
    sign: int = 1


class _Fit:
    """One run of the optimiser over bags of sentences."""

    def __init__(self, bags: Bags, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        self.bags, self.recipe = bags, recipe
        self.mean, self.scale = bags.features.mean(0), bags.features.std(0) + 1e-3
        standard = np.clip((bags.features - self.mean) / self.scale, -8, 8)
        self.inputs = torch.from_numpy(standard.astype(np.float32))
        sizes = [standard.shape[1], *recipe.hidden, 1]
        self.layers = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
        self.order = np.argsort(bags.bag, kind="stable")
        self.starts = np.searchsorted(bags.bag[self.order], np.arange(len(bags.labels) + 1))

    def run(self) -> None:
        recipe = self.recipe
        filled = [i for i in range(len(self.bags.labels)) if self.starts[i] < self.starts[i + 1]]
        parameters = [one for layer in self.layers for one in layer.parameters()]
        optimiser = torch.optim.AdamW(
            parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        steps = recipe.epochs * (len(filled) // recipe.batch + 1)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / (steps + 1))
        shuffler = Random(recipe.seed)
        for _ in range(recipe.epochs):
            shuffler.shuffle(filled)
            for begin in range(0, len(filled), recipe.batch):
                loss = self._loss(filled[begin : begin + recipe.batch])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()

    def _outputs(self, rows: NDArray[np.int64]) -> torch.Tensor:
        states = F.dropout(self.inputs[torch.from_numpy(rows)], self.recipe.dropout / 2)
        for number, layer in enumerate(self.layers):
            states = layer(states)
            if number < len(self.layers) - 1:
                states = F.dropout(F.relu(states), self.recipe.dropout)
        return states[:, 0]

    def _loss(self, chosen: list[int]) -> torch.Tensor:
        spans = [(self.starts[index], self.starts[index + 1]) for index in chosen]
        rows = np.concatenate([self.order[begin:end] for begin, end in spans])
        sign, smoothing = self.recipe.sign, self.recipe.smoothing
        sizes = [int(end - begin) for begin, end in spans]
        parts = torch.split(sign * self._outputs(rows), sizes)
        outputs = sign * torch.stack([part.max() for part in parts])
        labels = torch.from_numpy(self.bags.labels[chosen]) * (1 - smoothing) + smoothing / 2
        weights = torch.from_numpy(self.bags.weights[chosen])
        losses = F.binary_cross_entropy_with_logits(outputs, labels, reduction="none")
        return (losses * weights).sum() / weights.sum()


def fit_network(bags: Bags, recipe: Recipe) -> Network:
    """A network fitted to the bags."""
    fit = _Fit(bags, recipe)
    fit.run()
    layers = tuple(
        (layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy())
        for layer in fit.layers
    )
    return Network(fit.mean.astype(np.float32), fit.scale.astype(np.float32), layers)


def fit_together(bags: Bags, recipe: Recipe, networks: int) -> Network:
    """The mean of networks of one hidden layer that differ in their seed, as one wider network.

    One small network depends on how it began; the mean of several hardly does (Dietterich 2000,
    Ensemble methods in machine learning).
    """
    fits = [fit_network(bags, replace(recipe, seed=recipe.seed + n)) for n in range(networks)]
    first, last = zip(*(one.layers for one in fits), strict=True)
    hidden: Array = np.concatenate([weight for weight, _ in first], axis=1)
    biases: Array = np.concatenate([bias for _, bias in first])
    output = np.concatenate([weight for weight, _ in last]) / networks
    offset = np.mean([bias for _, bias in last], axis=0)
    joined = (output.astype(np.float32), offset.astype(np.float32))
    return replace(fits[0], layers=((hidden, biases), joined))


def pool(outputs: Array, bags: NDArray[np.int64], n: int, sign: int) -> Array:
    """The deciding output of each of `n` bags; NaN for a bag without sentences."""
    pooled = np.full(n, -np.inf, dtype=np.float32)
    np.maximum.at(pooled, bags, sign * outputs)
    return np.where(np.isfinite(pooled), sign * pooled, np.nan).astype(np.float32)


def fit_curve(outputs: Array, labels: Array, weights: Array) -> tuple[float, float]:
    """Slope and offset that turn raw outputs into probabilities (Platt), by Newton's method."""
    slope, offset = 1.0, 0.0
    design = np.stack([outputs, np.ones_like(outputs)], axis=1).astype(np.float64)
    for _ in range(50):
        probability = 1 / (1 + np.exp(-np.clip(design @ [slope, offset], -30, 30)))
        gradient = design.T @ (weights * (probability - labels)) + 1e-3 * np.array([slope - 1, 0])
        curvature = weights * probability * (1 - probability)
        hessian = (design * curvature[:, None]).T @ design + 1e-3 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        slope, offset = slope - step[0], offset - step[1]
        if np.abs(step).max() < 1e-8:
            break
    return round(float(slope), 6), round(float(offset), 6)
