"""Sends the traffic as a developer's application would: with the OpenTelemetry SDK, over OTLP."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import INVALID_SPAN, Status, StatusCode, Tracer, set_span_in_context

from app.demo.server import DemoFailed
from app.demo.spans import DemoSpan, spans_of_interaction
from app.demo.traffic import DemoInteraction

SPANS_EACH = 3
ATTEMPTS = 3
INTERACTIONS_PER_FLUSH = 60
"""Flushed this often, the queue of the SDK never fills, and a full queue drops spans silently."""


@dataclass(slots=True)
class PlannedIds(IdGenerator):
    """Gives the next spans the ids that were planned for them, so that sending is repeatable."""

    trace_id: int = 0
    span_ids: list[int] = field(default_factory=list)

    def plan(self, one: DemoInteraction) -> None:
        """The next trace is this interaction's."""
        self.trace_id = one.trace_id
        self.span_ids = list(one.span_ids)

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_ids.pop(0)


class CountedExporter(SpanExporter):
    """Passes spans on, again if need be, and counts those that the receiver acknowledged."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self.acknowledged = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for _ in range(ATTEMPTS):
            # The ids are planned, so a batch that arrived after all is not stored twice.
            if self._inner.export(spans) is SpanExportResult.SUCCESS:
                self.acknowledged += len(spans)
                return SpanExportResult.SUCCESS
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


@dataclass(frozen=True, slots=True)
class Source:
    """One application in one release, instrumented."""

    provider: TracerProvider
    exporter: CountedExporter

    @property
    def tracer(self) -> Tracer:
        return self.provider.get_tracer("touchstone.demo", "1")


def send(
    traffic: Sequence[DemoInteraction],
    exporter_for: Callable[[], SpanExporter],
    *,
    sent: Callable[[int], None] = lambda number: None,
) -> int:
    """The number of spans acknowledged, which is all of them; otherwise raises DemoFailed.

    `sent` is called with the number of interactions after each flush.
    """
    ids = PlannedIds()
    sources: dict[tuple[str, str], Source] = {}
    remaining = iter(traffic)
    while chunk := list(islice(remaining, INTERACTIONS_PER_FLUSH)):
        for one in chunk:
            key = one.application, one.release
            if key not in sources:
                sources[key] = _source(one, ids, exporter_for())
            ids.plan(one)
            _record(sources[key].tracer, spans_of_interaction(one))
        for source in sources.values():
            source.provider.force_flush()
        sent(len(chunk))
    for source in sources.values():
        source.provider.shutdown()
    return _acknowledged(sources, SPANS_EACH * len(traffic))


def otlp_exporter(address: str) -> SpanExporter:
    """An OTLP/HTTP exporter for a server on this machine, past any proxy."""
    session = requests.Session()
    session.trust_env = False
    return OTLPSpanExporter(endpoint=f"{address}/v1/traces", session=session, timeout=30)


def _source(one: DemoInteraction, ids: PlannedIds, exporter: SpanExporter) -> Source:
    attributes = {"service.name": one.application, "service.version": one.release}
    counted = CountedExporter(exporter)
    provider = TracerProvider(
        resource=Resource.create(attributes),
        id_generator=ids,
        sampler=ALWAYS_ON,
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(counted))
    return Source(provider, counted)


def _record(tracer: Tracer, spans: Sequence[DemoSpan]) -> None:
    first, *children = spans
    root = tracer.start_span(
        first.name,
        context=set_span_in_context(INVALID_SPAN),
        attributes=dict(first.attributes),
        start_time=first.start_ns,
    )
    for child in children:
        _record_child(tracer, child, root_context=set_span_in_context(root))
    root.end(first.end_ns)


def _record_child(tracer: Tracer, planned: DemoSpan, *, root_context: Context) -> None:
    span = tracer.start_span(
        planned.name,
        context=root_context,
        attributes=dict(planned.attributes),
        start_time=planned.start_ns,
    )
    for event in planned.events:
        span.add_event(event.name, dict(event.attributes), timestamp=event.at_ns)
    if planned.error is not None:
        span.set_status(Status(StatusCode.ERROR, planned.error))
    span.end(planned.end_ns)


def _acknowledged(sources: Mapping[tuple[str, str], Source], expected: int) -> int:
    acknowledged = sum(source.exporter.acknowledged for source in sources.values())
    if acknowledged != expected:
        raise DemoFailed(f"the server acknowledged {acknowledged} of {expected} spans")
    return acknowledged
