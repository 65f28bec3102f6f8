"""Clients that number every span they send, and remember which ones were acknowledged."""

import random
import threading
import time
from collections.abc import Iterable
from contextlib import suppress

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import Engine
from sqlmodel import select

from app.database import open_database, reading
from app.ingest.stored import telemetry_of
from app.tables import SpanEntry

PROTOBUF = "application/x-protobuf"
NUMBER = "touchstone.number"


def numbered_request(numbers: Iterable[int], per_trace: int = 3) -> bytes:
    """Spans whose ids, names and attributes all say their number."""
    request = ExportTraceServiceRequest()
    around = request.resource_spans.add()
    around.resource.attributes.add(key="service.name").value.string_value = "faults"
    spans = around.scope_spans.add().spans
    for number in numbers:
        span = spans.add(name=f"span {number}", span_id=number.to_bytes(8))
        span.trace_id = (number // per_trace + 1).to_bytes(16)
        span.start_time_unix_nano = 1_795_435_200 * 10**9 + number
        span.end_time_unix_nano = span.start_time_unix_nano + 10**6
        span.attributes.add(key=NUMBER).value.int_value = number
        span.attributes.add(key="text").value.string_value = f"the words of {number} " * 40
    return request.SerializeToString()


class Senders:
    """Threads that send numbered spans to a server until they are told to stop."""

    def __init__(self, url: str, *, threads: int, batch: int) -> None:
        self._url, self._batch = url, batch
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._next = 1
        self.acked: list[range] = []
        self.statuses: dict[int, int] = {}
        self.broken = 0
        self.slowest_seconds = 0.0
        self._threads = [threading.Thread(target=self._send_all) for _ in range(threads)]

    def __enter__(self) -> "Senders":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def n_acked(self) -> int:
        with self._lock:
            return sum(map(len, self.acked))

    def _take(self) -> range:
        with self._lock:
            numbers = range(self._next, self._next + self._batch)
            self._next += self._batch
            return numbers

    def _send_all(self) -> None:
        with httpx.Client(timeout=30) as client:
            while not self._stop.is_set():
                numbers = self._take()
                started = time.monotonic()
                try:
                    answer = client.post(
                        f"{self._url}/v1/traces",
                        content=numbered_request(numbers),
                        headers={"Content-Type": PROTOBUF},
                    )
                except httpx.HTTPError:
                    self.broken += 1
                    # Spinning, eight of them would keep a server from starting again.
                    self._stop.wait(0.1)
                    continue
                self._note(numbers, answer.status_code, time.monotonic() - started)

    def _note(self, numbers: range, status: int, seconds: float) -> None:
        with self._lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1
            self.slowest_seconds = max(self.slowest_seconds, seconds)
            if status == 200:
                self.acked.append(numbers)
        if status != 200:
            self._stop.wait(0.02)


def wait_until_acked(senders: Senders, more: int, *, seconds: float = 30) -> None:
    """Return when that many spans more were acknowledged."""
    wanted = senders.n_acked + more
    deadline = time.monotonic() + seconds
    while senders.n_acked < wanted and time.monotonic() < deadline:
        time.sleep(0.01)


def random_moment(low_seconds: float, high_seconds: float, dice: random.Random) -> None:
    time.sleep(dice.uniform(low_seconds, high_seconds))


def lost_and_half(database_url: str, acked: Iterable[range]) -> tuple[int, int, int]:
    """How many acknowledged spans are missing, how many are not whole, how many are stored."""
    engine = open_database(database_url)
    try:
        with reading(engine) as session:
            entries = session.exec(select(SpanEntry.trace_id, SpanEntry.span_id)).all()
        stored = {int(span_id, 16) for _, span_id in entries}
        traces = sorted({("default", trace_id) for trace_id, _ in entries})
        half = sum(not_whole(engine, traces[n : n + 200]) for n in range(0, len(traces), 200))
    finally:
        engine.dispose()
    missing = sum(number not in stored for numbers in acked for number in numbers)
    return missing, half, len(stored)


def not_whole(engine: Engine, traces: list[tuple[str, str]]) -> int:
    """How many entries of these traces have no span, or one that does not say its number."""
    wrong = 0
    with reading(engine) as session:
        for (project, trace_id), telemetry in telemetry_of(session, traces).items():
            query = select(SpanEntry).where(
                SpanEntry.project == project, SpanEntry.trace_id == trace_id
            )
            whole = {
                span.span_id
                for span in telemetry.spans
                if span.attributes.get(NUMBER) == int(span.span_id, 16)
                and span.name == f"span {int(span.span_id, 16)}"
            }
            wrong += sum(entry.span_id not in whole for entry in session.exec(query))
    return wrong


def quietly_post(url: str, body: bytes) -> int:
    """The status of the answer, or 0 when there was none."""
    with suppress(httpx.HTTPError):
        headers = {"Content-Type": PROTOBUF}
        return httpx.post(f"{url}/v1/traces", content=body, headers=headers, timeout=30).status_code
    return 0
