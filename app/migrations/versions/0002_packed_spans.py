"""Spans as packed OTLP messages, and what was found in each trace."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
import zstandard
from alembic import op
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
ROWS = 500


def upgrade() -> None:
    op.rename_table("span", "span_unpacked")
    op.rename_table("log_record", "log_record_unpacked")
    _create_packed()
    _pack_spans()
    _pack_logs()
    op.drop_table("span_unpacked")
    op.drop_table("log_record_unpacked")
    _extend_trace()


def downgrade() -> None:
    """Back to the tables as they were; traces keep their interactions, spans are not unpacked."""
    with op.batch_alter_table("trace") as batch_op:
        batch_op.drop_index("ix_trace_pending")
        for name in ("span_count", "unmapped_count", "interaction_count", "extractor"):
            batch_op.drop_column(name)
        batch_op.drop_column("tallied_at")
        batch_op.create_index("ix_trace_pending_since_at", ["pending_since_at"])
    for name in ("extraction_tally", "span", "span_chunk", "log_record"):
        op.drop_table(name)
    _create_unpacked("span", "log_record")


def _key(*more: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in ("project", "trace_id", *more)]


def _create_packed() -> None:
    op.create_table(
        "span",
        *_key("span_id"),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("chunk", sa.LargeBinary(), nullable=False),
        sa.Column("conflicts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("project", "trace_id", "span_id", name="pk_span_entry"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "span_chunk",
        *_key(),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project", "trace_id", "digest", name="pk_span_chunk"),
    )
    op.create_table(
        "log_record",
        *_key("span_id"),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "project", "trace_id", "span_id", "content_hash", name="pk_log_entry"
        ),
    )
    op.create_table(
        "extraction_tally",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("application", sa.String(), nullable=False),
        sa.Column("day_at", sa.DateTime(timezone=True), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("traces", "empty_traces", "spans", "unmapped")
        ),
        sa.PrimaryKeyConstraint("project", "application", "day_at", name="pk_extraction_tally"),
    )


def _extend_trace() -> None:
    with op.batch_alter_table("trace") as batch_op:
        for name in ("span_count", "unmapped_count", "interaction_count"):
            batch_op.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("extractor", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("tallied_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.drop_index("ix_trace_pending_since_at")
    pending = sa.text("pending_since_at IS NOT NULL")
    op.create_index(
        "ix_trace_pending",
        "trace",
        ["pending_since_at"],
        sqlite_where=pending,
        postgresql_where=pending,
    )


def _create_unpacked(span: str, log_record: str) -> None:
    op.create_table(
        span,
        *_key("span_id"),
        sa.Column("parent_span_id", sa.String(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=False),
        sa.Column("status_message", sa.Text(), nullable=False),
        *(
            sa.Column(name, JSON, nullable=False)
            for name in ("attributes", "events", "links", "resource")
        ),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project", "trace_id", "span_id", name="pk_span"),
    )
    op.create_table(
        log_record,
        *_key("span_id", "content_hash"),
        sa.Column("event_name", sa.Text(), nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("body", JSON, nullable=True),
        sa.Column("attributes", JSON, nullable=False),
        sa.Column("resource", JSON, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "project", "trace_id", "span_id", "content_hash", name="pk_log_record"
        ),
    )


def _rows(table: str) -> Iterable[dict[str, Any]]:
    """The rows of a table a few at a time, so that any number of them fits into memory."""
    order = "project, trace_id, span_id"
    start = 0
    while True:
        query = sa.text(f"SELECT * FROM {table} ORDER BY {order} LIMIT {ROWS} OFFSET {start}")
        rows = op.get_bind().execute(query).mappings().all()
        yield from (dict(row) for row in rows)
        start += ROWS
        if len(rows) < ROWS:
            return


def _pack_spans() -> None:
    connection = op.get_bind()
    entries, chunks = _table("span"), _table("span_chunk")
    for row in _rows("span_unpacked"):
        raw = _span_request(row).SerializeToString()
        digest = hashlib.sha256(raw).digest()[:16]
        key = {name: row[name] for name in ("project", "trace_id")}
        size = sum(len(_held(row[name])) for name in ("attributes", "events", "links"))
        times = {name: row[name] for name in ("span_id", "start_ns", "end_ns")}
        entry = {**key, **times, "detail": size, "content_hash": digest, "chunk": digest}
        connection.execute(entries.insert(), {**entry, "conflicts": 0})
        content = zstandard.compress(raw)
        received = {"digest": digest, "content": content, "received_at": row["received_at"]}
        connection.execute(chunks.insert(), {**key, **received})


def _pack_logs() -> None:
    connection = op.get_bind()
    for row in _rows("log_record_unpacked"):
        raw = _log_request(row).SerializeToString()
        key = {name: row[name] for name in ("project", "trace_id", "span_id", "received_at")}
        digest = hashlib.sha256(raw).digest()[:16]
        packed = {"content_hash": digest, "content": zstandard.compress(raw)}
        connection.execute(_table("log_record").insert(), {**key, **packed})


def _table(name: str) -> sa.TableClause:
    columns = {
        "span": "project trace_id span_id start_ns end_ns detail content_hash chunk conflicts",
        "span_chunk": "project trace_id digest content received_at",
        "log_record": "project trace_id span_id content_hash content received_at",
    }
    return sa.table(name, *(sa.column(one) for one in columns[name].split()))


def _held(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _span_request(row: dict[str, Any]) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    around = request.resource_spans.add()
    around.resource.attributes.extend(_pairs(_held(row["resource"])))
    scoped = around.scope_spans.add()
    scoped.scope.name = row["scope"]
    span = scoped.spans.add(
        trace_id=bytes.fromhex(row["trace_id"]),
        span_id=bytes.fromhex(row["span_id"]),
        parent_span_id=bytes.fromhex(row["parent_span_id"] or ""),
        name=row["name"],
        kind=row["kind"],
        start_time_unix_nano=row["start_ns"],
        end_time_unix_nano=row["end_ns"],
        attributes=_pairs(_held(row["attributes"])),
    )
    span.status.code, span.status.message = row["status_code"], row["status_message"]
    for event in _held(row["events"]):
        attributes = _pairs(event["attributes"])
        span.events.add(name=event["name"], time_unix_nano=event["time_ns"], attributes=attributes)
    for link in _held(row["links"]):
        ids = {name: bytes.fromhex(link[name]) for name in ("trace_id", "span_id")}
        span.links.add(**ids, attributes=_pairs(link["attributes"]))
    return request


def _log_request(row: dict[str, Any]) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    around = request.resource_logs.add()
    around.resource.attributes.extend(_pairs(_held(row["resource"])))
    around.scope_logs.add().log_records.add(
        trace_id=bytes.fromhex(row["trace_id"]),
        span_id=bytes.fromhex(row["span_id"]),
        event_name=row["event_name"],
        time_unix_nano=row["time_ns"],
        body=_any_value(_held(row["body"])),
        attributes=_pairs(_held(row["attributes"])),
    )
    return request


def _pairs(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any_value(value)) for key, value in values.items()]


def _any_value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[_any_value(item) for item in value]))
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=_pairs(value)))
    return AnyValue()
