"""A span and a log record as everything after the intake reads them: clean, whole, plain Python."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span with its raw attributes; times are nanoseconds since 1970, 0 where unknown."""

    trace_id: str
    span_id: str
    project: str = "default"
    parent_span_id: str | None = None
    name: str = ""
    kind: int = 0
    start_ns: int = 0
    end_ns: int = 0
    status_code: int = 0
    status_message: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    resource: dict[str, Any] = field(default_factory=dict)
    scope: str = ""
    scope_version: str = ""
    schema_url: str = ""
    trace_state: str = ""
    flags: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    """How many attributes, events and links the client itself left out, where it said so."""
    received_at: datetime = EPOCH


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """A log record that belongs to a span, as some instrumentations send words apart."""

    trace_id: str
    span_id: str
    project: str = "default"
    event_name: str = ""
    time_ns: int = 0
    body: Any = None
    attributes: dict[str, Any] = field(default_factory=dict)
    resource: dict[str, Any] = field(default_factory=dict)
    received_at: datetime = EPOCH
