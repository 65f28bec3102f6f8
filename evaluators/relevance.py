"""Relevance: does the response answer the prompt, and does a context help to answer it?"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from evaluators.protocol import (
    Abstention,
    Computation,
    EvaluatorSpec,
    Evidence,
    Sample,
    TextField,
    Verdict,
)
from evaluators.signals import content_words, is_refusal
from evaluators.tuned import Encoders
from evaluators.weights import bundled_head

ABOUT_ANY = "The prompt asks for something to be done with the contexts, whatever they are about."
LISTED = 20
"""Of how many contexts an explanation gives the scores."""


class _RelevanceEvaluator:
    """What the two relevance evaluators share: the pair encoder and a last step."""

    def __init__(self, encoders: Encoders, name: str, needs: frozenset[TextField]) -> None:
        self._encoder = encoders.pair
        self._head = bundled_head(name)
        self._last: Any = None
        self._read: Any = None
        self.spec = EvaluatorSpec(
            name=name,
            criterion=name,
            version=self._head.version,
            needs=needs,
            weights=(*self._encoder.weights, self._head.weights),
            calibration=self._head.calibration,
        )

    @property
    def computation(self) -> Computation | None:
        """How its encoder computes; None before `load`."""
        return self._encoder.computation

    def load(self) -> None:
        """Read the encoder and the head."""
        from evaluators.heads.last_step import LastStep  # noqa: PLC0415
        from evaluators.heads.network import read_head  # noqa: PLC0415

        self._encoder.load()
        self._last = LastStep.of(read_head(self._head.path, self._head.sha256))
        self._read = self._reader()

    def _reader(self) -> Any:
        raise NotImplementedError

    def _scores(self, pairs: Sequence[tuple[str, str]], task: str) -> list[tuple[float, Any]]:
        """A probability per pair, and the part of its text that speaks to the prompt most."""
        column = self._encoder.column(task)
        read = self._read(
            pairs, self._encoder.tokenizer, lambda found: self._encoder.outputs(found)[:, column]
        )
        scores = self._last.probabilities([one.features for one in read])
        return [(score, one.nearest) for score, one in zip(scores, read, strict=True)]


class AnswerRelevance(_RelevanceEvaluator):
    """Judges whether the response addresses the prompt, true or not."""

    def __init__(self, encoders: Encoders) -> None:
        super().__init__(encoders, "answer_relevance", frozenset({"prompt", "response"}))
        self._base = encoders.base
        self._whole_prompt: Any = None

    def _reader(self) -> Any:
        from evaluators.heads.manner import whole_prompt  # noqa: PLC0415
        from evaluators.heads.relevance import read_answers  # noqa: PLC0415

        self._base.load()
        self._whole_prompt = whole_prompt
        return partial(read_answers, embed=self._base.vectors)

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        """One verdict per sample; its evidence is the part that answers the prompt most."""
        pairs = [
            (self._whole_prompt(sample.prompt, sample.contexts), sample.response)
            for sample in samples
        ]
        scored = self._scores(pairs, "answers")
        return [
            Verdict(
                score=score,
                evidence=_nearest(span, score),
                explanation=_why(sample, score >= self._last.cut),
            )
            for sample, (score, span) in zip(samples, scored, strict=True)
        ]


class ContextRelevance(_RelevanceEvaluator):
    """Judges whether at least one context helps to answer the prompt."""

    def __init__(self, encoders: Encoders) -> None:
        super().__init__(encoders, "context_relevance", frozenset({"prompt", "contexts"}))
        self._is_about_contexts: Any = None

    def _reader(self) -> Any:
        from evaluators.heads.manner import is_about_contexts  # noqa: PLC0415
        from evaluators.heads.relevance import read_passages  # noqa: PLC0415

        self._is_about_contexts = is_about_contexts
        return read_passages

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        """One verdict per sample: the score of its best context, which the explanation names.

        An abstention where the prompt asks for something to be done with any context that comes.
        """
        asks = [not self._is_about_contexts(sample.prompt) for sample in samples]
        pairs = [
            (sample.prompt, context)
            for sample, is_asking in zip(samples, asks, strict=True)
            for context in sample.contexts
            if is_asking
        ]
        scored = iter(self._scores(pairs, "helps") if pairs else [])
        return [
            _best_context([next(scored)[0] for _ in sample.contexts])
            if is_asking
            else Abstention(ABOUT_ANY)
            for sample, is_asking in zip(samples, asks, strict=True)
        ]


def _best_context(scores: list[float]) -> Verdict:
    best = max(range(len(scores)), key=lambda index: (scores[index], -index))
    shown = enumerate(scores[:LISTED], 1)
    listed = ", ".join(f"{number}: {score:.2f}" for number, score in shown)
    of_all = f"context {best + 1} of {len(scores)}" if len(scores) > 1 else "the only context"
    return Verdict(scores[best], (), f"The most useful is {of_all} (scores {listed}).")


def _nearest(span: Any, score: float) -> tuple[Evidence, ...]:
    return () if span is None else (Evidence(span.start, span.end, score, kind="nearest"),)


def _why(sample: Sample, is_relevant: bool) -> str:
    """One sentence about what was seen."""
    if is_refusal(sample.response):
        return "The response refuses or says that it does not know."
    asked, said = set(content_words(sample.prompt)), set(content_words(sample.response[:4000]))
    if said and said <= asked:
        return "The response only repeats words of the prompt."
    verb = "addresses" if is_relevant else "does not address"
    return f"The sentence nearest to the prompt {verb} what was asked."
