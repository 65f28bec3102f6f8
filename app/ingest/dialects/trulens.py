"""TruLens: the root span says what went in and out, retrieval spans say the contexts."""

from collections.abc import Sequence

from app.ingest.documents import documents_of
from app.ingest.pieces import (
    AGENT,
    CHAIN,
    EVALUATOR,
    LLM,
    RERANKER,
    RETRIEVER,
    SEGMENT,
    TOOL,
    Piece,
    Pieces,
    has_prefix,
    input_pieces,
    kind_piece,
    output_pieces,
    prompt_piece,
    response_piece,
    text_pieces,
    token_pieces,
)
from app.ingest.telemetry import LogRecord, Span

PREFIX = "ai.observability."
KINDS = {
    "record_root": CHAIN,
    "retrieval": RETRIEVER,
    "reranking": RERANKER,
    "generation": LLM,
    "agent": AGENT,
    "tool": TOOL,
    "mcp": TOOL,
    "eval_root": EVALUATOR,
    "eval": EVALUATOR,
}
CONTEXTS = (
    "ai.observability.reranking.output_context_texts",
    "ai.observability.retrieval.retrieved_contexts",
)
TEXTS = {
    "model": ("ai.observability.cost.model",),
    "conversation_id": ("ai.observability.conversation_id",),
    "application": ("ai.observability.app_name",),
    f"{SEGMENT}release": ("ai.observability.app_version",),
    f"{SEGMENT}run": ("ai.observability.run.name",),
}
TOKENS = {
    "input_tokens": ("ai.observability.cost.num_prompt_tokens",),
    "output_tokens": ("ai.observability.cost.num_completion_tokens",),
}


def trulens(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """The record's input and output, or else the arguments and result of the call."""
    attributes = span.attributes
    if not has_prefix(attributes, PREFIX):
        return
    yield from kind_piece(attributes.get(f"{PREFIX}span_type"), KINDS, f"{PREFIX}span_type")
    for side, pieces in (("input", input_pieces), ("output", output_pieces)):
        name = f"{PREFIX}record_root.{side}"
        yield from pieces(attributes.get(name), name)
    for name in CONTEXTS:
        yield Piece("contexts", documents_of(attributes.get(name)), name)
    yield from text_pieces(attributes, TEXTS)
    yield from token_pieces(attributes, TOKENS)


def trulens_calls(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """The arguments and the result of a traced function; of several arguments none is certain."""
    prefix = f"{PREFIX}call.kwargs."
    given = {
        name.removeprefix(prefix): value
        for name, value in span.attributes.items()
        if name.startswith(prefix)
    }
    if given:
        yield from prompt_piece(given, f"{prefix}*")
    name = f"{PREFIX}call.return"
    yield from response_piece(span.attributes.get(name), name)
