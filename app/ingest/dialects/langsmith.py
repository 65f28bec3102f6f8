"""LangSmith's OpenTelemetry mode: a whole run's inputs and outputs in one attribute each."""

from collections.abc import Sequence

from app.ingest.pieces import (
    CHAIN,
    EMBEDDING,
    EVALUATOR,
    LLM,
    RETRIEVER,
    SEGMENT,
    TOOL,
    Pieces,
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

METADATA = "langsmith.metadata."
KINDS = {
    "llm": LLM,
    "chain": CHAIN,
    "tool": TOOL,
    "retriever": RETRIEVER,
    "embedding": EMBEDDING,
    "prompt": EVALUATOR,
    "parser": EVALUATOR,
}
TEXTS = {
    "model": (f"{METADATA}ls_model_name",),
    "conversation_id": (
        f"{METADATA}session_id",
        f"{METADATA}thread_id",
        f"{METADATA}conversation_id",
    ),
    "user": (f"{METADATA}user_id",),
    "application": ("langsmith.trace.session_name",),
}
# The client copies its own settings, which may be secret, into the metadata.
NOT_SEGMENTS = ("ls_", "langsmith", "langchain", "langgraph", "lc_", "revision_id", "__")


def langsmith(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """Runs: their kind decides whether the output is an answer, documents or a tool's result."""
    attributes = span.attributes
    if not has_prefix(attributes, "langsmith."):
        return
    kind = attributes.get("langsmith.span.kind")
    yield from kind_piece(kind, KINDS, "langsmith.span.kind")
    answer = attributes.get("gen_ai.completion")
    yield from fetched_pieces(KINDS.get(str(kind).lower()), answer, "gen_ai.completion")
    yield from input_pieces(attributes.get("gen_ai.prompt"), "gen_ai.prompt")
    yield from output_pieces(answer, "gen_ai.completion")
    yield from text_pieces(attributes, TEXTS)
    for piece in segments_under(attributes, METADATA):
        if not piece.field.removeprefix(SEGMENT).lower().startswith(NOT_SEGMENTS):
            yield piece
    yield from tags_in(attributes.get("langsmith.span.tags"), "langsmith.span.tags")
