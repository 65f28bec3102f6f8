"""Fine-tunes the upper layers of the encoder for several criteria at once, on one CPU core or more.

An example is a bag of token sequences, such as the sentences of a response, and a label for some of
the tasks. A bag's output is a smooth maximum (or minimum) over its sequences: a response is as
toxic as its worst sentence, and as grounded as its weakest. The embeddings and the lowest layers
stay as they are, so that they need not be shipped.

A run writes a checkpoint every few minutes and goes on from it; the same seed gives the same order.
"""

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from transformers import BertConfig, BertModel

from evaluators.engine import Tokens, find_encoder
from evaluators.training.progress import Progress, no_progress

Pooled = Literal["mean", "first"]
"""Which states the outputs are made from: the mean of all tokens, or the first token alone."""
PADDING = 0
CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class Bag:
    """The sequences of one example, with a label per task it says something about."""

    sequences: tuple[Tokens, ...]
    labels: dict[int, float]
    weight: float = 1.0

    @property
    def size_tokens(self) -> int:
        return sum(len(one.ids) for one in self.sequences)


@dataclass(frozen=True, slots=True)
class Tuning:
    """How an encoder is fine-tuned."""

    signs: tuple[int, ...]
    """Per task, 1 where the highest sequence decides and -1 where the lowest does."""
    pooled: Pooled = "mean"
    frozen_layers: int = 2
    epochs: int = 1
    tokens_per_step: int = 4096
    learning_rate: float = 1.5e-4
    head_learning_rate: float = 1e-3
    warm_up: float = 0.06
    weight_decay: float = 0.01
    smoothing: float = 0.03
    seed: int = 11
    threads: int = 1
    checkpoint_seconds: int = 300


class Judge(torch.nn.Module):
    """The encoder, a layer that mixes its pooled states, and an output per task."""

    def __init__(
        self, tasks: int, frozen_layers: int, folder: Path | None = None, pooled: Pooled = "mean"
    ) -> None:
        super().__init__()
        folder = folder or find_encoder()
        config = BertConfig.from_pretrained(folder)
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
        self.encoder: Any = BertModel.from_pretrained(
            folder, config=config, add_pooling_layer=False
        )
        self._pooled = pooled
        self._heads = int(config.num_attention_heads)
        width = config.hidden_size
        self.mix = torch.nn.Linear(width, width)
        self.out = torch.nn.Linear(width, tasks)
        fixed = [self.encoder.embeddings, *self.encoder.encoder.layer[:frozen_layers]]
        for part in fixed:
            part.requires_grad_(False)

    def forward(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        """Raw outputs, shape (sequences, tasks), from the pooled last states."""
        states = self.encoder.embeddings(input_ids=ids, token_type_ids=types)
        unseen = (1.0 - mask[:, None, None, :]) * -1e4
        *lower, last = self.encoder.encoder.layer
        for layer in lower:
            states = self._attended(layer, states, unseen)
        if self._pooled == "first":
            pooled = self._attended(last, states, unseen, queries=1)[:, 0].float()
        else:
            weights = mask.unsqueeze(-1).float()
            summed = (self._attended(last, states, unseen).float() * weights).sum(1)
            pooled = summed / weights.sum(1)
        with torch.autocast("cpu", enabled=False):
            outputs: Tensor = self.out(torch.tanh(self.mix(pooled)))
        return outputs

    def _attended(
        self, layer: Any, states: Tensor, unseen: Tensor, queries: int | None = None
    ) -> Tensor:
        """One layer, for the first `queries` tokens only.

        Written out because PyTorch's fused attention is slow backwards on a CPU.
        """
        own, asking = layer.attention.self, states[:, :queries]
        parts = (own.query(asking), own.key(states), own.value(states))
        query, key, value = (
            part.unflatten(-1, (self._heads, -1)).transpose(1, 2) for part in parts
        )
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) + unseen
        mixed = (scores.softmax(-1).to(value.dtype) @ value).transpose(1, 2).flatten(2)
        given = layer.attention.output(mixed, asking)
        return torch.as_tensor(layer.output(layer.intermediate(given), given))


def padded(sequences: Sequence[Tokens]) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, segment ids and mask of sequences, each of shape (sequences, longest)."""
    width = max(len(one.ids) for one in sequences)
    ids = torch.full((len(sequences), width), PADDING)
    types = torch.zeros_like(ids)
    mask = torch.zeros_like(ids)
    for row, one in enumerate(sequences):
        n = len(one.ids)
        ids[row, :n] = torch.tensor(one.ids)
        mask[row, :n] = 1
        if one.types is not None:
            types[row, :n] = torch.tensor(one.types)
    return ids, types, mask


def batches(bags: Sequence[Bag], tokens: int, random: Random) -> list[list[int]]:
    """Bags of similar length together, `tokens` in each batch, batches in random order."""
    order = sorted(
        range(len(bags)),
        key=lambda i: max(len(s.ids) for s in bags[i].sequences) + random.random() * 8,
    )
    made: list[list[int]] = [[]]
    held = 0
    for index in order:
        size = bags[index].size_tokens
        if made[-1] and held + size > tokens:
            made.append([])
            held = 0
        made[-1].append(index)
        held += size
    random.shuffle(made)
    return made


def pooled_outputs(outputs: Tensor, sizes: Sequence[int], signs: Tensor) -> Tensor:
    """A smooth extreme per bag: the outputs weighted by their softmax, shape (bags, tasks)."""
    rows = []
    for part in torch.split(outputs, list(sizes)):
        share = torch.softmax(part * signs, dim=0)
        rows.append((share * part).sum(0))
    return torch.stack(rows)


def loss_of(judge: Judge, bags: Sequence[Bag], tuning: Tuning) -> Tensor:
    """The weighted cross-entropy over all labels that the bags carry."""
    sequences = [one for bag in bags for one in bag.sequences]
    with torch.autocast("cpu", torch.bfloat16):
        outputs = judge(*padded(sequences))
    signs = torch.tensor(tuning.signs, dtype=torch.float32)
    pooled = pooled_outputs(outputs, [len(bag.sequences) for bag in bags], signs)
    labels = torch.zeros_like(pooled)
    weights = torch.zeros_like(pooled)
    for row, bag in enumerate(bags):
        for task, label in bag.labels.items():
            labels[row, task] = label * (1 - tuning.smoothing) + tuning.smoothing / 2
            weights[row, task] = bag.weight
    losses = F.binary_cross_entropy_with_logits(pooled, labels, reduction="none")
    return (losses * weights).sum() / weights.sum().clamp(min=1e-6)


def parameter_groups(judge: Judge, tuning: Tuning) -> list[dict[str, Any]]:
    """The encoder's parameters and the head's, each with its learning rate."""
    encoder = [p for p in judge.encoder.parameters() if p.requires_grad]
    head = [*judge.mix.parameters(), *judge.out.parameters()]
    return [
        {"params": encoder, "lr": tuning.learning_rate, "weight_decay": tuning.weight_decay},
        {"params": head, "lr": tuning.head_learning_rate, "weight_decay": 0.0},
    ]


def rate_at(step: int, steps: int, warm_up: float) -> float:
    """The share of the learning rate at a step: a linear rise, then a linear fall to zero."""
    rise = max(1, int(steps * warm_up))
    return (step + 1) / rise if step < rise else max(0.0, (steps - step) / max(1, steps - rise))


def plan(bags: Sequence[Bag], tuning: Tuning) -> list[list[int]]:
    """The batches of all epochs, the same for the same bags and seed."""
    random = Random(tuning.seed)
    return [
        batch
        for _ in range(tuning.epochs)
        for batch in batches(bags, tuning.tokens_per_step, random)
    ]


def tune(
    bags: Sequence[Bag],
    tuning: Tuning,
    folder: Path,
    progress: Progress = no_progress,
    before: Path | None = None,
    base: Path | None = None,
) -> Judge:
    """The fine-tuned judge; `folder` gets the checkpoint and a log of JSON lines.

    `before` is the folder of a run whose result this one starts from, `base` that of the encoder.
    """
    torch.set_num_threads(tuning.threads)
    torch.manual_seed(tuning.seed)
    judge = Judge(len(tuning.signs), tuning.frozen_layers, base, tuning.pooled)
    if before is not None:
        state = torch.load(before / CHECKPOINT, weights_only=True)
        judge.load_state_dict(state["judge"], strict=False)
    optimiser = torch.optim.AdamW(parameter_groups(judge, tuning), fused=True)
    folder.mkdir(parents=True, exist_ok=True)
    steps = plan(bags, tuning)
    start = _resume(folder, judge, optimiser, tuning, len(steps))
    saved_at = time.monotonic()
    for step, loss in _steps(judge, optimiser, bags, steps, start, tuning):
        progress("fine-tuning", step + 1, len(steps))
        _log(folder, step, len(steps), loss)
        if time.monotonic() - saved_at > tuning.checkpoint_seconds:
            _save(folder, judge, optimiser, tuning, step + 1, len(steps))
            saved_at = time.monotonic()
    _save(folder, judge, optimiser, tuning, len(steps), len(steps))
    return judge


def _steps(
    judge: Judge,
    optimiser: torch.optim.Optimizer,
    bags: Sequence[Bag],
    steps: Sequence[Sequence[int]],
    start: int,
    tuning: Tuning,
) -> Iterator[tuple[int, float]]:
    rates = [float(group["lr"]) for group in parameter_groups(judge, tuning)]
    for step in range(start, len(steps)):
        share = rate_at(step, len(steps), tuning.warm_up)
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * share
        loss = loss_of(judge, [bags[index] for index in steps[step]], tuning)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(judge.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        yield step, float(loss.detach())


def _log(folder: Path, step: int, steps: int, loss: float) -> None:
    if step % 20 == 0 or step + 1 == steps:
        line = {"step": step, "steps": steps, "loss": round(loss, 4), "at": round(time.time())}
        with (folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


def _save(
    folder: Path, judge: Judge, optimiser: Any, tuning: Tuning, step: int, steps: int
) -> None:
    kept = {name: one for name, one in judge.state_dict().items() if "embeddings" not in name}
    state = {
        "judge": kept,
        "optimiser": optimiser.state_dict(),
        "step": step,
        "steps": steps,
        "tuning": asdict(tuning),
    }
    part = folder / "checkpoint.part"
    torch.save(state, part)
    part.replace(folder / CHECKPOINT)


def _resume(folder: Path, judge: Judge, optimiser: Any, tuning: Tuning, steps: int) -> int:
    path = folder / CHECKPOINT
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    if (state["steps"], state["tuning"]) != (steps, asdict(tuning)):
        return 0
    judge.load_state_dict(state["judge"], strict=False)
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])


def outputs_of(judge: Judge, bags: Sequence[Bag], signs: Sequence[int]) -> list[list[float]]:
    """The pooled output of every bag for every task."""
    done: list[list[float]] = [[math.nan] * len(signs) for _ in bags]
    random = Random(0)
    with torch.inference_mode():
        for batch in batches(bags, 8192, random):
            chosen = [bags[index] for index in batch]
            with torch.autocast("cpu", torch.bfloat16):
                raw = judge(*padded([one for bag in chosen for one in bag.sequences]))
            sizes = [len(bag.sequences) for bag in chosen]
            found = pooled_outputs(raw, sizes, torch.tensor(signs, dtype=torch.float32))
            for index, row in zip(batch, found.tolist(), strict=True):
                done[index] = row
    return done
