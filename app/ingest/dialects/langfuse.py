"""Langfuse's SDKs: inputs and outputs as JSON in strings, trace-wide values on every span."""

from collections.abc import Sequence

from app.ingest.nested import decoded, parsed
from app.ingest.pieces import (
    AGENT,
    CHAIN,
    EMBEDDING,
    EVALUATOR,
    LLM,
    RETRIEVER,
    SEGMENT,
    TOOL,
    Piece,
    Pieces,
    as_count,
    fetched_pieces,
    has_prefix,
    input_pieces,
    kind_piece,
    output_pieces,
    segments_under,
    tags_in,
    text_pieces,
)
from app.ingest.telemetry import LogRecord, Span

KINDS = {
    "generation": LLM,
    "retriever": RETRIEVER,
    "embedding": EMBEDDING,
    "agent": AGENT,
    "tool": TOOL,
    "chain": CHAIN,
    "evaluator": EVALUATOR,
    "guardrail": EVALUATOR,
}
TEXTS = {
    "model": ("langfuse.observation.model.name",),
    "conversation_id": ("langfuse.session.id", "session.id"),
    "user": ("langfuse.user.id", "user.id"),
    f"{SEGMENT}environment": ("langfuse.environment",),
    f"{SEGMENT}release": ("langfuse.release", "langfuse.version"),
    f"{SEGMENT}prompt_name": ("langfuse.observation.prompt.name",),
}
USED = {
    "input_tokens": ("input", "prompt_tokens"),
    "output_tokens": ("output", "completion_tokens"),
}
METADATA = ("langfuse.trace.metadata.", "langfuse.observation.metadata.")


def langfuse(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """Observations first, then what was said of the whole trace."""
    attributes = span.attributes
    if not has_prefix(attributes, "langfuse."):
        return
    kind = attributes.get("langfuse.observation.type")
    yield from kind_piece(kind, KINDS, "langfuse.observation.type")
    output = attributes.get("langfuse.observation.output")
    yield from fetched_pieces(KINDS.get(str(kind).lower()), output, "langfuse.observation.output")
    for level in ("observation", "trace"):
        name = f"langfuse.{level}.input"
        yield from input_pieces(attributes.get(name), name)
        name = f"langfuse.{level}.output"
        yield from output_pieces(attributes.get(name), name)
    yield from text_pieces(attributes, TEXTS)
    yield from _prompt_version(span)
    yield from _usage(span)
    if attributes.get("langfuse.observation.level") == "ERROR":
        message = attributes.get("langfuse.observation.status_message")
        yield Piece("error", message or "error", "langfuse.observation.status_message")
    for prefix in METADATA:
        for piece in segments_under(attributes, prefix):
            yield Piece(piece.field, decoded(piece.value), piece.attribute)
    yield from tags_in(attributes.get("langfuse.trace.tags"), "langfuse.trace.tags")


def _prompt_version(span: Span) -> Pieces:
    name = "langfuse.observation.prompt.version"
    yield Piece(f"{SEGMENT}prompt_version", span.attributes.get(name), name)


def _usage(span: Span) -> Pieces:
    name = "langfuse.observation.usage_details"
    used = parsed(span.attributes.get(name))
    for field, keys in USED.items() if isinstance(used, dict) else ():
        counts = [as_count(used.get(key)) for key in keys]
        yield Piece(field, next((one for one in counts if one is not None), None), name)
