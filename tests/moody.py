"""A real plugin on which some words have an effect, in a module that a child imports quickly."""

import os
import re
import resource
import threading
from collections.abc import Sequence

from evaluators.protocol import Computation, Evaluator, EvaluatorSpec, Sample, Verdict

TOO_MUCH_BYTES = 1 << 40


class Moody:
    """A judge that some words hang, kill or break."""

    def __init__(self, name: str = "moody", *, weights: bool = True) -> None:
        self.spec = EvaluatorSpec(
            name=name, criterion="bias", version="1", needs=frozenset({"response"})
        )
        self._weights, self._is_lost = weights, False
        self._judged = 0

    @property
    def computation(self) -> Computation:
        if not self._judged:
            raise RuntimeError("nothing was computed yet")
        return Computation("bf16", f"moody {self._judged}")

    def load(self) -> None:
        if not self._weights:
            raise FileNotFoundError("its weights are not here")

    def evaluate(self, samples: Sequence[Sample]) -> list[Verdict]:
        self._judged += 1
        return [self._judge(one.response) for one in samples]

    def _judge(self, response: str) -> Verdict:
        if response == "hang":
            threading.Event().wait()
        if response == "spin":
            # Backtracks for ever and lets no other thread run.
            re.match("(a+)+$", "a" * 60 + "b")
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
            bytearray(TOO_MUCH_BYTES)
        return Verdict(0.25)


def moody_evaluators(*, weights: bool = True) -> Sequence[Evaluator]:
    """Two of them, the second perhaps without its weights."""
    return [Moody(), Moody("other", weights=weights)]


def moody_alone() -> Sequence[Evaluator]:
    """One of them."""
    return [Moody()]


def limited_evaluators(limit_bytes: int) -> Sequence[Evaluator]:
    """One of them, in a process that may hold only so many bytes."""
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    return [Moody()]


def dead_on_arrival() -> Sequence[Evaluator]:
    """A process that ends before it has any."""
    os._exit(3)
