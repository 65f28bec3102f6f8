"""Larger public models behind the same protocol: off by default, fetched by name, digests pinned.

A digest stands here where a public record of that very file was found; where none was, the file
has no digest and the user pins one (see `weights.pinned_digest`). None is invented.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluators.attribution import announces, without_sources
from evaluators.engine import Device
from evaluators.protocol import (
    Abstention,
    Computation,
    Evaluator,
    EvaluatorSpec,
    Evidence,
    Sample,
    TextField,
    Verdict,
    Weights,
)
from evaluators.sentences import Span, split_sentences
from evaluators.signals import is_refusal, is_small_talk
from evaluators.weights import HubFile, HubWeights, checked_files, read_pins

MSMARCO_REVISION = "c5ee24cb16019beea0893ab7796b1df96625c6b8"
NLI_REVISION = "fa2804872c3b4bd748f38c0185cc85775361e735"


def _files(
    repository: str, revision: str, digests: Mapping[str, str | None]
) -> tuple[HubFile, ...]:
    return tuple(
        HubFile(name, f"{repository}/resolve/{revision}/{name}", digest)
        for name, digest in digests.items()
    )


MSMARCO = HubWeights(
    "ms-marco",
    _files(
        "cross-encoder/ms-marco-MiniLM-L6-v2",
        MSMARCO_REVISION,
        {
            "config.json": "380e02c93f431831be65d99a4e7e5f67c133985bf2e77d9d4eba46847190bacc",
            "tokenizer.json": "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
            "model.safetensors": None,
        },
    ),
)
NLI = HubWeights(
    "nli",
    _files(
        "cross-encoder/nli-deberta-v3-small",
        NLI_REVISION,
        {
            "config.json": "885d0dceae8fa5c136da9209121ec9eb11160488e840de3bc1f29353674e5712",
            "tokenizer.json": "5124ef2ead1a10a717703bc436de7f353da76d6340e4587719b42b1693707964",
            "model.safetensors": None,
        },
    ),
)
DETOXIFY = HubWeights(
    "detoxify",
    (
        HubFile(
            "toxic_original-c1212f89.ckpt",
            "unitaryai/detoxify/releases/download/v0.1-alpha/toxic_original-c1212f89.ckpt",
            "c1212f89ac23307ab33932ce29dc446a6e030fb3f384a500890bbe662b7b544a",
        ),
    ),
    base="https://github.com",
)


class _HubEvaluator:
    """What hub evaluators share: files that are checked and a network that is read in `load`."""

    def __init__(
        self,
        weights: HubWeights,
        models_dir: Path,
        device: Device,
        *,
        criterion: str,
        needs: frozenset[TextField],
    ) -> None:
        self._weights, self._models_dir, self._device = weights, models_dir, device
        self._network: Any = None
        self.spec = EvaluatorSpec(
            name=weights.name,
            criterion=criterion,
            version="1",
            needs=needs,
            batch_size=8,
            weights=_known_weights(weights, models_dir),
        )

    @property
    def computation(self) -> Computation | None:
        """How its network computes; None before `load`."""
        return None if self._network is None else self._network.computation

    def _paths(self) -> dict[str, Path]:
        return checked_files(self._weights, self._models_dir)


def _known_weights(weights: HubWeights, models_dir: Path) -> tuple[Weights, ...]:
    pins = read_pins(weights.folder(models_dir))
    found = [(file.name, file.sha256 or pins.get(file.name)) for file in weights.files]
    return tuple(Weights(name, digest) for name, digest in found if digest is not None)


class Detoxify(_HubEvaluator):
    """The detoxify package's `original` checkpoint, for toxicity."""

    def __init__(self, models_dir: Path, device: Device = "auto", weights: HubWeights = DETOXIFY):
        needs: frozenset[TextField] = frozenset({"response"})
        super().__init__(weights, models_dir, device, criterion="toxicity", needs=needs)

    def load(self) -> None:
        """Unpickle the checkpoint, once its digest is the pinned one."""
        from evaluators.heads.detoxified import read_detoxify  # noqa: PLC0415

        (checkpoint,) = self._paths().values()
        self._network = read_detoxify(checkpoint, self._device)

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        """The highest of the classes, named in the explanation."""
        scored = self._network.score([sample.response for sample in samples])
        return [Verdict(score, (), f"The highest class is {name}.") for name, score in scored]


class MsMarco(_HubEvaluator):
    """A cross-encoder trained on MS MARCO, for context relevance."""

    def __init__(self, models_dir: Path, device: Device = "auto", weights: HubWeights = MSMARCO):
        needs: frozenset[TextField] = frozenset({"prompt", "contexts"})
        super().__init__(weights, models_dir, device, criterion="context_relevance", needs=needs)

    def load(self) -> None:
        """Read the cross-encoder from files whose digests are pinned."""
        from evaluators.heads.cross_encoder import CrossEncoder  # noqa: PLC0415

        self._network = CrossEncoder(_folder(self._paths()), self._device)

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        """The score of the best context, which the explanation names."""
        pairs = [(sample.prompt, context) for sample in samples for context in sample.contexts]
        scores = iter(self._network.relevance(pairs))
        return [_best([next(scores) for _ in sample.contexts]) for sample in samples]


class Nli(_HubEvaluator):
    """A cross-encoder trained on natural language inference, for groundedness."""

    def __init__(self, models_dir: Path, device: Device = "auto", weights: HubWeights = NLI):
        needs: frozenset[TextField] = frozenset({"response", "contexts"})
        super().__init__(weights, models_dir, device, criterion="groundedness", needs=needs)

    def load(self) -> None:
        """Read the cross-encoder from files whose digests are pinned."""
        from evaluators.heads.cross_encoder import CrossEncoder  # noqa: PLC0415

        self._network = CrossEncoder(_folder(self._paths()), self._device)

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        """Each claim is as supported as the context that entails it most."""
        claims = [_claims(sample.response) for sample in samples]
        pairs = [
            (context, without_sources(sample.response[span.start : span.end]))
            for sample, spans in zip(samples, claims, strict=True)
            for span in spans
            for context in sample.contexts
        ]
        scores = iter(self._network.entailment(pairs))
        return [
            _grounded(spans, [[next(scores) for _ in sample.contexts] for _ in spans])
            for sample, spans in zip(samples, claims, strict=True)
        ]


def _folder(paths: dict[str, Path]) -> Path:
    return next(iter(paths.values())).parent


def _best(scores: list[float]) -> Verdict:
    best = max(range(len(scores)), key=lambda index: (scores[index], -index))
    return Verdict(scores[best], (), f"The most useful is context {best + 1} of {len(scores)}.")


def _claims(response: str) -> list[Span]:
    spans = split_sentences(response)[:60]
    texts = [response[span.start : span.end] for span in spans]
    return [
        span
        for span, text in zip(spans, texts, strict=True)
        if not (is_small_talk(text) or announces(text) or is_refusal(text))
    ]


def _grounded(spans: list[Span], scores: list[list[float]]) -> Verdict | Abstention:
    if not spans:
        return Abstention("The response makes no claim that the contexts could support.")
    evidence = []
    for span, by_context in zip(spans, scores, strict=True):
        best = max(range(len(by_context)), key=lambda index: (by_context[index], -index))
        kind = "supported" if by_context[best] >= 0.5 else "unsupported"
        evidence.append(Evidence(span.start, span.end, by_context[best], best, kind=kind))
    weakest = min(range(len(evidence)), key=lambda index: (evidence[index].score, index))
    return Verdict(
        score=evidence[weakest].score,
        evidence=tuple(evidence),
        explanation=f"Claim {weakest + 1} of {len(evidence)} has the least support.",
    )


HUB_EVALUATORS: dict[str, Callable[[Path, Device], Evaluator]] = {
    "detoxify": Detoxify,
    "nli": Nli,
    "ms-marco": MsMarco,
}
HUB_WEIGHTS = {weights.name: weights for weights in (DETOXIFY, NLI, MSMARCO)}
