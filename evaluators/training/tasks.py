"""How each bundled head is made: examples, features, fit, calibration, scores on dev sets."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from evaluators.engine import Encoder
from evaluators.heads.claims import read_samples
from evaluators.heads.grounding import response_logit
from evaluators.heads.network import HeadFile, Network
from evaluators.heads.pairs import make_pair, read_pairs
from evaluators.heads.wording import BUCKETS, WordingHead, wording_spans
from evaluators.signals import hashed_grams, spell_emoji
from evaluators.training import grounding, pairing, wordings
from evaluators.training.caching import FeatureCache, Progress, Rows, no_progress, text_key
from evaluators.training.fitting import Bags, Grams, Recipe, fit_curve, fit_network
from evaluators.training.rows import CHATS, CHATS_READ, Source, read_chats
from evaluators.training.vectors import VectorCache

Array = NDArray[np.float32]
HELD_APART = 0.15
"""The share of groups that only the calibration sees."""
TASKS = ("groundedness", "answer_relevance", "context_relevance", "toxicity", "bias")


@dataclass(frozen=True, slots=True)
class Kit:
    """What a training run needs."""

    data: Path
    encoder: Encoder
    cache: Path | None = None
    progress: Progress = no_progress

    def file(self, name: str) -> Path | None:
        return None if self.cache is None else self.cache / f"{name}.npz"


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
        return _train_pairs(task, kit)
    return _train_wording(task, kit)


def _curve(outputs: Array, labels: Array, held: NDArray[np.bool_]) -> tuple[float, float]:
    usable = held & np.isfinite(outputs)
    return fit_curve(outputs[usable], labels[usable], np.ones(int(usable.sum()), np.float32))


def _probabilities(outputs: Array, curve: tuple[float, float]) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(curve[0] * outputs + curve[1], -30, 30))))


def _scored(outputs: Array, labels: Sequence[int], curve: tuple[float, float]) -> Scored:
    known = np.isfinite(outputs)
    scores = [round(float(one), 4) for one in _probabilities(outputs[known], curve)]
    kept = [label for label, usable in zip(labels, known, strict=True) if usable]
    return Scored(scores, kept, int((~known).sum()))


# Groundedness: bags of claims, all of which must hold.


def _claim_rows(
    kit: Kit, cache: FeatureCache, examples: Sequence[grounding.Example], what: str
) -> list[Rows]:
    def compute(chosen: list[int]) -> list[Rows]:
        samples = [examples[index].sample for index in chosen]
        return [
            np.array([claim.features for claim in reading.claims], dtype=np.float16)
            for reading in read_samples(samples, kit.encoder.encode)
        ]

    keys = [text_key(e.sample.prompt, e.sample.response, *e.sample.contexts) for e in examples]
    return cache.collect(keys, compute, what)


def _bags(rows: Sequence[Rows], labels: Sequence[int], weights: Sequence[float]) -> Bags:
    filled = [row.astype(np.float32) for row in rows if len(row)]
    return Bags(
        features=np.concatenate(filled),
        bag=np.array([i for i, row in enumerate(rows) for _ in range(len(row))], dtype=np.int64),
        labels=np.array(labels, dtype=np.float32),
        weights=np.array(weights, dtype=np.float32),
    )


GROUNDING = Recipe(hidden=(48,), epochs=14, weight_decay=2e-2, dropout=0.3, sign=-1)
GROUNDING_WEIGHTS = {
    "support": 6.0,
    "made": 0.6,
    "cad_nli": 0.7,
    "swapped": 0.5,
    "ares_synthetic": 0.6,
}


def _train_groundedness(kit: Kit) -> Trained:
    examples = grounding.training_examples(kit.data)
    cache = FeatureCache(kit.file("claims"), kit.progress)
    rows = _claim_rows(kit, cache, examples, "reading training responses")
    weights = [GROUNDING_WEIGHTS.get(example.source, 1.0) for example in examples]
    bags = _bags(rows, [example.label for example in examples], weights)
    held = np.array([grounding.is_held_apart(example, HELD_APART) for example in examples])
    network = fit_network(bags.take(~held), GROUNDING).network
    combine = _fit_combination(network, rows, bags.labels, held)
    outputs = _response_outputs(network, rows, combine)
    curve = _curve(outputs, bags.labels, held)
    trained = Trained(
        name="groundedness",
        tensors=network.tensors("network") | {"combine": combine},
        metadata={
            "calibration": json.dumps(curve),
            "claim_calibration": json.dumps((curve[0] * float(combine[:2].sum()), curve[1])),
        },
        sources=grounding.TRAIN,
        rows=Counter(example.source for example in examples),
    )
    for name, dev in _grounding_dev(kit).items():
        dev_rows = _claim_rows(kit, cache, dev, f"reading {name}")
        dev_outputs = _response_outputs(network, dev_rows, combine)
        trained.dev[name] = _scored(dev_outputs, [example.label for example in dev], curve)
    return trained


def _grounding_dev(kit: Kit) -> dict[str, list[grounding.Example]]:
    sets = {source.name: grounding.dev_examples(kit.data, source) for source in grounding.DEV}
    return sets | {"support (held out)": list(grounding.support_examples(Random(1), held_out=True))}


def _parts(network: Network, rows: Rows) -> list[float]:
    logits = network.logits(rows.astype(np.float32))
    return [float(logits.min()), float(logits.mean()), float(np.log(len(logits)))]


def _fit_combination(
    network: Network, rows: Sequence[Rows], labels: Array, held: NDArray[np.bool_]
) -> Array:
    """How the weakest claim, the mean claim and their number add up, from held-apart responses."""
    chosen = [index for index in map(int, np.flatnonzero(held)) if len(rows[index])]
    parts = np.array([_parts(network, rows[index]) for index in chosen], dtype=np.float64)
    target = np.array([labels[index] for index in chosen])
    weights = np.array([0.8, 0.2, 0.0])
    for _ in range(400):
        chances = 1 / (1 + np.exp(-np.clip(parts @ weights, -30, 30)))
        weights -= 0.05 * (parts.T @ (chances - target) / len(target))
        weights[:2] = np.maximum(weights[:2], 0)
    return weights.astype(np.float32)


def _response_outputs(network: Network, rows: Sequence[Rows], combine: Array) -> Array:
    return np.array(
        [
            response_logit(network.logits(row.astype(np.float32)), combine) if len(row) else np.nan
            for row in rows
        ],
        dtype=np.float32,
    )


# Relevance: one row of features per prompt and text.

PAIRS = Recipe(hidden=(48,), epochs=14, weight_decay=2e-2, dropout=0.3)


def _pair_rows(
    kit: Kit, cache: FeatureCache, examples: Sequence[pairing.PairExample], what: str
) -> list[Rows]:
    def compute(chosen: list[int]) -> list[Rows]:
        pairs = [make_pair(examples[index].prompt, examples[index].text) for index in chosen]
        read = read_pairs(pairs, kit.encoder.encode)
        return [one.features[None, :].astype(np.float16) for one in read]

    return cache.collect([text_key(e.prompt, e.text) for e in examples], compute, what)


def _train_pairs(task: str, kit: Kit) -> Trained:
    is_answer = task == "answer_relevance"
    make = pairing.answer_examples if is_answer else pairing.context_examples
    examples = make(kit.data)
    cache = FeatureCache(kit.file("pairs"), kit.progress)
    rows = _pair_rows(kit, cache, examples, "reading training pairs")
    bags = _bags(rows, [example.label for example in examples], [1.0] * len(examples))
    held = np.array([pairing.is_held_apart(example, HELD_APART) for example in examples])
    network = fit_network(bags.take(~held), PAIRS).network
    curve = _curve(network.logits(bags.features), bags.labels, held)
    trained = Trained(
        name=task,
        tensors=network.tensors("network"),
        metadata={"calibration": json.dumps(curve)},
        sources=pairing.ANSWERS if is_answer else pairing.CONTEXTS,
        rows=Counter(example.source for example in examples),
    )
    for name, dev in _pairs_dev(task, kit).items():
        found = np.concatenate(_pair_rows(kit, cache, dev, f"reading {name}"))
        labels = [example.label for example in dev]
        trained.dev[name] = _scored(network.logits(found.astype(np.float32)), labels, curve)
    return trained


def _pairs_dev(task: str, kit: Kit) -> dict[str, list[pairing.PairExample]]:
    is_answer = task == "answer_relevance"
    sources = pairing.ANSWERS_DEV if is_answer else pairing.CONTEXTS_DEV
    sets = {source.name: pairing.dev_pairs(kit.data, source, task) for source in sources}
    if is_answer:
        sets["chat"] = pairing.chat_pairs(read_chats(kit.data / CHATS, CHATS_READ))
    return sets


# Wording: bags of sentences, the worst of which decides.

WORDING = Recipe(hidden=(64,), epochs=10, weight_decay=2e-2, dropout=0.3)


def _sentences(examples: Sequence[wordings.WordingExample]) -> list[list[str]]:
    return [
        [spell_emoji(text[span.start : span.end]) for span in wording_spans(text)][:40]
        for text in (example.text[:4000] for example in examples)
    ]


def _train_wording(task: str, kit: Kit) -> Trained:
    examples = wordings.wording_examples(kit.data, task)
    cache = VectorCache(kit.encoder, kit.file("vectors"), kit.progress)
    sentences = _sentences(examples)
    flat = [sentence for own in sentences for sentence in own]
    cache.prepare(flat, "encoding training sentences")
    bags = Bags(
        features=cache.vectors(flat),
        bag=np.array([i for i, own in enumerate(sentences) for _ in own], dtype=np.int64),
        labels=np.array([example.label for example in examples], dtype=np.float32),
        weights=np.array([example.weight for example in examples], dtype=np.float32),
    )
    held = np.array([example.group < HELD_APART for example in examples])
    chosen = np.flatnonzero(~held[bags.bag])
    grams = Grams.of([hashed_grams(flat[index], BUCKETS) for index in chosen], BUCKETS)
    fitted = fit_network(bags.take(~held), WORDING, grams)
    assert fitted.gram_weights is not None
    tensors = fitted.network.tensors("network") | {"grams": fitted.gram_weights}
    plain = WordingHead(fitted.network, fitted.gram_weights, (1.0, 0.0))
    judge = _wording_judge(plain, cache)
    curve = _curve(judge(sentences), bags.labels, held)
    trained = Trained(
        name=task,
        tensors=tensors,
        metadata={"calibration": json.dumps(curve)},
        sources=(*(wordings.TOXICITY if task == "toxicity" else wordings.BIAS), *wordings.BENIGN),
        rows=Counter(example.source for example in examples),
    )
    for name, dev in _wording_dev(task, kit).items():
        outputs = judge(_sentences(dev))
        trained.dev[name] = _scored(outputs, [example.label for example in dev], curve)
    return trained


def _wording_judge(head: WordingHead, cache: VectorCache) -> Callable[[list[list[str]]], Array]:
    def judge(sentences: list[list[str]]) -> Array:
        flat = [sentence for own in sentences for sentence in own]
        cache.prepare(flat, "encoding sentences")
        outputs = iter(head.logits(cache.vectors(flat), flat))
        worst = [max((next(outputs) for _ in own), default=np.nan) for own in sentences]
        return np.array(worst, dtype=np.float32)

    return judge


def _wording_dev(task: str, kit: Kit) -> dict[str, list[wordings.WordingExample]]:
    sources = wordings.TOXICITY_DEV if task == "toxicity" else wordings.BIAS_DEV
    sets = {s.name: wordings.dev_wordings(kit.data, s, task) for s in sources}
    sets["benign"] = wordings.benign_examples(kit.data, wordings.BENIGN_DEV, "dev")
    chats = read_chats(kit.data / CHATS, CHATS_READ)
    sets["chat"] = [
        wordings.WordingExample(row.id, row.source, row.sample.response, 0) for row in chats
    ]
    return sets


def head_file(trained: Trained) -> HeadFile:
    """The head as it would be read back."""
    return HeadFile(trained.tensors, trained.metadata)
