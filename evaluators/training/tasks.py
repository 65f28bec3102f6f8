"""How the last step of each judge is made, from examples that the encoder has not seen.

An encoder is sure of what it was trained on. So the last step, which joins its output with exact
signals, and its calibration come from contexts, prompts and texts that were held apart from it.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from evaluators.engine import Tokens
from evaluators.heads.evidence import read_sample
from evaluators.heads.grounding import claim_features, response_logit
from evaluators.heads.network import Network
from evaluators.heads.relevance import read_answers, read_passages
from evaluators.heads.wording import read_windows
from evaluators.training import grounding, pairing, wordings
from evaluators.training.fitting import Bags, Recipe, fit_curve, fit_network, fit_together
from evaluators.training.progress import Progress, no_progress
from evaluators.training.rows import CHATS, CHATS_READ, Source, rank, read_chats
from evaluators.tuned import Encoders, TunedEncoder

Array = NDArray[np.float32]
HEADS = ("groundedness", "answer_relevance", "context_relevance", "toxicity", "bias")
CHUNK = 256
FOR_CURVE = 0.4
"""The share of what was held apart that only the calibration sees."""
SET_WEIGHT_ROWS = 250
"""A set weighs as much as so many rows at most, lest the largest one speaks for all."""


@dataclass(frozen=True, slots=True)
class Kit:
    """What a run needs."""

    data: Path
    encoders: Encoders
    progress: Progress = no_progress


@dataclass(frozen=True, slots=True)
class Scored:
    """Probabilities and labels on a set of rows, with how many could not be judged."""

    scores: list[float]
    labels: list[int]
    abstained: int = 0


@dataclass(frozen=True, slots=True)
class Trained:
    """A head before it is written."""

    name: str
    tensors: dict[str, Array]
    metadata: dict[str, str]
    sources: tuple[Source, ...]
    rows: Counter[str]
    dev: dict[str, Scored] = field(default_factory=dict)


def train(task: str, kit: Kit) -> Trained:
    """The head of a task, fitted and measured."""
    if task == "groundedness":
        return _train_groundedness(kit)
    if task in ("answer_relevance", "context_relevance"):
        return _train_relevance(task, kit)
    return _train_wording(task, kit)


class _Scorer:
    """The raw outputs of one task of an encoder, a chunk at a time, with progress."""

    def __init__(self, encoder: TunedEncoder, task: str, kit: Kit) -> None:
        self.encoder, self._column, self._kit = encoder, encoder.column(task), kit

    def __call__(self, sequences: Sequence[Tokens]) -> Array:
        parts = []
        for start in range(0, len(sequences), CHUNK):
            found = self.encoder.outputs(sequences[start : start + CHUNK])
            parts.append(found[:, self._column])
            self._kit.progress("reading", min(start + CHUNK, len(sequences)), len(sequences))
        return np.concatenate(parts) if parts else np.empty(0, np.float32)


def set_weights(sources: Sequence[str]) -> list[float]:
    """A weight per row such that no set counts for more than `SET_WEIGHT_ROWS` rows."""
    counts = Counter(sources)
    return [min(1.0, SET_WEIGHT_ROWS / counts[source]) for source in sources]


def _is_for_curve(keys: Sequence[str]) -> NDArray[np.bool_]:
    """Which rows only the calibration sees, by a hash of what must stay together."""
    return np.array([rank(f"curve {key}") < FOR_CURVE for key in keys])


def _curve(outputs: Array, labels: Array, weights: Array) -> tuple[float, float]:
    usable = np.isfinite(outputs)
    return fit_curve(outputs[usable], labels[usable], weights[usable])


def _scored(outputs: Array, labels: Sequence[int], curve: tuple[float, float]) -> Scored:
    known = np.isfinite(outputs)
    raw = np.clip(curve[0] * outputs[known] + curve[1], -30, 30)
    scores = [round(float(one), 4) for one in 1 / (1 + np.exp(-raw))]
    kept = [label for label, usable in zip(labels, known, strict=True) if usable]
    return Scored(scores, kept, int((~known).sum()))


# Groundedness: bags of claims, all of which must hold.

GROUNDING = Recipe(
    hidden=(8,),
    epochs=60,
    learning_rate=3e-3,
    weight_decay=1.0,
    dropout=0.1,
    sign=-1,
    batch=128,
)
NETWORKS = 8
"""How many networks judge a claim together."""


def _claim_rows(
    kit: Kit, examples: Sequence[grounding.Example], *, reads_copied: bool = False
) -> list[Array]:
    scorer = _Scorer(kit.encoders.pair, "grounded", kit)
    readings = [read_sample(example.sample) for example in examples]
    tokenizer = kit.encoders.pair.tokenizer
    return claim_features(readings, tokenizer, scorer, reads_copied=reads_copied)


def _bags(rows: Sequence[Array], labels: Sequence[float], weights: Sequence[float]) -> Bags:
    return Bags(
        features=np.concatenate([row for row in rows if len(row)]),
        bag=np.array([i for i, row in enumerate(rows) for _ in range(len(row))], dtype=np.int64),
        labels=np.array(labels, dtype=np.float32),
        weights=np.array(weights, dtype=np.float32),
    )


def _train_groundedness(kit: Kit) -> Trained:
    examples = grounding.apart_examples(kit.data)
    # A support that never varies would teach it nothing about the others.
    rows = _claim_rows(kit, examples, reads_copied=True)
    weights = set_weights([example.source for example in examples])
    bags = _bags(rows, [example.label for example in examples], weights)
    last = _is_for_curve(["".join(example.sample.contexts)[:500] for example in examples])
    network = fit_together(bags.take(~last), GROUNDING, NETWORKS)
    combine = _fit_combination(network, rows, bags, last)
    outputs = _response_outputs(network, rows, combine)
    curve = _curve(outputs[last], bags.labels[last], bags.weights[last])
    claim_curve = (curve[0] * float(combine[:2].sum()), curve[1])
    trained = Trained(
        name="groundedness",
        tensors=network.tensors("network") | {"combine": combine},
        metadata={"calibration": json.dumps(curve), "claim_calibration": json.dumps(claim_curve)},
        sources=grounding.TRAIN,
        rows=Counter(example.source for example in examples),
    )
    for name, dev in _grounding_dev(kit).items():
        dev_outputs = _response_outputs(network, _claim_rows(kit, dev), combine)
        trained.dev[name] = _scored(dev_outputs, [example.label for example in dev], curve)
    return trained


def _grounding_dev(kit: Kit) -> dict[str, list[grounding.Example]]:
    sets = {source.name: grounding.dev_examples(kit.data, source) for source in grounding.DEV}
    return sets | {"support (held out)": list(grounding.support_examples(Random(1), held_out=True))}


def _parts(network: Network, rows: Array) -> list[float]:
    logits = network.logits(rows)
    return [float(logits.min()), float(logits.mean()), float(np.log(len(logits)))]


def _fit_combination(
    network: Network, rows: Sequence[Array], bags: Bags, chosen: NDArray[np.bool_]
) -> Array:
    """How the weakest claim, the mean claim and their number add up."""
    indices = [index for index in map(int, np.flatnonzero(chosen)) if len(rows[index])]
    parts = np.array([_parts(network, rows[index]) for index in indices], dtype=np.float64)
    target, share = bags.labels[indices], bags.weights[indices]
    weights = np.array([0.8, 0.2, 0.0])
    for _ in range(400):
        chances = 1 / (1 + np.exp(-np.clip(parts @ weights, -30, 30)))
        weights -= 0.05 * (parts.T @ (share * (chances - target)) / share.sum())
        weights[:2] = np.maximum(weights[:2], 0)
    return weights.astype(np.float32)


def _response_outputs(network: Network, rows: Sequence[Array], combine: Array) -> Array:
    return np.array(
        [response_logit(network.logits(row), combine) if len(row) else np.nan for row in rows],
        dtype=np.float32,
    )


# Relevance: one row of features per prompt and text.

ANSWERS = Recipe(
    hidden=(8,), epochs=60, learning_rate=3e-3, weight_decay=0.03, dropout=0.0, batch=128
)
PASSAGES = Recipe(
    hidden=(), epochs=150, learning_rate=1e-2, weight_decay=1e-3, dropout=0.0, batch=128
)


def _relevance_rows(task: str, kit: Kit, examples: Sequence[pairing.PairExample]) -> Array:
    is_answer = task == "answer_relevance"
    scorer = _Scorer(kit.encoders.pair, "answers" if is_answer else "helps", kit)
    pairs = [(example.prompt, example.text) for example in examples]
    tokenizer = kit.encoders.pair.tokenizer
    if is_answer:
        found = read_answers(pairs, tokenizer, scorer, kit.encoders.base.vectors)
    else:
        found = read_passages(pairs, tokenizer, scorer)
    return np.stack([one.features for one in found])


def _train_relevance(task: str, kit: Kit) -> Trained:
    is_answer = task == "answer_relevance"
    make = pairing.answer_examples if is_answer else pairing.context_examples
    examples = [one for one in make(kit.data) if pairing.is_held_apart(one)]
    examples += pairing.written_examples("train") if is_answer else []
    rows = _relevance_rows(task, kit, examples)
    weights = set_weights([example.source for example in examples])
    bags = _bags(list(rows[:, None, :]), [example.label for example in examples], weights)
    last = _is_for_curve([example.prompt for example in examples])
    network = fit_network(bags.take(~last), ANSWERS if is_answer else PASSAGES)
    curve = _curve(network.logits(rows)[last], bags.labels[last], bags.weights[last])
    trained = Trained(
        name=task,
        tensors=network.tensors("network"),
        metadata={"calibration": json.dumps(curve)},
        sources=pairing.ANSWERS if is_answer else (*pairing.CONTEXTS, pairing.PASSAGES),
        rows=Counter(example.source for example in examples),
    )
    for name, dev in _relevance_dev(task, kit).items():
        outputs = network.logits(_relevance_rows(task, kit, dev))
        trained.dev[name] = _scored(outputs, [example.label for example in dev], curve)
    return trained


def _relevance_dev(task: str, kit: Kit) -> dict[str, list[pairing.PairExample]]:
    is_answer = task == "answer_relevance"
    sources = pairing.ANSWERS_DEV if is_answer else pairing.CONTEXTS_DEV
    sets = {source.name: pairing.dev_pairs(kit.data, source, task) for source in sources}
    if is_answer:
        for one in pairing.written_examples("measured"):
            sets.setdefault(f"{one.source} (held out)", []).append(one)
        sets["chat"] = pairing.chat_pairs(read_chats(kit.data / CHATS, CHATS_READ))
    return sets


# Wording: the worst window decides, and a curve makes it a probability.

AS_IT_IS = Network(
    mean=np.zeros(1, np.float32),
    scale=np.ones(1, np.float32),
    layers=((np.ones((1, 1), np.float32), np.zeros(1, np.float32)),),
)
READ_CHARACTERS = 4000


def _wording_outputs(task: str, kit: Kit, texts: Sequence[str]) -> Array:
    scorer = _Scorer(kit.encoders.text, "toxic" if task == "toxicity" else "biased", kit)
    cut = [text[:READ_CHARACTERS] for text in texts]
    found = read_windows(cut, kit.encoders.text.tokenizer, scorer)
    worst = [one.outputs.max() if one.parts else np.nan for one in found]
    return np.clip(np.array(worst, dtype=np.float32), -8, 8)


def _train_wording(task: str, kit: Kit) -> Trained:
    label = "toxic" if task == "toxicity" else "biased"
    examples = [
        one
        for one in wordings.labelled_examples(kit.data, task)
        if one.group < wordings.HELD_APART and label in one.labels
    ]
    outputs = _wording_outputs(task, kit, [one.text for one in examples])
    weights = np.array(set_weights([one.source for one in examples]), np.float32)
    labels = np.array([one.labels[label] for one in examples], dtype=np.float32)
    curve = _curve(outputs, labels, weights)
    trained = Trained(
        name=task,
        tensors=AS_IT_IS.tensors("network"),
        metadata={"calibration": json.dumps(curve)},
        sources=(*(wordings.TOXICITY if task == "toxicity" else wordings.BIAS), *wordings.BENIGN),
        rows=Counter(one.source for one in examples),
    )
    for name, dev in _wording_dev(task, kit).items():
        dev_outputs = _wording_outputs(task, kit, [one.text for one in dev])
        dev_labels = [round(one.labels[label]) for one in dev]
        trained.dev[name] = _scored(dev_outputs, dev_labels, curve)
    return trained


def _wording_dev(task: str, kit: Kit) -> dict[str, list[wordings.WordingExample]]:
    sources = wordings.TOXICITY_DEV if task == "toxicity" else wordings.BIAS_DEV
    sets = {s.name: wordings.dev_wordings(kit.data, s, task) for s in sources}
    sets["benign"] = wordings.benign_examples(kit.data, wordings.BENIGN_DEV, "dev")
    sets["written (held out)"] = wordings.held_out_written(task)
    chats = read_chats(kit.data / CHATS, CHATS_READ)
    sets["chat"] = [
        wordings.WordingExample(row.id, row.source, row.sample.response, wordings.HARMLESS)
        for row in chats
    ]
    return sets
