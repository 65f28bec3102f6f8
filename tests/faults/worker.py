"""The real worker with slow fake judges in a process apart, so that it is killed amid work."""

import os
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from app.criteria import read_criteria
from app.database import open_database
from app.isolation import JudgeHost, isolate
from app.settings import read_settings
from app.worker import run_worker
from evaluators.protocol import Abstention, Evaluator, Sample, Verdict
from tests.builders import FAKE_EVALUATORS

POISON = "this sample ends every process that judges it"


class Slowly:
    """A judge that does as another, after a pause."""

    def __init__(self, judge: Evaluator) -> None:
        self.spec, self._judge = judge.spec, judge

    def load(self) -> None: ...

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        time.sleep(0.01)
        if any(POISON in one.response for one in samples):
            os._exit(139)
        return self._judge.evaluate(samples)


def slow_judges() -> list[Evaluator]:
    return [Slowly(one) for one in FAKE_EVALUATORS]


def main() -> None:
    settings = read_settings()
    engine = open_database(settings.database_url)
    host = JudgeHost(slow_judges, answer_seconds=30)
    host.start()
    print("judging", flush=True)
    run_worker(
        engine,
        isolate(slow_judges(), host),
        read_criteria(),
        settings,
        now=lambda: datetime.now(UTC),
        stop=threading.Event(),
    )


if __name__ == "__main__":
    main()
