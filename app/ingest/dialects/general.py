"""What any span may say: OpenTelemetry's general conventions and our own segments."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.ingest.documents import documents_of
from app.ingest.nested import parsed, visible
from app.ingest.pieces import (
    SEGMENT,
    Piece,
    Pieces,
    prompt_piece,
    response_piece,
    segments_under,
    text_pieces,
)
from app.ingest.telemetry import LogRecord, Span
from app.ingest.unwrapping import ALTERNATIVES
from app.ingest.words import messages_of

STATUS_ERROR = 2
OWN_CONTEXTS = "touchstone.contexts"
WORDS = ("prompt", "question", "query", "response", "answer", "completion")
"""Names that hold words and not the data around them."""
TEXTS = {
    "conversation_id": ("session.id", "conversation.id", "thread.id"),
    "user": ("user.id", "enduser.id", "enduser.pseudo.id"),
}
SEGMENTS = {
    "language": ("language", "lang", "user.language", "app.language", "gen_ai.language", "locale"),
    "region": (
        "region",
        "user.region",
        "app.region",
        "geo.country.iso_code",
        "geo.region.iso_code",
    ),
    "user_group": ("user_group", "user.group", "user.segment", "app.user_group", "enduser.role"),
    "channel": ("channel", "app.channel"),
    "prompt_version": ("prompt_version", "prompt.version", "gen_ai.prompt.version"),
    "release": ("release", "app.release", "app.version"),
}
RESOURCE_SEGMENTS = {
    "release": ("service.version",),
    "environment": ("deployment.environment.name", "deployment.environment"),
    "region": ("cloud.region",),
}


def touchstone(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """Words, exactly as they are, and segments that the application names itself."""
    for field in ("prompt", "response", "system_prompt"):
        words = span.attributes.get(f"touchstone.{field}")
        if isinstance(words, str):
            yield Piece(field, visible(words), f"touchstone.{field}")
    yield Piece("contexts", documents_of(span.attributes.get(OWN_CONTEXTS)), OWN_CONTEXTS)
    yield from segments_under(span.attributes, "touchstone.segment.")


def opentelemetry(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """Session, user, error and the segments that have a usual attribute."""
    yield from text_pieces(span.attributes, TEXTS)
    yield from text_pieces(span.attributes, _as_fields(SEGMENTS))
    for piece in text_pieces(span.resource, _as_fields(RESOURCE_SEGMENTS)):
        yield Piece(piece.field, piece.value, f"resource:{piece.attribute}")
    yield from _error(span)


def plain(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """Attributes that people name so themselves when no convention is at hand."""
    for name in ("prompt", "question", "input", "query"):
        if isinstance(span.attributes.get(name), str):
            yield from prompt_piece(_worded(span.attributes, name, "user"), name)
    for name in ("response", "answer", "output", "completion"):
        if isinstance(span.attributes.get(name), str):
            yield from response_piece(_worded(span.attributes, name, "assistant"), name)
    for name in ("contexts", "retrieved_contexts", "context", "documents", "retrieved_documents"):
        if isinstance(span.attributes.get(name), str | list):
            yield Piece("contexts", documents_of(span.attributes[name]), name, certain=False)


def _worded(attributes: Mapping[str, Any], name: str, role: str) -> Any:
    """The value, as a message where it is words, such as a model's JSON, and no conversation."""
    value = attributes[name]
    held = parsed(value)
    is_whole = isinstance(held, dict) and not held.keys().isdisjoint((*ALTERNATIVES, "messages"))
    if name not in WORDS or is_whole or any(one.role for one in messages_of(held)):
        return value
    return {"role": role, "content": value}


def _as_fields(segments: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {f"{SEGMENT}{key}": names for key, names in segments.items()}


def _error(span: Span) -> Pieces:
    if span.status_code != STATUS_ERROR:
        return
    if span.status_message:
        yield Piece("error", span.status_message, "status.message")
    for event in span.events:
        attributes = event.get("attributes")
        if event.get("name") == "exception" and isinstance(attributes, dict):
            yield Piece("error", _exception(attributes), "event:exception")
    error_type = span.attributes.get("error.type")
    yield Piece("error", error_type if isinstance(error_type, str) else "error", "error.type")


def _exception(attributes: dict[str, Any]) -> str | None:
    parts = [attributes.get(f"exception.{part}") for part in ("type", "message")]
    return ": ".join(part for part in parts if isinstance(part, str) and part) or None
