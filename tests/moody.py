"""A real plugin on which some words have an effect, in a module that a child imports quickly."""

import os
import threading
from collections.abc import Sequence

from evaluators.protocol import Evaluator, EvaluatorSpec, Sample, Verdict


class Moody:
    """A judge that some words hang, kill or break."""

    def __init__(self, name: str = "moody", *, weights: bool = True) -> None:
        self.spec = EvaluatorSpec(
            name=name, criterion="bias", version="1", needs=frozenset({"response"})
        )
        self._weights, self._is_lost = weights, False

    def load(self) -> None:
        if not self._weights:
            raise FileNotFoundError("its weights are not here")

    def evaluate(self, samples: Sequence[Sample]) -> list[Verdict]:
        return [self._judge(one.response) for one in samples]

    def _judge(self, response: str) -> Verdict:
        if response == "hang":
            threading.Event().wait()
        if response == "die":
            os.kill(os.getpid(), 9)
        if response == "device":
            self._is_lost = True
        if self._is_lost:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        if response == "odd":
            return threading.Lock()  # type: ignore[return-value]
        if response == "raise":
            raise ValueError("cannot read this")
        if response == "memory":
            raise MemoryError
        return Verdict(0.25)


def moody_evaluators(*, weights: bool = True) -> Sequence[Evaluator]:
    """Two of them, the second perhaps without its weights."""
    return [Moody(), Moody("other", weights=weights)]
