"""Evaluators in a process of their own: whatever happens to one there, the worker goes on.

A call that does not come back in time, or that ends its process, costs the samples of that call
alone: the process is replaced. An evaluator that hangs is left alone for a while, so that each time
costs the others one time limit, and for longer where it keeps on; one that cannot be loaded until
its worker starts again; their samples wait meanwhile.
"""

import faulthandler
import logging
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from app.child import Child, answer_all
from app.outcomes import NotAsked, NotJudged, NotTogether, ask, computation_of, make_ready
from app.verdicts import Fault, plain
from evaluators.protocol import Computation, Evaluator, EvaluatorSpec, Sample

Load: TypeAlias = Callable[[], Sequence[Evaluator]]
"""Makes the evaluators; a module-level function, or a partial of one, that a child can import."""
START_SECONDS = 600.0
GRACE_SECONDS = 30.0
LOST = ("TimeLimit", "ProcessEnded")
LOST_IN_A_ROW = 3
REST_SECONDS = 600.0
# After any of these, nothing that the process asks of its device can be trusted.
DEVICE_FAULTS = ("cuda error", "acceleratorerror", "device-side assert", "cublas", "cudnn")

logger = logging.getLogger("touchstone.judges")


class JudgeHost:
    """The process that holds the evaluators, started when it is first needed."""

    def __init__(
        self, load: Load, *, answer_seconds: float, start_seconds: float = START_SECONDS
    ) -> None:
        self._load, self._answer_seconds, self._start_seconds = load, answer_seconds, start_seconds
        self._child: Child | None = None
        self._start_again_at = 0.0
        self.is_ready = False
        """Whether the process runs and has loaded what it can."""
        self.faults: Mapping[str, Fault] = {}
        """For each evaluator that cannot be loaded, by its name, why."""
        self.computations: dict[str, Computation | None] = {}
        """How each evaluator computed its last answer, by its name."""

    def start(self) -> None:
        """Start the process, which loads what it can; OSError or EOFError when it does not."""
        self._child = Child(serve_evaluators, self._load, self._answer_seconds)
        self.faults = self._child.receive(self._start_seconds)
        self.is_ready = True

    def ask(self, name: str, samples: Sequence[Sample]) -> list[Any] | Fault:
        """What the evaluator of that name says of the samples, or what went wrong."""
        try:
            if self._child is None:
                self.start()
        except (EOFError, OSError):
            self.end()
            self._start_again_at = time.monotonic() + GRACE_SECONDS
            logger.error("the process of the evaluators could not be started")
            raise NotAsked from None
        assert self._child is not None
        try:
            self._child.pipe.send((name, list(samples)))
            answer: list[Any] | Fault
            answer, self.computations[name] = self._child.receive(self._answer_seconds)
        except TimeoutError:
            self.end()
            return Fault("TimeLimit", f"it did not answer within {self._answer_seconds:g} s.")
        except (EOFError, OSError):
            return Fault("ProcessEnded", f"its process ended {_how(self.end())}.")
        if isinstance(answer, Fault) and is_device_fault(answer):
            self.end()
        return answer

    def trouble_of(self, name: str) -> str | None:
        """Why the evaluator of that name cannot be asked now, in a sentence, or None."""
        fault = self.faults.get(name)
        if fault is not None:
            return f"It cannot be loaded: {fault.words}"
        if time.monotonic() < self._start_again_at:
            return "The process of the evaluators could not be started; that is tried again soon."
        return None

    def end(self) -> int | None:
        """End the process, if there is one; its exit code, if it had ended by itself."""
        child, self._child, self.is_ready = self._child, None, False
        return child.end() if child is not None else None


class Isolated:
    """An evaluator whose work is done by a host; it takes no work while it is in trouble.

    One that did not answer in time is left alone for `pause_seconds`: nobody else waits as long at
    once, and then it is asked one sample at a time until it answers, which finds the one it hangs
    at. One that hangs on and on rests, and after that a single time is enough.
    """

    def __init__(
        self,
        spec: EvaluatorSpec,
        host: JudgeHost,
        *,
        pause_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.spec, self._host, self._clock = spec, host, clock
        self._pause_seconds = pause_seconds
        self._lost, self._rests_until, self._rests_because = 0, 0.0, ""

    def load(self) -> None:
        """Nothing to do: the host loads when it starts."""

    def evaluate(self, samples: Sequence[Sample]) -> list[Any]:
        """What it says; NotJudged when it fails, NotAsked or NotTogether where it must wait."""
        if self.trouble is not None:
            raise NotAsked(self.trouble)
        if self.is_doubtful and len(samples) > 1:
            raise NotTogether
        answer = self._host.ask(self.spec.name, samples)
        if not isinstance(answer, Fault):
            self._lost = 0
            return answer
        logger.warning("evaluator %r failed: %s", self.spec.name, answer.words)
        self._lost = self._lost + 1 if answer.kind in LOST else 0
        if self._lost >= LOST_IN_A_ROW:
            self._lost = LOST_IN_A_ROW - 1
            self._rest(REST_SECONDS, f"It did not answer, {LOST_IN_A_ROW} times in a row")
            logger.error("evaluator %r rests for %.0f s", self.spec.name, REST_SECONDS)
        elif answer.kind == "TimeLimit":
            self._rest(self._pause_seconds, "It did not answer in time just now")
        raise NotJudged(answer)

    def _rest(self, seconds: float, because: str) -> None:
        self._rests_until = self._clock() + seconds
        self._rests_because = f"{because}; it is asked again within {seconds:.0f} s."

    @property
    def computation(self) -> Computation | None:
        """How its last answer was computed, if it tells."""
        return self._host.computations.get(self.spec.name)

    @property
    def fault(self) -> Fault | None:
        """Why it cannot be loaded, or None."""
        return self._host.faults.get(self.spec.name)

    @property
    def trouble(self) -> str | None:
        """Why it takes no work now, in a sentence, or None."""
        if self._clock() < self._rests_until:
            return self._rests_because
        return self._host.trouble_of(self.spec.name)

    @property
    def is_doubtful(self) -> bool:
        """Whether its last call was lost, so that the next may be, too."""
        return self._lost > 0


def isolate(
    evaluators: Sequence[Evaluator], host: JudgeHost, *, pause_seconds: float = 0.0
) -> list[Isolated]:
    """The same evaluators, each doing its work in the host."""
    return [Isolated(one.spec, host, pause_seconds=pause_seconds) for one in evaluators]


def is_device_fault(fault: Fault) -> bool:
    """Whether the fault leaves the device, as this process sees it, in an unknown state."""
    words = f"{fault.kind} {fault.words}".lower()
    return any(name in words for name in DEVICE_FAULTS)


def serve_evaluators(pipe: Connection, load: Load, answer_seconds: float) -> None:
    """Answer requests from the pipe until its other end is closed; runs in the child."""
    # Signals reach the whole group; the parent decides when this process ends.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    evaluators = {one.spec.name: one for one in load()}
    faults = {name: make_ready(one) for name, one in evaluators.items()}
    first = {name: fault for name, fault in faults.items() if fault is not None}
    answer_all(pipe, first, lambda asked: _answer(evaluators[asked[0]], asked[1], answer_seconds))


def _answer(evaluator: Evaluator, samples: Sequence[Sample], seconds: float) -> tuple[Any, Any]:
    """What the evaluator says, in a form that can be sent, and how it computed."""
    # Whoever waits ends this process first, unless they have died themselves.
    faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True)
    answer = ask(evaluator, samples)
    faulthandler.cancel_dump_traceback_later()
    sendable = answer if isinstance(answer, Fault) else [plain(one) for one in answer]
    return sendable, computation_of(evaluator)


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        said = signal.Signals(-code).name
        return f"by {said}, as when memory runs out" if said == "SIGKILL" else f"by {said}"
    return f"with code {code}"
