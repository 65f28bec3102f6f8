"""The second half of a trace's path: assemble, claim, judge, record, roll up.

`work_once` does one round and needs no clock but the one it is given; `run_worker` is the loop
around it. No transaction is held while models run.
"""

import logging
import os
import signal
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from types import FrameType

from sqlalchemy import Engine

from app.assembly import assemble, assemble_due, find_due, set_aside
from app.criteria import Criteria
from app.database import transaction
from app.errors import Busy, SetupError
from app.isolation import Isolated
from app.outage import LONGEST_WAIT_SECONDS, Outage
from app.outcomes import Outcome, judge_batch
from app.settings import Settings
from app.store.adopting import adopt
from app.store.evaluations import Claim, claim, record
from app.store.workers import beat
from evaluators.protocol import Evaluator, EvaluatorSpec

IDLE_SECONDS = 0.5
HEARTBEAT_SECONDS = 10.0

logger = logging.getLogger("touchstone.worker")


@dataclass(frozen=True, slots=True)
class Done:
    """What one round of work did."""

    assembled: int
    judged: int
    recorded: int

    @property
    def idle(self) -> bool:
        return not self.assembled and not self.judged


def work_once(
    engine: Engine,
    evaluators: Sequence[Evaluator],
    criteria: Criteria,
    settings: Settings,
    *,
    now: Callable[[], datetime],
) -> Done:
    """Assemble the traces that are due, then judge one claim of evaluations.

    What an evaluator in trouble should judge waits until it takes work again.
    """
    specs = [evaluator.spec for evaluator in evaluators]
    troubles = troubles_of(evaluators)
    assembled = _assemble(engine, specs, settings, now())
    with transaction(engine) as session:
        claims = claim(
            session,
            specs=[spec for spec in specs if label_of(spec) not in troubles],
            now=now(),
            interactions=settings.claim_size,
            lease_seconds=settings.lease_seconds,
            max_attempts=settings.max_attempts,
        )
    recorded: list[Future[int]] = []
    # Verdicts are written while the next evaluator judges.
    with ThreadPoolExecutor(max_workers=1) as recorder:
        for evaluator, mine in _by_evaluator(evaluators, claims):
            samples = [one.sample for one in mine]
            outcomes = judge_batch(evaluator, criteria.get(evaluator.spec.criterion), samples)
            recorded.append(recorder.submit(_record, engine, mine, outcomes, specs, now()))
    done = sum(one.result() for one in recorded)
    return Done(assembled=assembled, judged=len(claims), recorded=done)


def run_worker(
    engine: Engine,
    evaluators: Sequence[Evaluator],
    criteria: Criteria,
    settings: Settings,
    *,
    now: Callable[[], datetime],
    stop: threading.Event,
) -> None:
    """Work until told to stop; a round that fails is logged and tried again."""
    outage = Outage(
        f"its work waits and is tried again, every {LONGEST_WAIT_SECONDS:.0f} s at least"
    )
    last_beat: datetime | None = None
    idle = True
    while not stop.is_set():
        try:
            at = now()
            if last_beat is None or (at - last_beat).total_seconds() >= HEARTBEAT_SECONDS:
                _say_alive(engine, evaluators, at, is_idle=idle)
                last_beat = at
            idle = work_once(engine, evaluators, criteria, settings, now=now).idle
            outage.end()
        except (Busy, SetupError) as error:
            outage.note(error)
            idle = True
        except Exception:
            logger.exception("a round of work failed; trying again")
            idle = True
        if idle:
            stop.wait(outage.wait_seconds or IDLE_SECONDS)


def _say_alive(
    engine: Engine, evaluators: Sequence[Evaluator], now: datetime, *, is_idle: bool
) -> None:
    """Beat, and take over what waits for versions that nobody runs where there is time for it."""
    name = f"{socket.gethostname()}:{os.getpid()}"
    specs = [one.spec for one in evaluators]
    with transaction(engine) as session:
        labels = [label_of(spec) for spec in specs]
        beat(session, name, labels, troubles_of(evaluators), now=now)
        taken = adopt(session, specs, now=now) if is_idle else 0
    if taken:
        logger.info("took over %d evaluations that waited for versions nobody runs", taken)


def run_chore(chore: Callable[[], object], *, every_seconds: float, stop: threading.Event) -> None:
    """Do something now and then until told to stop; a time that fails is logged and tried again."""
    while not stop.is_set():
        try:
            chore()
        except Busy as error:
            # The worker's own loop tells of a database that is away.
            logger.debug("%s", error)
        except SetupError as error:
            logger.warning("%s", error)
        except Exception:
            logger.exception("a chore failed; trying again in %.0f s", every_seconds)
        stop.wait(every_seconds)


def label_of(spec: EvaluatorSpec) -> str:
    """How a heartbeat names an evaluator."""
    return f"{spec.name}@{spec.version}"


def troubles_of(evaluators: Sequence[Evaluator]) -> dict[str, str]:
    """For each evaluator that takes no work now, by its label, why."""
    isolated = [one for one in evaluators if isinstance(one, Isolated)]
    return {label_of(one.spec): one.trouble for one in isolated if one.trouble is not None}


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set, so that a round can finish before the process ends."""
    stop = threading.Event()

    def _stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    return stop


def _assemble(
    engine: Engine, specs: Sequence[EvaluatorSpec], settings: Settings, now: datetime
) -> int:
    """Assemble the traces that are due; one that cannot be does not keep the others back."""
    try:
        return assemble_due(engine, specs, settings, now=now)
    except Busy:
        raise
    except Exception:
        logger.exception("some traces could not be assembled; trying one by one")
    due = find_due(engine, settings, now=now)
    for trace in due:
        try:
            assemble(engine, [trace], specs, now=now)
        except Busy:
            raise
        except Exception:
            logger.exception("trace %s cannot be assembled and is set aside", trace.trace_id)
            set_aside(engine, trace)
    return len(due)


def _by_evaluator(
    evaluators: Sequence[Evaluator], claims: Sequence[Claim]
) -> list[tuple[Evaluator, list[Claim]]]:
    groups: dict[tuple[str, str], list[Claim]] = defaultdict(list)
    for one in claims:
        groups[one.evaluation.evaluator, one.evaluation.version].append(one)
    # What may hang keeps nobody waiting but those who come after it.
    order = sorted(evaluators, key=lambda one: isinstance(one, Isolated) and one.is_doubtful)
    pairs = ((one, groups.get((one.spec.name, one.spec.version), [])) for one in order)
    return [(evaluator, mine) for evaluator, mine in pairs if mine]


def _record(
    engine: Engine,
    claims: Sequence[Claim],
    outcomes: Sequence[Outcome],
    specs: Sequence[EvaluatorSpec],
    now: datetime,
) -> int:
    with transaction(engine) as session:
        return record(session, list(zip(claims, outcomes, strict=True)), specs=specs, now=now)
