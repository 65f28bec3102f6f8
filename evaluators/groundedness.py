"""Groundedness: does the context support every claim of the response?

Each sentence of the response that claims something is compared with the context sentences nearest
to it; it is supported if any context supports it, and the response is as grounded as its weakest
sentence. Greetings, offers and questions claim nothing and are passed over.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evaluators.engine import Encoder
from evaluators.protocol import Abstention, EvaluatorSpec, Evidence, Sample, Verdict
from evaluators.weights import bundled_head

if TYPE_CHECKING:
    from evaluators.heads.claims import Claim, Reading

SHOWN = 160
"""How many characters of a sentence an explanation quotes."""


class Groundedness:
    """Judges every sentence of a response against the contexts, with a small bundled head."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._head = bundled_head("groundedness")
        self._judge: Any = None
        self.spec = EvaluatorSpec(
            name="groundedness",
            criterion="groundedness",
            version=self._head.version,
            needs=frozenset({"response", "contexts"}),
            weights=self._head.weights,
            calibration=self._head.calibration,
        )

    def load(self) -> None:
        """Read the encoder and the head."""
        from evaluators.heads.grounding import GroundingHead  # noqa: PLC0415
        from evaluators.heads.network import read_head  # noqa: PLC0415

        self._encoder.load()
        self._judge = GroundingHead.of(read_head(self._head.path, self._head.sha256))

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        """One verdict per sample, with each claim and its nearest context sentence as evidence."""
        readings = self._judge.read(samples, self._encoder.encode)
        return [
            self._verdict(sample, *pair) for sample, pair in zip(samples, readings, strict=True)
        ]

    def _verdict(
        self, sample: Sample, reading: "Reading", judged: tuple[float, list[float]] | None
    ) -> Verdict | Abstention:
        if judged is None:
            return Abstention(_why_nothing(reading.refuses))
        score, supports = judged
        evidence = tuple(
            _evidence(claim, support, self._judge.cut)
            for claim, support in zip(reading.claims, supports, strict=True)
        )
        weakest = min(range(len(supports)), key=lambda index: (supports[index], index))
        span = reading.claims[weakest].span
        quoted = _shortened(sample.response[span.start : span.end])
        return Verdict(score, evidence, _explain(quoted, supports, self._judge.cut))


def _why_nothing(refuses: bool) -> str:
    if refuses:
        return "The response refuses to answer, so it makes no claim to check."
    return "The response makes no claim that the contexts could support."


def _evidence(claim: "Claim", support: float, cut: float) -> Evidence:
    nearest = claim.nearest
    return Evidence(
        start=claim.span.start,
        end=claim.span.end,
        score=support,
        context=nearest.context,
        context_start=nearest.span.start,
        context_end=nearest.span.end,
        kind="supported" if support >= cut else "unsupported",
    )


def _explain(quoted: str, supports: list[float], cut: float) -> str:
    lacking = sum(support < cut for support in supports)
    if not lacking:
        return f"Every claim has support; the weakest is “{quoted}”."
    share = "its only claim" if len(supports) == 1 else f"{lacking} of {len(supports)} claims"
    return f"The contexts do not support {share}; the weakest is “{quoted}”."


def _shortened(text: str) -> str:
    flat = " ".join(text[: SHOWN * 2].split())
    return flat if len(flat) <= SHOWN else flat[: SHOWN - 1].rstrip() + "…"
