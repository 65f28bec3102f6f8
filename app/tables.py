"""Every table, key and index. Rows do not validate: check values before they come here.

`_at` is an aware datetime in UTC, `_ns` an integer of nanoseconds since 1970. A *model* is a neural
network in this project; these are *tables*.
"""

from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Index,
    MetaData,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


EvaluationStatus = Literal["pending", "running", "scored", "abstained", "failed", "skipped"]
SpanRow = dict[str, Any]
Json = JSON().with_variant(JSONB(), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC on both databases; SQLite alone would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value.astimezone(UTC) if value is not None else None
        return value.replace(tzinfo=UTC)


class Table(SQLModel):
    """The base of all tables, with names for every constraint so that migrations can name them."""

    metadata = MetaData(naming_convention=NAMING)


def _at(*, nullable: bool = False, index: bool = False) -> Any:
    default = None if nullable else ...
    return Field(default, sa_type=UtcDateTime, nullable=nullable, index=index)


def _json(default: Any = dict) -> Any:
    return Field(default_factory=default, sa_column=Column(Json, nullable=False))


def _text(default: Any = "") -> Any:
    return Field(default, sa_type=Text)


def _ns(default: Any = 0, *, nullable: bool = False) -> Any:
    return Field(default, sa_type=BigInteger, nullable=nullable)


class Trace(Table, table=True):
    """A trace as seen so far, and whether its interactions must be assembled anew."""

    project: str = Field(primary_key=True)
    trace_id: str = Field(primary_key=True)
    application: str = ""
    first_seen_at: datetime = _at()
    last_seen_at: datetime = _at()
    pending_since_at: datetime | None = _at(nullable=True, index=True)
    """When the first span arrived that has not been assembled; None when all are."""


class Span(Table, table=True):
    """One span with its raw attributes, so that extraction can be run again."""

    project: str = Field(primary_key=True)
    trace_id: str = Field(primary_key=True)
    span_id: str = Field(primary_key=True)
    parent_span_id: str | None = None
    name: str = _text()
    kind: int = 0
    start_ns: int = _ns()
    end_ns: int = _ns()
    status_code: int = 0
    status_message: str = _text()
    attributes: dict[str, Any] = _json()
    events: list[dict[str, Any]] = _json(list)
    links: list[dict[str, Any]] = _json(list)
    resource: dict[str, Any] = _json()
    scope: str = _text()
    content_hash: str
    received_at: datetime = _at()


class LogRecord(Table, table=True):
    """An OTLP log record that belongs to a span, as some instrumentations send words apart."""

    __tablename__ = "log_record"

    project: str = Field(primary_key=True)
    trace_id: str = Field(primary_key=True)
    span_id: str = Field(primary_key=True)
    content_hash: str = Field(primary_key=True)
    event_name: str = _text()
    time_ns: int = _ns()
    body: Any = Field(default=None, sa_column=Column(Json, nullable=True))
    attributes: dict[str, Any] = _json()
    resource: dict[str, Any] = _json()
    received_at: datetime = _at()


class Interaction(Table, table=True):
    """One prompt, its contexts and its response: the unit of judgement."""

    __table_args__ = (
        UniqueConstraint("project", "trace_id", "span_id"),
        Index(None, "project", "started_at", "id"),
        Index(None, "project", "application", "started_at"),
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
    prompt: str = _text()
    response: str = _text()
    contexts: list[str] = _json(list)
    content_hash: str
    segments: dict[str, str] = _json()
    provenance: dict[str, Any] = _json()
    """Per extracted field: the convention, the attribute and the span it was read from."""
    duration_ns: int | None = _ns(None, nullable=True)
    input_tokens: int | None = None
    output_tokens: int | None = None
    finish_reason: str | None = None
    error: str | None = Field(default=None, sa_type=Text)
    started_at: datetime = _at()
    received_at: datetime = _at()


class Evaluation(Table, table=True):
    """An evaluator's work item and verdict on one interaction."""

    __table_args__ = (
        UniqueConstraint("interaction_id", "evaluator", "version"),
        Index(None, "status", "lease_until_at", "id"),
        Index(None, "project", "criterion", "status"),
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
    evidence: list[dict[str, Any]] = _json(list)
    error_type: str | None = None
    attempts: int = 0
    lease_until_at: datetime | None = _at(nullable=True)
    lease_token: str | None = None
    """Fences the verdict: only the holder of the current token may record."""
    weights_digest: str | None = Field(default=None, sa_type=Text)
    calibration: str | None = None
    seconds: float | None = None
    created_at: datetime = _at()
    finished_at: datetime | None = _at(nullable=True)


class Rollup(Table, table=True):
    """Counts of one hour, application, evaluator and segment; `segment_key` "" means everything."""

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
    histogram: list[int] = _json(list)
    """How many scores lie in each of 20 equal bins of [0, 1]; the last bin holds 1.0."""


class Annotation(Table, table=True):
    """One reviewer's label. Rows are added, never changed: a correction replaces an earlier row."""

    __table_args__ = (Index(None, "project", "interaction_id"),)

    id: int | None = Field(default=None, primary_key=True)
    project: str
    interaction_id: str = Field(foreign_key="interaction.id", index=True)
    criterion: str
    reviewer: str
    blind_label: str | None = None
    """What the reviewer chose before seeing any score; None when the scores were in view."""
    final_label: str
    comment: str | None = Field(default=None, sa_type=Text)
    corrected_response: str | None = Field(default=None, sa_type=Text)
    stratum: str | None = None
    inclusion_probability: float | None = None
    """How likely the sampling plan was to choose this interaction; None for a free choice."""
    guideline_version: str
    queue_id: int | None = Field(default=None, foreign_key="review_queue.id")
    replaces_id: int | None = Field(default=None, foreign_key="annotation.id")
    idempotency_key: str = Field(unique=True)
    seconds: float | None = None
    created_at: datetime = _at()


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
    content_hash: str = Field(unique=True)
    received_at: datetime = _at()


class ReviewQueue(Table, table=True):
    """A sample of interactions that reviewers are asked to label."""

    __tablename__ = "review_queue"
    __table_args__ = (UniqueConstraint("project", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    project: str
    name: str
    criteria: list[str] = _json(list)
    filters: dict[str, Any] = _json()
    created_by: str
    created_at: datetime = _at()


class ReviewItem(Table, table=True):
    """One interaction in a queue, with the probability it was chosen with, and who holds it."""

    __tablename__ = "review_item"
    __table_args__ = (UniqueConstraint("queue_id", "interaction_id"),)

    id: int | None = Field(default=None, primary_key=True)
    queue_id: int = Field(foreign_key="review_queue.id")
    interaction_id: str = Field(foreign_key="interaction.id")
    position: int
    stratum: str
    inclusion_probability: float
    done_at: datetime | None = _at(nullable=True)
    lease_reviewer: str | None = None
    lease_until_at: datetime | None = _at(nullable=True)


class Reviewer(Table, table=True):
    """A person who may sign in; the role is reviewer, lead or admin."""

    id: int | None = Field(default=None, primary_key=True)
    project: str
    name: str = Field(unique=True)
    role: str = "reviewer"
    password_hash: str | None = None
    created_at: datetime = _at()
    disabled_at: datetime | None = _at(nullable=True)


class SignIn(Table, table=True):
    """A one-time link or a session, by the digest of its token."""

    __tablename__ = "sign_in"

    token_hash: str = Field(primary_key=True)
    kind: str
    """`link` or `session`."""
    reviewer_id: int = Field(foreign_key="reviewer.id", index=True)
    created_at: datetime = _at()
    expires_at: datetime = _at()


class ApiKey(Table, table=True):
    """A key of one project, by the digest of its secret; the secret is shown once."""

    __tablename__ = "api_key"

    key_id: str = Field(primary_key=True)
    project: str
    name: str
    secret_hash: str
    scopes: list[str] = _json(list)
    created_at: datetime = _at()
    expires_at: datetime | None = _at(nullable=True)
    revoked_at: datetime | None = _at(nullable=True)


class Report(Table, table=True):
    """A weekly report as issued; a change makes a new revision, never a silent edit."""

    __table_args__ = (UniqueConstraint("project", "application", "week", "revision"),)

    id: int | None = Field(default=None, primary_key=True)
    project: str
    application: str = ""
    """Empty for all applications together."""
    week: str
    revision: int = 1
    body: dict[str, Any] = _json()
    sha256: str
    created_at: datetime = _at()


class Heartbeat(Table, table=True):
    """When each worker was last seen."""

    worker: str = Field(primary_key=True)
    seen_at: datetime = _at()
    evaluators: list[str] = _json(list)
    """`name@version` of the evaluators it has loaded."""
