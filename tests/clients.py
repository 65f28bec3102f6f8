"""Applications behind keys, and bodies to send them."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import FastAPI
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import Engine

from app.criteria import Criteria
from app.database import transaction
from app.main import create_app
from app.settings import Settings
from app.store.keys import create_key
from tests.builders import FAKE_EVALUATORS

TRACE_ID = "5b8efff798038103d269b633813fc60c"
PROTOBUF = "application/x-protobuf"
JSON = "application/json"


def an_app(settings: Settings, criteria: Criteria, **changes: Any) -> FastAPI:
    """The whole application with fake evaluators; the changes replace settings."""
    return create_app(
        settings.model_copy(update=changes), evaluators=FAKE_EVALUATORS, criteria=criteria
    )


def a_key(
    engine: Engine, scopes: Sequence[str], *, now: datetime, project: str = "default"
) -> dict[str, str]:
    """The headers that present a fresh key with those scopes."""
    with transaction(engine) as session:
        key = create_key(session, project=project, name="test", scopes=scopes, now=now)
    return {"Authorization": f"Bearer {key.text}"}


def otlp_json(n: int = 1, *, bad: int = 0) -> bytes:
    """An OTLP/JSON export of `n` spans, of which the first `bad` have no valid trace id."""
    spans = [
        {
            "traceId": "00" if index < bad else TRACE_ID,
            "spanId": f"{index + 1:016x}",
            "name": "chat",
            "startTimeUnixNano": "1795435200000000000",
            "endTimeUnixNano": "1795435201000000000",
        }
        for index in range(n)
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


def otlp_protobuf(n: int = 1, *, bad: int = 0) -> bytes:
    """The same in protobuf."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for index in range(n):
        span = spans.add(name="chat", span_id=(index + 1).to_bytes(8))
        span.trace_id = b"\0" if index < bad else bytes.fromhex(TRACE_ID)
        span.start_time_unix_nano, span.end_time_unix_nano = 1795435200 * 10**9, 1795435201 * 10**9
    return request.SerializeToString()


BODIES = {PROTOBUF: otlp_protobuf, JSON: otlp_json}
