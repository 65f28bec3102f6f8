"""Decode OTLP/HTTP logs into rows: some instrumentations send the words apart from their span."""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs

from app.ingest import otlp_json, otlp_protobuf
from app.ingest.otlp import Decoded, Encoding, encoding_of
from app.ingest.otlp_protobuf import attributes_of, is_id
from app.ingest.values import clean_text
from app.packing import pack
from app.store.spans import Log


class _Placed(NamedTuple):
    record: LogRecord
    around: ResourceLogs
    application: str


def decode_logs(body: bytes, content_type: str | None, *, project: str) -> Decoded[Log]:
    """The log records of spans as rows; records of no span are counted and left out."""
    rows: list[Log] = []
    unassociated = 0
    for placed in _placed_records(_read_logs(body, encoding_of(content_type))):
        if is_id(placed.record.trace_id, 16) and is_id(placed.record.span_id, 8):
            rows.append(_log(placed, project))
        else:
            unassociated += 1
    return Decoded(rows, unassociated=unassociated)


def _read_logs(body: bytes, encoding: Encoding) -> ExportLogsServiceRequest:
    if encoding == "json":
        return otlp_json.read_logs(body)
    return otlp_protobuf.parse(ExportLogsServiceRequest, body)


def _placed_records(request: ExportLogsServiceRequest) -> Iterator[_Placed]:
    for resource_logs in request.resource_logs:
        name = attributes_of(resource_logs.resource.attributes).get("service.name")
        application = clean_text(name) if isinstance(name, str) else ""
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                yield _Placed(record, resource_logs, application)


def _log(placed: _Placed, project: str) -> Log:
    request = ExportLogsServiceRequest()
    around = request.resource_logs.add(schema_url=placed.around.schema_url)
    around.resource.CopyFrom(placed.around.resource)
    around.scope_logs.add().log_records.append(placed.record)
    raw = request.SerializeToString()
    return Log(
        project=project,
        trace_id=placed.record.trace_id.hex(),
        span_id=placed.record.span_id.hex(),
        application=placed.application,
        content_hash=hashlib.sha256(raw).digest()[:16],
        content=pack(raw),
    )
