"""Relevance: does the response answer the prompt, and does a context help to answer it?"""

from collections.abc import Sequence
from typing import Any

from evaluators.engine import Encoder
from evaluators.protocol import Abstention, EvaluatorSpec, Evidence, Sample, Verdict
from evaluators.signals import content_words, is_refusal
from evaluators.weights import bundled_head


class _PairEvaluator:
    """What the two relevance evaluators share: one encoder, one head on pairs of texts."""

    def __init__(self, encoder: Encoder, name: str, needs: frozenset[Any]) -> None:
        self._encoder = encoder
        self._head = bundled_head(name)
        self._judge: Any = None
        self.spec = EvaluatorSpec(
            name=name,
            criterion=name,
            version=self._head.version,
            needs=needs,
            weights=self._head.weights,
            calibration=self._head.calibration,
        )

    def load(self) -> None:
        """Read the encoder and the head."""
        from evaluators.heads.network import read_head  # noqa: PLC0415
        from evaluators.heads.relevance import PairHead  # noqa: PLC0415

        self._encoder.load()
        self._judge = PairHead.of(read_head(self._head.path, self._head.sha256))

    def _scores(self, pairs: Sequence[tuple[str, str]]) -> list[Any]:
        return list(self._judge.score(pairs, self._encoder.encode))


class AnswerRelevance(_PairEvaluator):
    """Judges whether the response addresses the prompt, true or not."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder, "answer_relevance", frozenset({"prompt", "response"}))

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        """One verdict per sample; its evidence is the sentence nearest to the prompt."""
        scored = self._scores([(sample.prompt, sample.response) for sample in samples])
        return [
            Verdict(
                score=one.score,
                evidence=_nearest(one.span, one.score),
                explanation=_why(sample, one.score >= self._judge.cut),
            )
            for sample, one in zip(samples, scored, strict=True)
        ]


class ContextRelevance(_PairEvaluator):
    """Judges whether at least one context helps to answer the prompt."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder, "context_relevance", frozenset({"prompt", "contexts"}))

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        """One verdict per sample: the score of its best context, which the explanation names."""
        pairs = [(sample.prompt, context) for sample in samples for context in sample.contexts]
        scored = iter(self._scores(pairs))
        return [_best_context([next(scored).score for _ in sample.contexts]) for sample in samples]


def _best_context(scores: list[float]) -> Verdict:
    best = max(range(len(scores)), key=lambda index: (scores[index], -index))
    listed = ", ".join(f"{number}: {score:.2f}" for number, score in enumerate(scores[:20], 1))
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
