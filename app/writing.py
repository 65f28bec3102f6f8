"""Group commit: requests that arrive together share one transaction and one flush of the disk.

One thread writes. While it commits, further work gathers; all of it goes into the next transaction.
`Writer.write` returns when the work is on disk, and not before.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from app.database import transaction
from app.errors import Busy
from app.outage import Outage

MAX_TOGETHER = 64
MAX_TOGETHER_BYTES = 16 * 1024 * 1024

Result = TypeVar("Result")


class _Job:
    """Work that waits, and later what became of it."""

    def __init__(self, work: Callable[[Session], Any], n_bytes: int) -> None:
        self.work, self.n_bytes = work, n_bytes
        self.finished = False
        self.result: Any = None
        self.error: Busy | None = None

    def finish(self, result: Any = None, error: Busy | None = None) -> None:
        self.finished, self.result, self.error = True, result, error


class Writer:
    """Runs the work of many threads in few transactions, in the order in which it came."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: deque[_Job] = deque()
        self._order = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "writer")
        self._outage = Outage("senders are asked to send again, and nothing they were told is lost")

    @property
    def is_failing(self) -> bool:
        """Whether the database refused what was last to be written."""
        return self._outage.is_on

    def write(self, work: Callable[[Session], Result], *, n_bytes: int) -> Result:
        """What `work` returns, once it is committed; raises what `work` or the commit raises."""
        job = _Job(work, n_bytes)
        with self._order:
            self._waiting.append(job)
            done = self._thread.submit(self._settle, job)
        result: Result = done.result()
        return result

    def close(self) -> None:
        """Finish what waits, then take no more."""
        self._thread.shutdown()

    def _settle(self, job: _Job) -> Any:
        """The result of the job, which an earlier turn may have brought."""
        if not job.finished:
            self._commit(self._together())
        if job.error is not None:
            raise job.error
        return job.result

    def _together(self) -> list[_Job]:
        """The jobs that wait, the oldest first, up to the limits of one transaction."""
        jobs = [self._waiting.popleft()]
        n_bytes = jobs[0].n_bytes
        while self._waiting and len(jobs) < MAX_TOGETHER:
            n_bytes += self._waiting[0].n_bytes
            if n_bytes > MAX_TOGETHER_BYTES:
                break
            jobs.append(self._waiting.popleft())
        return jobs

    def _commit(self, jobs: Sequence[_Job]) -> None:
        try:
            self._run(jobs)
        except Busy as error:
            self._outage.note(error)
            # Whoever waited meanwhile has waited long enough, too.
            for job in jobs:
                job.finish(error=error)
            while self._waiting:
                self._waiting.popleft().finish(error=error)
        except SQLAlchemyError:
            # One job's fault is its own: the first runs alone, the others in their own turns.
            self._run(jobs[:1])
        finally:
            self._waiting.extendleft(job for job in reversed(jobs[1:]) if not job.finished)

    def _run(self, jobs: Sequence[_Job]) -> None:
        with transaction(self._engine) as session:
            results = [job.work(session) for job in jobs]
        self._outage.end()
        for job, result in zip(jobs, results, strict=True):
            job.finish(result)
