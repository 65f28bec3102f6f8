"""What a span means, whatever convention it was written in: one function for each convention.

A dialect yields pieces, and never raises on what it does not know. For every field the first
dialect in the order of DIALECTS counts, so that one span may mix conventions; but words win over
data around words, and any words win over empty ones. A new convention is a new function here.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.ingest.dialects.general import opentelemetry, plain, touchstone
from app.ingest.dialects.google_adk import google_adk
from app.ingest.dialects.haystack import haystack
from app.ingest.dialects.langfuse import langfuse
from app.ingest.dialects.langsmith import langsmith
from app.ingest.dialects.mlflow import mlflow
from app.ingest.dialects.openinference import openinference, openinference_values
from app.ingest.dialects.openllmetry import openllmetry, openllmetry_entities
from app.ingest.dialects.otel_genai import otel_genai, otel_genai_events
from app.ingest.dialects.pydantic_ai import logfire, pydantic_ai, pydantic_ai_results
from app.ingest.dialects.trulens import trulens, trulens_calls
from app.ingest.dialects.vercel import vercel
from app.ingest.pieces import FIELDS, SEGMENT, Dialect, Piece
from app.ingest.telemetry import LogRecord, Span
from app.ingest.thoughts import without_thoughts
from app.ingest.values import clean_text, clean_value

DIALECTS: tuple[Dialect, ...] = (
    touchstone,
    langfuse,
    haystack,
    google_adk,
    trulens,
    openinference,
    langsmith,
    pydantic_ai_results,
    otel_genai,
    otel_genai_events,
    openllmetry,
    pydantic_ai,
    logfire,
    vercel,
    mlflow,
    opentelemetry,
    openinference_values,
    openllmetry_entities,
    trulens_calls,
    plain,
)
_NAMED = [
    (dialect.__module__.rpartition(".")[2].replace("_", "-"), dialect) for dialect in DIALECTS
]
EXTRACTOR = "14"
"""Raised whenever the same spans give other interactions; `doctor --reextract` then reads anew."""
MAX_SEGMENTS = 30
MAX_SEGMENT = 64
_ALIASES = {
    "lang": "language",
    "locale": "language",
    "group": "user_group",
    "user-group": "user_group",
    "usergroup": "user_group",
    "version": "release",
    "app_version": "release",
    "env": "environment",
    "prompt-version": "prompt_version",
    "promptversion": "prompt_version",
}
# Who and which conversation are fields of their own, and personal.
_PRIVATE = frozenset(
    {"user", "userid", "enduserid", "email", "useremail", "username", "session", "sessionid"}
    | {"thread", "threadid", "chatid", "conversationid", "requestid", "messageid", "runid"}
    | {"traceid", "spanid", "apikey", "password", "token", "secret", "ip", "clientip", "phone"}
)
# Ids and times have a value for each trace: they slice nothing.
_UNIQUE = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{20,}|[0-9a-fA-F]{16,}|[0-9]{9,}|\d{4}-\d\d-\d\dT.*"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A value of one field, and where it was found."""

    value: Any
    convention: str
    attribute: str
    span_id: str
    certain: bool = True

    @property
    def provenance(self) -> dict[str, str]:
        """Where the value was found, as it is stored and shown."""
        return {
            "convention": self.convention,
            "attribute": self.attribute,
            "span_id": self.span_id,
        }


@dataclass(frozen=True, slots=True)
class Found:
    """All that is known of one span."""

    fields: dict[str, Finding] = field(default_factory=dict)
    segments: dict[str, Finding] = field(default_factory=dict)

    def value(self, name: str) -> Any:
        """The value of the field, or None."""
        finding = self.fields.get(name)
        return finding.value if finding else None


def read_span(span: Span, logs: Sequence[LogRecord]) -> Found:
    """What all dialects together find in a span and the log records of that span."""
    found = Found()
    for name, piece in _pieces(span, logs):
        if piece.value is None or piece.value == []:
            continue
        # JSON inside strings can hold what no database stores, also in a span that is clean.
        value, attribute = clean_value(piece.value), clean_text(piece.attribute)
        if piece.field == "response" and isinstance(value, str):
            value = without_thoughts(value)
        finding = Finding(value, name, attribute, span.span_id, piece.certain)
        if piece.field.startswith(SEGMENT):
            key = clean_text(piece.field.removeprefix(SEGMENT))
            _keep_segment(found.segments, key, finding)
        elif piece.field in FIELDS and _is_better(finding, found.fields.get(piece.field)):
            found.fields[piece.field] = finding
    return found


def _pieces(span: Span, logs: Sequence[LogRecord]) -> Iterator[tuple[str, Piece]]:
    for name, dialect in _NAMED:
        for piece in dialect(span, logs):
            yield name, piece


def _is_better(new: Finding, old: Finding | None) -> bool:
    if old is None:
        return True
    if new.certain != old.certain:
        return new.certain and bool(new.value)
    return not old.value and bool(new.value)


def _keep_segment(segments: dict[str, Finding], key: str, finding: Finding) -> None:
    """Keep a value that is worth slicing by: short, and shared by many traces."""
    name = _ALIASES.get(key.lower(), key)
    value = finding.value
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float):
        value = str(value)
    if not isinstance(value, str) or not value.strip() or not _may_be_segment(name):
        return
    text = value.strip()
    if len(text) > MAX_SEGMENT or _UNIQUE.fullmatch(text) or len(segments) >= MAX_SEGMENTS:
        return
    if name not in segments:
        segments[name] = Finding(text, finding.convention, finding.attribute, finding.span_id)


def _may_be_segment(key: str) -> bool:
    return 0 < len(key) <= MAX_SEGMENT and re.sub(r"[^a-z]", "", key.lower()) not in _PRIVATE
