"""OTLP over HTTP: a 200 means that the spans are on disk.

Three paths per signal, each with and without a slash at the end, because senders follow no
redirect. Bodies are protobuf or JSON; answers and errors come in the encoding of the request.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response

from app.access import Caller, require
from app.answers import OTLP_PREFIXES
from app.ingest.logs import decode_logs
from app.ingest.otlp import (
    MEDIA_TYPES,
    Decoded,
    decode_traces,
    encoding_of,
    export_response,
    reply_type,
)
from app.metrics import metrics_of
from app.requests import body_of, current_time, write
from app.store.spans import Chunk, Log, Stored, store_logs, store_spans

router = APIRouter(tags=["ingest"])

Ingester = Annotated[Caller, Depends(require("ingest"))]
Body = Annotated[bytes, Depends(body_of)]
Now = Annotated[datetime, Depends(current_time)]


def receive_traces(request: Request, caller: Ingester, body: Body, now: Now) -> Response:
    """Store an `ExportTraceServiceRequest`; 200 once it is on disk, safe to send again."""
    content_type = request.headers.get("content-type")
    decoded = decode_traces(body, content_type, project=caller.project)
    stored = write(request, partial(store_spans, chunks=decoded.rows, now=now), len(body))
    return _answer(request, caller, "traces", decoded, stored)


def receive_logs(request: Request, caller: Ingester, body: Body, now: Now) -> Response:
    """Store an `ExportLogsServiceRequest`; records that belong to no span are left out."""
    content_type = request.headers.get("content-type")
    decoded = decode_logs(body, content_type, project=caller.project)
    stored = write(request, partial(store_logs, logs=decoded.rows, now=now), len(body))
    return _answer(request, caller, "logs", decoded, stored)


def receive_metrics(request: Request, caller: Ingester, body: Body) -> Response:
    """Accept an `ExportMetricsServiceRequest` and discard it, so that SDKs need no exception."""
    content_type = request.headers.get("content-type")
    encoding_of(content_type)
    content = export_response(content_type, None, "metrics")
    return Response(content, media_type=reply_type(content_type))


def _answer(
    request: Request,
    caller: Caller,
    signal: Literal["traces", "logs"],
    decoded: Decoded[Chunk] | Decoded[Log],
    stored: Stored,
) -> Response:
    """Success with what was refused, counted now that the transaction is over."""
    rejected = decoded.rejected + decoded.unassociated + stored.erased
    metrics_of(request).count(caller.project, signal, stored, rejected=rejected)
    content_type = request.headers.get("content-type")
    content = export_response(content_type, decoded, signal, erased=stored.erased)
    return Response(content, media_type=reply_type(content_type))


def _add(signal: str, endpoint: Callable[..., Any]) -> None:
    for prefix in OTLP_PREFIXES:
        path = f"{prefix.removesuffix('v1/')}v1/{signal}"
        for spelling in (path, f"{path}/"):
            router.add_api_route(
                spelling,
                endpoint,
                methods=["POST"],
                name=signal,
                include_in_schema=spelling == f"/v1/{signal}",
                openapi_extra=OTLP_BODY,
                responses={400: {"description": "A `google.rpc.Status` in the request's encoding"}},
            )


OTLP_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            MEDIA_TYPES["protobuf"]: {"schema": {"type": "string", "format": "binary"}},
            "application/json": {"schema": {"type": "object"}},
        },
    }
}

_add("traces", receive_traces)
_add("logs", receive_logs)
_add("metrics", receive_metrics)
