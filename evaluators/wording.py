"""What the evaluators of a response's wording share: they judge it sentence by sentence."""

from collections.abc import Sequence
from typing import Any

from evaluators.engine import Encoder
from evaluators.protocol import Abstention, EvaluatorSpec, Evidence, Sample, Verdict
from evaluators.weights import bundled_head

LOUD = 1.5
"""How much the letters of a word must add to the raw output for the word to be shown."""


class WordingEvaluator:
    """Judges every sentence of a response; the response is as bad as its worst sentence."""

    def __init__(self, encoder: Encoder, name: str, kind: str) -> None:
        self._encoder = encoder
        self._head = bundled_head(name)
        self._kind = kind
        self._judge: Any = None
        self._split: Any = None
        self.spec = EvaluatorSpec(
            name=name,
            criterion=name,
            version=self._head.version,
            needs=frozenset({"response"}),
            weights=self._head.weights,
            calibration=self._head.calibration,
        )

    def load(self) -> None:
        """Read the encoder and the head."""
        from evaluators.heads.network import read_head  # noqa: PLC0415
        from evaluators.heads.wording import WordingHead, wording_spans  # noqa: PLC0415

        self._encoder.load()
        self._judge = WordingHead.of(read_head(self._head.path, self._head.sha256))
        self._split = wording_spans

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        """One verdict per sample; the sentences and words that count against it are evidence."""
        spans = [self._split(sample.response) for sample in samples]
        sentences = [
            sample.response[span.start : span.end]
            for sample, own in zip(samples, spans, strict=True)
            for span in own
        ]
        scores = iter(self._judge.scores(sentences, self._encoder.encode))
        return [
            self._verdict(sample, own, [next(scores) for _ in own])
            for sample, own in zip(samples, spans, strict=True)
        ]

    def explain(self, worst: str, is_flagged: bool) -> str:
        """One sentence about the worst sentence of a response."""
        raise NotImplementedError

    def _verdict(
        self, sample: Sample, spans: Sequence[Any], scores: list[float]
    ) -> Verdict | Abstention:
        if not scores:
            return Abstention("The response holds no words to judge.")
        worst = max(range(len(scores)), key=lambda index: (scores[index], -index))
        evidence: list[Evidence] = []
        for span, score in zip(spans, scores, strict=True):
            if score >= self._judge.cut:
                evidence.append(Evidence(span.start, span.end, score, kind=self._kind))
                evidence.extend(self._loud_word(sample, span, score))
        sentence = sample.response[spans[worst].start : spans[worst].end]
        return Verdict(
            scores[worst], tuple(evidence), self.explain(sentence, scores[worst] >= self._judge.cut)
        )

    def _loud_word(self, sample: Sample, span: Any, score: float) -> list[Evidence]:
        found = self._judge.strongest_word(sample.response[span.start : span.end])
        if found is None or found[1] < LOUD:
            return []
        start, end = span.start + found[0].start, span.start + found[0].end
        return [Evidence(start, end, score, kind=f"{self._kind} word")]
