"""What the two evaluators of a response's wording share: they read it a few sentences at a time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evaluators.protocol import Abstention, Computation, EvaluatorSpec, Evidence, Sample, Verdict
from evaluators.tuned import Encoders
from evaluators.weights import bundled_head

if TYPE_CHECKING:
    from evaluators.heads.wording import Found

QUOTED = 160
SHOWN = 20
"""How many sentences are shown as evidence at most."""


class WordingEvaluator:
    """Judges a response window by window; the response is as bad as its worst window."""

    def __init__(self, encoders: Encoders, name: str, task: str) -> None:
        self._encoder = encoders.text
        self._head = bundled_head(name)
        self._task = task
        self._last: Any = None
        self._reading: Any = None
        self.spec = EvaluatorSpec(
            name=name,
            criterion=name,
            version=self._head.version,
            needs=frozenset({"response"}),
            weights=(*self._encoder.weights, self._head.weights),
            calibration=self._head.calibration,
        )

    @property
    def computation(self) -> Computation | None:
        """How its encoder computes; None before `load`."""
        return self._encoder.computation

    def load(self) -> None:
        """Read the encoder and the head."""
        from evaluators.heads import wording  # noqa: PLC0415
        from evaluators.heads.last_step import LastStep  # noqa: PLC0415
        from evaluators.heads.network import read_head  # noqa: PLC0415

        self._encoder.load()
        self._last = LastStep.of(read_head(self._head.path, self._head.sha256))
        self._reading = wording

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        """One verdict per sample; the sentences that count against it are evidence."""
        found = self._reading.read_windows(
            [sample.response for sample in samples],
            self._encoder.tokenizer,
            lambda wanted: self.outputs(wanted, self._task),
        )
        return [self._verdict(*pair) for pair in zip(samples, found, strict=True)]

    def outputs(self, sequences: Sequence[Any], task: str) -> Any:
        """The raw outputs of sequences for one task."""
        return self._encoder.outputs(sequences)[:, self._encoder.column(task)]

    def probabilities(self, outputs: Any) -> list[float]:
        """The calibrated probability of each raw output."""
        scores: list[float] = self._last.probabilities(outputs[:, None])
        return scores

    def kind(self, sentence: str, tokens: Any) -> str:
        """The kind of evidence that a flagged sentence is."""
        raise NotImplementedError

    def explain(self, worst: str, kind: str | None) -> str:
        """One sentence about the worst one of a response; `kind` is None if none is flagged."""
        raise NotImplementedError

    def _verdict(self, sample: Sample, found: "Found") -> Verdict | Abstention:
        if not found.parts:
            return Abstention("The response holds no words to judge.")
        scores = self.probabilities(found.outputs)
        flagged = [
            part.span
            for part, score in zip(found.parts, scores, strict=True)
            if score >= self._last.cut
        ]
        evidence = [one for span in flagged[:SHOWN] for one in self._sentences(sample, span)]
        worst = found.parts[found.worst].span
        if not evidence:
            return Verdict(max(scores), (), self.explain(_quoted(sample, worst), None))
        loudest = max(evidence, key=lambda one: (one.score, -one.start))
        quoted = " ".join(sample.response[loudest.start : loudest.end][:QUOTED].split())
        return Verdict(max(scores), tuple(evidence), self.explain(quoted, loudest.kind))

    def _sentences(self, sample: Sample, span: Any) -> list[Evidence]:
        """The sentences of a flagged window that are flagged themselves, or else the worst one."""
        found = self._reading.read_sentences(
            sample.response,
            span,
            self._encoder.tokenizer,
            lambda wanted: self.outputs(wanted, self._task),
        )
        scores = self.probabilities(found.outputs)
        chosen = [index for index, score in enumerate(scores) if score >= self._last.cut]
        return [
            self._evidence(sample, found.parts[index], scores[index])
            for index in chosen or [found.worst]
        ]

    def _evidence(self, sample: Sample, part: Any, score: float) -> Evidence:
        sentence = sample.response[part.span.start : part.span.end]
        kind = self.kind(sentence, part.readings[0])
        return Evidence(part.span.start, part.span.end, score, kind=kind)


def _quoted(sample: Sample, span: Any) -> str:
    return " ".join(sample.response[span.start : span.end][:QUOTED].split())
