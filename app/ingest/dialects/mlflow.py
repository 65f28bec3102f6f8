"""MLflow: every value of a `mlflow.` attribute is JSON, even a plain text."""

from collections.abc import Sequence
from typing import Any

from app.ingest.nested import decoded
from app.ingest.pieces import (
    AGENT,
    CHAIN,
    EMBEDDING,
    EVALUATOR,
    LLM,
    RERANKER,
    RETRIEVER,
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
)
from app.ingest.telemetry import LogRecord, Span

KINDS = {
    "llm": LLM,
    "chat_model": LLM,
    "chain": CHAIN,
    "workflow": CHAIN,
    "agent": AGENT,
    "tool": TOOL,
    "retriever": RETRIEVER,
    "reranker": RERANKER,
    "embedding": EMBEDDING,
    "evaluator": EVALUATOR,
    "guardrail": EVALUATOR,
    "parser": EVALUATOR,
}
INPUTS, OUTPUTS, USAGE = "mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.chat.tokenUsage"
TEXTS = {
    "model": ("mlflow.llm.model",),
    "conversation_id": ("mlflow.trace.session", "session.id"),
    "user": ("mlflow.trace.user", "user.id"),
}


def mlflow(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """Inputs and outputs of functions and models; the documents that retrievers return."""
    if not has_prefix(span.attributes, "mlflow."):
        return
    held = {name: decoded(value) for name, value in span.attributes.items()}
    kind = held.get("mlflow.spanType")
    yield from kind_piece(kind, KINDS, "mlflow.spanType")
    yield from fetched_pieces(KINDS.get(str(kind).lower()), held.get(OUTPUTS), OUTPUTS)
    yield from input_pieces(held.get(INPUTS), INPUTS)
    yield from output_pieces(held.get(OUTPUTS), OUTPUTS)
    yield from _texts(held)
    used = held.get(USAGE)
    for field in ("input_tokens", "output_tokens"):
        yield Piece(field, as_count(used.get(field)) if isinstance(used, dict) else None, USAGE)
    yield from segments_under(held, "mlflow.traceTag.")


def _texts(held: dict[str, Any]) -> Pieces:
    for field, names in TEXTS.items():
        for name in names:
            value = held.get(name)
            if isinstance(value, str | int) and not isinstance(value, bool):
                yield Piece(field, str(value), name)
