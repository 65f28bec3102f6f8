"""Chunks: the spans of one trace that came together, kept as the OTLP message that they are.

Together, because spans of one trace repeat each other's words and so pack to half the size. Nothing
is decoded on the way to the disk: a span is copied as bytes and read when its trace is assembled.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from app.ingest.otlp_protobuf import attributes_of, parse, spans_in
from app.ingest.telemetry import Span
from app.ingest.values import clean_ns, clean_text
from app.packing import pack, unpack
from app.store.spans import Chunk, Entry
from app.tables import SpanChunk

DIGEST_BYTES = 16
_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS, _HEAD, _SCHEMA_URL = 1, 2, 2, 1, 3


class Around(NamedTuple):
    """What stands around a span in a request: its resource and scope, as bytes, and who sent it."""

    resource: bytes
    scope: bytes
    application: str


class Placed(NamedTuple):
    """A span and what stands around it."""

    span: SpanMessage
    around: Around


def placed_spans(request: ExportTraceServiceRequest) -> Iterator[Placed]:
    """The spans of a request, each with what stands around it."""
    for resource_spans in request.resource_spans:
        resource = _head(resource_spans.resource.SerializeToString(), resource_spans)
        application = application_of(resource_spans)
        for scope_spans in resource_spans.scope_spans:
            scope = _head(scope_spans.scope.SerializeToString(), scope_spans)
            around = Around(resource, scope, application)
            for span in scope_spans.spans:
                yield Placed(span, around)


def application_of(resource_spans: ResourceSpans) -> str:
    """The name of the service, or an empty text."""
    name = attributes_of(resource_spans.resource.attributes).get("service.name")
    return clean_text(name) if isinstance(name, str) else ""


def chunk_of(project: str, placed: Iterable[Placed]) -> Chunk:
    """The chunk that holds these spans of one trace; of two copies of a span the fuller is kept."""
    fullest: dict[bytes, tuple[Placed, Entry]] = {}
    serialized: dict[bytes, bytes] = {}
    received = 0
    for one in placed:
        received += 1
        raw = one.span.SerializeToString()
        entry = _entry(one.span, raw)
        known = fullest.get(one.span.span_id)
        if known is None or entry.fullness >= known[1].fullness:
            fullest[one.span.span_id] = one, entry
            serialized[one.span.span_id] = raw
    entries = [entry for _, entry in fullest.values()]
    spans = [one for one, _ in fullest.values()]
    return Chunk(
        project=project,
        trace_id=spans[0].span.trace_id.hex(),
        application=next((one.around.application for one in spans if one.around.application), ""),
        digest=_digest(b"".join(entry.content_hash for entry in entries)),
        content=pack(_message(spans, list(serialized.values()))),
        entries=entries,
        received=received,
    )


def spans_of_chunk(chunk: SpanChunk | Chunk, project: str, received_at: datetime) -> Iterator[Span]:
    """The spans that a chunk holds."""
    request = parse(ExportTraceServiceRequest, unpack(chunk.content))
    return spans_in(request, project=project, received_at=received_at)


def _entry(span: SpanMessage, raw: bytes) -> Entry:
    return Entry(
        span_id=span.span_id.hex(),
        start_ns=clean_ns(span.start_time_unix_nano),
        end_ns=clean_ns(span.end_time_unix_nano),
        detail=len(span.attributes) + len(span.events) + len(span.links),
        content_hash=_digest(raw),
    )


def _message(spans: Sequence[Placed], serialized: Sequence[bytes]) -> bytes:
    """An ExportTraceServiceRequest made of parts that are serialized already."""
    groups: dict[tuple[bytes, bytes], list[bytes]] = {}
    for one, raw in zip(spans, serialized, strict=True):
        groups.setdefault((one.around.resource, one.around.scope), []).append(raw)
    out = []
    for (resource, scope), members in groups.items():
        body = scope + b"".join(_field(_SPANS, raw) for raw in members)
        out.append(_field(_RESOURCE_SPANS, resource + _field(_SCOPE_SPANS, body)))
    return b"".join(out)


def _head(head: bytes, envelope: ResourceSpans | ScopeSpans) -> bytes:
    url = envelope.schema_url.encode()
    return _field(_HEAD, head) + (_field(_SCHEMA_URL, url) if url else b"")


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field of the protobuf wire format."""
    size = len(content)
    out = bytearray((number << 3 | 2,))
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out) + content


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:DIGEST_BYTES]
