"""Groundedness: do the contexts support every claim of the response?

Each sentence of the response that claims something is read together with the pieces of the contexts
that share most with it, whichever context they are in; the response is as grounded as its claims
are, the weakest first. Greetings, offers, questions and refusals claim nothing.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evaluators.protocol import Abstention, Computation, EvaluatorSpec, Evidence, Sample, Verdict
from evaluators.tuned import Encoders
from evaluators.weights import bundled_head

if TYPE_CHECKING:
    from evaluators.heads.evidence import Claim, Reading
    from evaluators.heads.grounding import Judged

SHOWN = 160
"""How many characters of a sentence an explanation quotes."""
LISTED = 60


class Groundedness:
    """Judges every claim of a response against the pieces of the contexts nearest to it."""

    def __init__(self, encoders: Encoders) -> None:
        self._encoder = encoders.pair
        self._head = bundled_head("groundedness")
        self._judge: Any = None
        self.spec = EvaluatorSpec(
            name="groundedness",
            criterion="groundedness",
            version=self._head.version,
            needs=frozenset({"response", "contexts"}),
            weights=(*self._encoder.weights, self._head.weights),
            calibration=self._head.calibration,
        )

    @property
    def computation(self) -> Computation | None:
        """How its encoder computes; None before `load`."""
        return self._encoder.computation

    def load(self) -> None:
        """Read the encoder and the head."""
        from evaluators.heads.grounding import GroundingHead  # noqa: PLC0415
        from evaluators.heads.network import read_head  # noqa: PLC0415

        self._encoder.load()
        self._judge = GroundingHead.of(read_head(self._head.path, self._head.sha256))

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        """One verdict per sample, with each claim and its nearest context piece as evidence."""
        column = self._encoder.column("grounded")
        readings = self._judge.read(
            samples, self._encoder.tokenizer, lambda found: self._encoder.outputs(found)[:, column]
        )
        return [
            self._verdict(sample, *pair) for sample, pair in zip(samples, readings, strict=True)
        ]

    def _verdict(
        self, sample: Sample, reading: "Reading", judged: "Judged | None"
    ) -> Verdict | Abstention:
        if judged is None:
            return Abstention(_why_nothing(reading.refuses))
        supports, cut = judged.supports, self._judge.cut
        pairs = list(zip(reading.claims, supports, strict=True))
        weakest, _ = min(pairs, key=lambda pair: (pair[1], pair[0].span.start))
        quoted = _shortened(sample.response[weakest.span.start : weakest.span.end])
        evidence = tuple(_evidence(claim, support, cut) for claim, support in pairs[:LISTED])
        return Verdict(judged.score, evidence, _explain(quoted, supports, cut))


def _why_nothing(refuses: bool) -> str:
    if refuses:
        return "The response refuses to answer, so it makes no claim to check."
    return "The response makes no claim that the contexts could support."


def _evidence(claim: "Claim", support: float, cut: float) -> Evidence:
    nearest = claim.evidence[0]
    objection = "contradicted" if claim.contradicts else "unsupported"
    return Evidence(
        start=claim.span.start,
        end=claim.span.end,
        score=support,
        context=nearest.context,
        context_start=nearest.span.start,
        context_end=nearest.span.end,
        kind="supported" if support >= cut else objection,
    )


def _explain(quoted: str, supports: Sequence[float], cut: float) -> str:
    lacking = sum(support < cut for support in supports)
    if not lacking:
        return f"Every claim has support; the weakest is “{quoted}”."
    share = "its only claim" if len(supports) == 1 else f"{lacking} of {len(supports)} claims"
    return f"The contexts do not support {share}; the weakest is “{quoted}”."


def _shortened(text: str) -> str:
    flat = " ".join(text[: SHOWN * 2].split())
    return flat if len(flat) <= SHOWN else flat[: SHOWN - 1].rstrip() + "…"
