"""Durable spans a second: an OTLP load generator against a server that must not lose any."""

import http.client
import json
import os
import sqlite3
import tempfile
import threading
import time
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.workload import realistic_samples
from benchmarks.serving import serving
from benchmarks.tables import Section
from benchmarks.timing import Spread
from evaluators.protocol import Sample

LOADS = ((1, 1), (60, 1), (60, 4), (512, 1), (512, 4))
"""Spans a request, and connections that send at the same time."""
SPANS_PER_TRACE = 3
ATTRIBUTES_PER_TRACE_BYTES = 17_000
MARK_BYTES = 6
"""Of every id, what one request has for itself: peers take a span id of another trace as known."""
HEADERS = {"Content-Type": "application/x-protobuf"}


class Batch:
    """A request of spans that can be sent again and again under other ids."""

    def __init__(self, spans: int) -> None:
        self.spans = spans
        self._mark = os.urandom(MARK_BYTES)
        samples = realistic_samples(-(-spans // SPANS_PER_TRACE))
        made = [span for n, one in enumerate(samples) for span in _trace(self._mark, n, one)]
        export = ExportTraceServiceRequest()
        group = export.resource_spans.add()
        _put(group.resource.attributes.add(), "service.name", "load")
        group.scope_spans.add().spans.extend(made[:spans])
        self._body = export.SerializeToString()

    def __len__(self) -> int:
        return len(self._body)

    def fresh(self) -> bytes:
        """The request under ids of traces and spans that were never sent."""
        return self._body.replace(self._mark, os.urandom(MARK_BYTES))


def receiving_section(*, quick: bool) -> Section:
    """A row per batch size and number of connections."""
    section = Section(
        "OTLP ingestion into SQLite, acknowledged = on disk",
        ("spans a request × connections", "spans a second", "MB a second", "p50 ms", "p95 ms"),
    )
    seconds, rounds = (2.0, 1) if quick else (4.0, 3)
    for spans, connections in LOADS:
        section.rows.append(_row(spans, connections, seconds, rounds))
    section.rows.append(
        ("disk per trace of 3 spans", f"{_disk_per_trace():,.0f} bytes", "", "", "")
    )
    section.notes = [
        f"A trace has {SPANS_PER_TRACE} spans with {ATTRIBUTES_PER_TRACE_BYTES // 1000} kB of "
        "attributes. The generator runs on the same cores as the server, `serve --no-worker`. "
        "After each load the spans on disk were counted: none was missing."
    ]
    return section


def _row(spans: int, connections: int, seconds: float, rounds: int) -> tuple[str, ...]:
    rates, taken, size = [], [], len(Batch(spans))
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "bench.db"
        with serving(database, "--no-worker") as server:
            sent = 0
            for _ in range(rounds):
                load = Load(server.port, "/v1/traces", spans, connections)
                rates.append(load.run(seconds))
                taken += load.taken
                sent += load.acknowledged
        stored = sqlite3.connect(database).execute("SELECT count(*) FROM span").fetchone()[0]
    if stored != sent:
        raise RuntimeError(f"{sent} spans were acknowledged, but {stored} are on disk")
    rate = Spread.of(rates)
    ordered = sorted(taken)
    middle, late = ordered[len(ordered) // 2], ordered[int(0.95 * len(ordered))]
    return (
        f"{spans} × {connections}",
        f"{rate}",
        f"{rate.median / spans * size / 1e6:.1f}",
        f"{1000 * middle:.0f}",
        f"{1000 * late:.0f}",
    )


class Load:
    """Connections that each send one request after the other for some seconds."""

    def __init__(self, port: int, path: str, spans: int, connections: int) -> None:
        self.acknowledged = 0
        self.taken: list[float] = []
        self.headers = dict(HEADERS)
        self._port, self._path, self._connections = port, path, connections
        self._batch = Batch(spans)
        self._lock = threading.Lock()

    def run(self, seconds: float) -> float:
        """Acknowledged spans a second."""
        started = time.perf_counter()
        works = [
            threading.Thread(target=self._send_until, args=(started + seconds,))
            for _ in range(self._connections)
        ]
        for work in works:
            work.start()
        for work in works:
            work.join()
        return self.acknowledged / (time.perf_counter() - started)

    def _send_until(self, end: float) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        while (started := time.perf_counter()) < end:
            connection.request("POST", self._path, self._batch.fresh(), self.headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status == 503:
                continue
            if answer.status != 200:
                raise RuntimeError(f"the server answered {answer.status}")
            with self._lock:
                self.acknowledged += self._batch.spans
                self.taken.append(time.perf_counter() - started)
        connection.close()


def _disk_per_trace(traces: int = 2000) -> float:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "bench.db"
        with serving(database, "--no-worker") as server:
            before = _size(database)
            batch = Batch(30)
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
            for _ in range(traces // 10):
                connection.request("POST", "/v1/traces", batch.fresh(), HEADERS)
                connection.getresponse().read()
            connection.close()
        return (_size(database) - before) / traces


def _size(database: Path) -> int:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return database.stat().st_size


def _trace(mark: bytes, number: int, sample: Sample) -> list[Span]:
    """A root span, a retrieval and the call of a model, in OpenTelemetry's own conventions."""
    documents = [{"id": str(n), "content": text} for n, text in enumerate(sample.contexts)]
    asked = [{"role": "user", "parts": [{"type": "text", "content": sample.prompt}]}]
    grounds = "\n\n".join(sample.contexts)
    told = [{"role": "system", "parts": [{"type": "text", "content": grounds}]}, *asked]
    said = [{"role": "assistant", "parts": [{"type": "text", "content": sample.response}]}]
    padding = "x" * max(0, ATTRIBUTES_PER_TRACE_BYTES - 2 * len(grounds) - 3 * len(sample.response))
    attributes: tuple[dict[str, str], ...] = (
        {"input.value": sample.prompt, "output.value": sample.response, "session.id": f"{number}"},
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.result": json.dumps(documents)},
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "small",
            "gen_ai.input.messages": json.dumps(told),
            "gen_ai.output.messages": json.dumps(said),
            "http.request.body": padding,
        },
    )
    return [_span(mark, number, place, own) for place, own in enumerate(attributes)]


def _span(mark: bytes, number: int, place: int, attributes: dict[str, str]) -> Span:
    start = 1_790_000_000_000_000_000 + place
    span = Span(name=f"step {place}", start_time_unix_nano=start)
    span.end_time_unix_nano = start + 1_000_000_000
    span.trace_id = mark + number.to_bytes(16 - MARK_BYTES, "big")
    span.span_id = _span_id(mark, number, place)
    if place:
        span.parent_span_id = _span_id(mark, number, 0)
    for name, value in attributes.items():
        _put(span.attributes.add(), name, value)
    return span


def _span_id(mark: bytes, number: int, place: int) -> bytes:
    return mark + (SPANS_PER_TRACE * number + place).to_bytes(8 - MARK_BYTES, "big")


def _put(attribute: KeyValue, name: str, value: str) -> None:
    attribute.key, attribute.value.string_value = name, value
