"""Decode OTLP/HTTP traces into rows, and encode the replies that OTLP wants.

One bad span costs only itself: it is rejected with a reason, the others are kept. A body that
cannot be understood raises BadRequest.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from app.errors import UnsupportedMediaType
from app.ingest import otlp_json, otlp_protobuf
from app.ingest.chunks import Placed, chunk_of, placed_spans
from app.ingest.otlp_protobuf import is_id
from app.ingest.values import clean_text
from app.store.spans import Chunk, Log

Encoding = Literal["protobuf", "json"]
Signal = Literal["traces", "logs", "metrics"]
Row = TypeVar("Row", Chunk, Log)

MEDIA_TYPES: dict[Encoding, str] = {
    "protobuf": "application/x-protobuf",
    "json": "application/json",
}
MAX_MESSAGE = 2_000
BAD_TRACE_ID = "the trace id is not 16 bytes that are not all zero"
BAD_SPAN_ID = "the span id is not 8 bytes that are not all zero"
NO_IDS = "there is no trace id and no span id (were these logs? they belong to /v1/logs)"

_TRACE_ID = re.compile("(?!0{32})[0-9a-fA-F]{32}")
_SPAN_ID = re.compile("(?!0{16})[0-9a-fA-F]{16}")
_RESPONSES = {
    "traces": (ExportTraceServiceResponse, "rejected_spans", "rejectedSpans"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records", "rejectedLogRecords"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points", "rejectedDataPoints"),
}
_RPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 409: 10, 413: 8, 415: 3, 429: 8, 503: 14}


@dataclass(frozen=True, slots=True)
class Decoded(Generic[Row]):
    """What a request held: rows to store, and how many others were refused and why."""

    rows: list[Row] = field(default_factory=list)
    rejected: int = 0
    message: str = ""
    unassociated: int = 0
    """Log records of no span, which are no error and can never belong to an interaction."""


def encoding_of(content_type: str | None) -> Encoding:
    """Protobuf or JSON, whatever the case and parameters of the content type."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    for encoding, known in MEDIA_TYPES.items():
        if media_type == known:
            return encoding
    raise UnsupportedMediaType(
        f"Content-Type {content_type or ''!r} is not supported; "
        "send application/x-protobuf or application/json"
    )


def decode_traces(body: bytes, content_type: str | None, *, project: str) -> Decoded[Chunk]:
    """The spans of an ExportTraceServiceRequest, a chunk for each trace; nothing is unpacked."""
    by_trace: dict[bytes, list[Placed]] = {}
    refused: Counter[str] = Counter()
    total = 0
    for placed in placed_spans(_read_spans(body, encoding_of(content_type))):
        total += 1
        reason = _fault(placed.span)
        if reason:
            refused[reason] += 1
        else:
            by_trace.setdefault(placed.span.trace_id, []).append(placed)
    chunks = [chunk_of(project, spans) for spans in by_trace.values()]
    return Decoded(chunks, refused.total(), _message(refused, total, "spans"))


def _read_spans(body: bytes, encoding: Encoding) -> ExportTraceServiceRequest:
    if encoding == "json":
        return otlp_json.read_spans(body)
    return otlp_protobuf.parse(ExportTraceServiceRequest, body)


def _fault(span: SpanMessage) -> str | None:
    if not span.trace_id and not span.span_id:
        return NO_IDS
    if not is_id(span.trace_id, 16):
        return BAD_TRACE_ID
    return None if is_id(span.span_id, 8) else BAD_SPAN_ID


def valid_trace_id(text: str) -> bool:
    """Whether the text is 32 hexadecimal digits that are not all zero."""
    return _TRACE_ID.fullmatch(text) is not None


def valid_span_id(text: str) -> bool:
    """Whether the text is 16 hexadecimal digits that are not all zero."""
    return _SPAN_ID.fullmatch(text) is not None


def _message(refused: Counter[str], total: int, noun: str) -> str:
    if not refused:
        return ""
    reasons = "; ".join(f"{n} because {reason}" for reason, n in refused.most_common())
    return f"{refused.total()} of {total} {noun} were rejected: {reasons}"[:MAX_MESSAGE]


def reply_type(content_type: str | None) -> str:
    """The content type of a reply: that of the request, or JSON when that is unknown."""
    try:
        return MEDIA_TYPES[encoding_of(content_type)]
    except UnsupportedMediaType:
        return MEDIA_TYPES["json"]


def export_response(
    content_type: str | None,
    decoded: Decoded[Chunk] | Decoded[Log] | None,
    signal: Signal,
    *,
    erased: int = 0,
) -> bytes:
    """The body of a 200: empty, or `partial_success` when something was refused.

    `erased` rows more were refused because their traces were deleted.
    """
    kind, name, json_name = _RESPONSES[signal]
    n_rejected = (decoded.rejected if decoded else 0) + erased
    message = _with_erased(decoded.message if decoded else "", erased)
    if reply_type(content_type) == MEDIA_TYPES["json"]:
        if not message:
            return b"{}"
        told = {json_name: str(n_rejected), "errorMessage": message}
        return json.dumps({"partialSuccess": told}).encode()
    response = kind()
    if message:
        setattr(response.partial_success, name, n_rejected)
        response.partial_success.error_message = message
    return bytes(response.SerializeToString())


def _with_erased(message: str, erased: int) -> str:
    if not erased:
        return message
    reason = f"{erased} were rejected because their traces were deleted here"
    return f"{message}; {reason}"[:MAX_MESSAGE] if message else reason


def status_body(content_type: str | None, status_code: int, message: str) -> bytes:
    """A google.rpc.Status for an HTTP status code, encoded like the request."""
    code = _RPC_CODES.get(status_code, 13)
    text = clean_text(message)[:MAX_MESSAGE]
    if reply_type(content_type) == MEDIA_TYPES["json"]:
        return json.dumps({"code": code, "message": text}).encode()
    return bytes(Status(code=code, message=text).SerializeToString())
