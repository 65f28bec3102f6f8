"""Every table, key and index. Rows do not validate: check values before they come here.

`_at` is an aware datetime in UTC, `_ns` an integer of nanoseconds since 1970. A *model* is a neural
network in this project; these are *tables*.
"""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Index, Text, UniqueConstraint, text
from sqlmodel import Field

from app.audit_table import AuditEntry
from app.columns import Json, Table, UtcDateTime, at_column, json_column, ns_column, text_column
from app.review_tables import (
    Adjudication,
    Annotation,
    Preference,
    Reviewer,
    ReviewItem,
    ReviewQueue,
    ReviewTurn,
    SavedView,
    SignIn,
)

__all__ = [
    "Adjudication",
    "Annotation",
    "ApiKey",
    "AuditEntry",
    "ErasedTrace",
    "Evaluation",
    "EvaluationStatus",
    "ExtractionTally",
    "Feedback",
    "Heartbeat",
    "Interaction",
    "LogEntry",
    "Preference",
    "Report",
    "ReviewItem",
    "ReviewQueue",
    "ReviewTurn",
    "Reviewer",
    "Rollup",
    "SavedView",
    "SignIn",
    "SpanChunk",
    "SpanEntry",
    "Trace",
]

EvaluationStatus = Literal["pending", "running", "scored", "abstained", "failed", "skipped"]


class Trace(Table, table=True):
    """A trace as seen so far, and whether its interactions must be assembled anew."""

    __table_args__ = (
        Index(
            "ix_trace_pending",
            "pending_since_at",
            sqlite_where=text("pending_since_at IS NOT NULL"),
            postgresql_where=text("pending_since_at IS NOT NULL"),
        ),
        Index(
            "ix_trace_empty",
            "project",
            "last_seen_at",
            sqlite_where=text("interaction_count = 0"),
            postgresql_where=text("interaction_count = 0"),
        ),
    )

    project: str = Field(primary_key=True)
    trace_id: str = Field(primary_key=True)
    application: str = ""
    first_seen_at: datetime = at_column()
    last_seen_at: datetime = at_column()
    pending_since_at: datetime | None = at_column(nullable=True)
    """When the first span arrived that has not been assembled; None when all are."""
    span_count: int = 0
    unmapped_count: int = 0
    """How many of its spans no convention says anything about."""
    interaction_count: int = 0
    extractor: str = ""
    """The version of the extraction that assembled it; empty before that."""
    tallied_at: datetime | None = at_column(nullable=True)
    tallied_as: str = ""
    """The day and the application of the tally that counts it."""


class ExtractionTally(Table, table=True):
    """What was found in an application's traces that were first seen on one day."""

    __tablename__ = "extraction_tally"

    project: str = Field(primary_key=True)
    application: str = Field(primary_key=True)
    day_at: datetime = Field(sa_type=UtcDateTime, primary_key=True)
    traces: int = 0
    empty_traces: int = 0
    """Traces in which no span holds both a prompt and a response."""
    spans: int = 0
    unmapped: int = 0


class SpanEntry(Table, table=True):
    """One span's identity, how full its kept copy is, and which chunk holds that copy."""

    __tablename__ = "span"
    __table_args__ = ({"sqlite_with_rowid": False},)

    project: str = Field(primary_key=True)
    trace_id: str = Field(primary_key=True)
    span_id: str = Field(primary_key=True)
    start_ns: int = ns_column()
    end_ns: int = ns_column()
    detail: int = 0
    """How many attributes, events and links the copy has."""
    content_hash: bytes
    chunk: bytes
    conflicts: int = 0
    """How many other copies came that differ and are not fuller; they are not kept."""


class SpanChunk(Table, table=True):
    """The spans of one trace that came in one request, as the OTLP message that they are."""

    __tablename__ = "span_chunk"

    project: str = Field(primary_key=True)
    trace_id: str = Field(primary_key=True)
    digest: bytes = Field(primary_key=True)
    content: bytes
    """A packed ExportTraceServiceRequest, so that extraction can be run again on all of it."""
    received_at: datetime = at_column()


class LogEntry(Table, table=True):
    """An OTLP log record that belongs to a span, as some instrumentations send words apart."""

    __tablename__ = "log_record"

    project: str = Field(primary_key=True)
    trace_id: str = Field(primary_key=True)
    span_id: str = Field(primary_key=True)
    content_hash: bytes = Field(primary_key=True)
    content: bytes
    """A packed ExportLogsServiceRequest that holds this record alone."""
    received_at: datetime = at_column()


class Interaction(Table, table=True):
    """One prompt, its contexts and its response: the unit of judgement."""

    __table_args__ = (
        UniqueConstraint("project", "trace_id", "span_id"),
        Index(None, "project", "started_at", "id", "received_at"),
        Index(None, "project", "application", "started_at", "received_at"),
        Index(None, "project", "conversation_id"),
    )

    id: str = Field(primary_key=True)
    """The first 32 hexadecimal digits of sha256 over project, trace_id and span_id."""
    project: str
    trace_id: str
    span_id: str
    application: str
    model: str | None = None
    conversation_id: str | None = None
    user_hash: str | None = None
    system_prompt: str | None = Field(default=None, sa_type=Text)
    prompt: str = text_column()
    response: str = text_column()
    contexts: list[str] = json_column(list)
    content_hash: str
    segments: dict[str, str] = json_column()
    provenance: dict[str, Any] = json_column()
    """Per extracted field: the convention, the attribute and the span it was read from."""
    duration_ns: int | None = ns_column(None, nullable=True)
    input_tokens: int | None = None
    output_tokens: int | None = None
    finish_reason: str | None = None
    error: str | None = Field(default=None, sa_type=Text)
    started_at: datetime = at_column()
    received_at: datetime = at_column()
    erased_at: datetime | None = at_column(nullable=True)
    """When its words were erased; the row stays for the labels on it."""


class Evaluation(Table, table=True):
    """An evaluator's work item and verdict on one interaction."""

    __table_args__ = (
        UniqueConstraint("interaction_id", "evaluator", "version"),
        Index(None, "status", "lease_until_at", "id"),
        Index(None, "project", "label", "started_at", "interaction_id"),
        Index(
            "ix_evaluation_unscored",
            *("project", "status", "started_at", "interaction_id", "criterion", "created_at"),
            sqlite_where=text("status <> 'scored'"),
            postgresql_where=text("status <> 'scored'"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    project: str
    interaction_id: str = Field(foreign_key="interaction.id")
    criterion: str
    evaluator: str
    version: str
    input_hash: str
    status: str = "pending"
    score: float | None = None
    label: str | None = None
    passed: bool | None = None
    threshold: float | None = None
    explanation: str | None = Field(default=None, sa_type=Text)
    """Why it was scored so, why it abstained, or what went wrong: a sentence for people."""
    evidence: list[dict[str, Any]] = json_column(list)
    error_type: str | None = None
    attempts: int = 0
    lease_until_at: datetime | None = at_column(nullable=True)
    lease_token: str | None = None
    """Fences the verdict: only the holder of the current token may record."""
    weights_digest: str | None = Field(default=None, sa_type=Text)
    calibration: str | None = None
    precision: str | None = None
    """What the evaluator computed in, such as `int8`; null where it did not tell."""
    backend: str | None = None
    """The library that computed, its version, and the kind of device."""
    seconds: float | None = None
    started_at: datetime = at_column()
    """When its interaction started, so that lists of verdicts need no look at the interactions."""
    created_at: datetime = at_column()
    finished_at: datetime | None = at_column(nullable=True)


class Counts(Table):
    """What a rollup holds per application, evaluator and segment; the key "" means everything."""

    project: str = Field(primary_key=True)
    bucket_at: datetime = Field(sa_type=UtcDateTime, primary_key=True)
    application: str = Field(primary_key=True)
    criterion: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    """`evaluator@version`."""
    segment_key: str = Field(primary_key=True)
    segment_value: str = Field(primary_key=True)
    n: int = 0
    failing: int = 0
    abstained: int = 0
    failed: int = 0
    total: float = 0.0
    total_squared: float = 0.0
    histogram: list[int] = Field(default_factory=list, sa_type=Json, nullable=False)
    """How many scores lie in each of 20 equal bins of [0, 1]; the last bin holds 1.0."""


class Rollup(Counts, table=True):
    """The counts of one hour."""

    __table_args__ = (Index(None, "project", "segment_key", "criterion", "bucket_at"),)


class DailyRollup(Counts, table=True):
    """The counts of one day in UTC, which are the sums of its hours."""

    __tablename__ = "daily_rollup"
    __table_args__ = (Index(None, "project", "segment_key", "criterion", "bucket_at"),)


class Feedback(Table, table=True):
    """A thumb, a flag or a number from the end user of the chatbot."""

    __table_args__ = (Index(None, "project", "trace_id"),)

    id: int | None = Field(default=None, primary_key=True)
    project: str
    trace_id: str
    span_id: str | None = None
    name: str
    value: float | None = None
    label: str | None = None
    comment: str | None = Field(default=None, sa_type=Text)
    user_hash: str | None = None
    source: str = "user"
    """Who says so: user, or human, llm, code or other for what came inside telemetry."""
    content_hash: str = Field(unique=True)
    received_at: datetime = at_column()


class ApiKey(Table, table=True):
    """A key of one project, by the digest of its secret; the secret is shown once."""

    __tablename__ = "api_key"

    key_id: str = Field(primary_key=True)
    project: str
    name: str
    secret_hash: str
    scopes: list[str] = json_column(list)
    created_at: datetime = at_column()
    expires_at: datetime | None = at_column(nullable=True)
    revoked_at: datetime | None = at_column(nullable=True)


class Report(Table, table=True):
    """A weekly report as issued; a change makes a new revision, never a silent edit."""

    __table_args__ = (UniqueConstraint("project", "application", "week", "revision"),)

    id: int | None = Field(default=None, primary_key=True)
    project: str
    application: str = ""
    """Empty for all applications together."""
    week: str
    revision: int = 1
    body: dict[str, Any] = json_column()
    sha256: str
    created_at: datetime = at_column()


class ReportTurn(Table, table=True):
    """Who issues the report of a week by the schedule, and whether that is done."""

    __tablename__ = "report_turn"

    project: str = Field(primary_key=True)
    week: str = Field(primary_key=True)
    token: str
    lease_until_at: datetime = at_column()
    done_at: datetime | None = at_column(nullable=True)


class Study(Table, table=True):
    """What a worker found in the texts of a week: clusters of failures, drift, own checks."""

    project: str = Field(primary_key=True)
    week: str = Field(primary_key=True)
    application: str = Field("", primary_key=True)
    body: dict[str, Any] = json_column()
    created_at: datetime = at_column()


class Delivery(Table, table=True):
    """A report on its way to one channel; the row is made with the report."""

    __table_args__ = (UniqueConstraint("report_id", "channel"),)

    id: int | None = Field(default=None, primary_key=True)
    report_id: int = Field(foreign_key="report.id")
    channel: str
    """The address without its secrets."""
    status: str = "waiting"
    attempts: int = 0
    next_at: datetime = at_column()
    error: str = text_column()
    sent_at: datetime | None = at_column(nullable=True)


class Heartbeat(Table, table=True):
    """When each worker was last seen."""

    worker: str = Field(primary_key=True)
    seen_at: datetime = at_column()
    evaluators: list[str] = json_column(list)
    """`name@version` of its evaluators."""
    troubles: dict[str, str] = json_column()
    """For each evaluator that takes no work, by `name@version`, why."""


class ErasedTrace(Table, table=True):
    """A trace that was forgotten: what comes of it later, by a late retry, is not taken in."""

    __tablename__ = "erased_trace"

    project: str = Field(primary_key=True)
    trace_id: str = Field(primary_key=True)
    until_at: datetime | None = at_column(nullable=True)
    """When it may be forgotten that it was forgotten; None for never."""
