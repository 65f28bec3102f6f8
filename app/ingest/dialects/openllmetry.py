"""OpenLLMetry and Traceloop: numbered prompts and completions, entities, results of databases."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.ingest.documents import documents_of, result_texts
from app.ingest.nested import decoded
from app.ingest.pieces import (
    AGENT,
    CHAIN,
    EMBEDDING,
    LLM,
    RERANKER,
    RETRIEVER,
    SEGMENT,
    TOOL,
    Piece,
    Pieces,
    has_prefix,
    indexed,
    input_pieces,
    inputs,
    kind_piece,
    output_pieces,
    outputs,
    segments_under,
    text_pieces,
    token_pieces,
)
from app.ingest.telemetry import LogRecord, Span
from app.ingest.words import messages_of, unpacked

KINDS = {"workflow": CHAIN, "task": CHAIN, "agent": AGENT, "tool": TOOL}
REQUESTS = {"chat": LLM, "completion": LLM, "embedding": EMBEDDING, "rerank": RERANKER}
PROPERTIES = "traceloop.association.properties."
TEXTS = {
    "model": ("gen_ai.response.model", "gen_ai.request.model", "llm.response.model"),
    "conversation_id": (
        f"{PROPERTIES}session_id",
        f"{PROPERTIES}conversation_id",
        f"{PROPERTIES}thread_id",
        f"{PROPERTIES}chat_id",
    ),
    "user": ("gen_ai.user", "llm.user", f"{PROPERTIES}user_id"),
    f"{SEGMENT}prompt_name": ("traceloop.prompt.key",),
    f"{SEGMENT}workflow": ("traceloop.workflow.name",),
}
TOKENS = {
    "input_tokens": ("llm.usage.prompt_tokens",),
    "output_tokens": ("llm.usage.completion_tokens",),
}
ENTITY_INPUT, ENTITY_OUTPUT = "traceloop.entity.input", "traceloop.entity.output"


def openllmetry(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """Numbered messages of models, documents from databases, association properties."""
    attributes = span.attributes
    yield from _retrieval(span)
    if not has_prefix(attributes, "gen_ai.", "llm.", "traceloop."):
        return
    yield from kind_piece(attributes.get("llm.request.type"), REQUESTS, "llm.request.type")
    if _is_retrieval(span):
        yield Piece("kind", RETRIEVER, "traceloop.entity.name")
    yield from kind_piece(attributes.get("traceloop.span.kind"), KINDS, "traceloop.span.kind")
    sent = [_message(fields) for fields in indexed(attributes, "gen_ai.prompt")]
    yield from inputs(messages_of(sent), "gen_ai.prompt.N.content")
    answered = [_message(fields) for fields in indexed(attributes, "gen_ai.completion")]
    answered = [{"role": "assistant"} | message for message in answered]
    yield from outputs(messages_of(answered), "gen_ai.completion.N.content", choices=True)
    yield from text_pieces(attributes, TEXTS)
    yield from token_pieces(attributes, TOKENS)
    version = attributes.get("traceloop.prompt.version")
    yield Piece(f"{SEGMENT}prompt_version", version, "traceloop.prompt.version")
    yield from segments_under(attributes, PROPERTIES)


def openllmetry_entities(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """What decorated functions and the steps of frameworks were given and returned."""
    given = decoded(span.attributes.get(ENTITY_INPUT))
    answered = decoded(span.attributes.get(ENTITY_OUTPUT))
    kind = span.attributes.get("traceloop.span.kind")
    if _is_retrieval(span):
        yield Piece("contexts", documents_of(answered), ENTITY_OUTPUT)
    elif kind == "tool":
        yield Piece("tool_results", result_texts(answered), ENTITY_OUTPUT)
    else:
        yield from input_pieces(given, ENTITY_INPUT)
        yield from output_pieces(answered, ENTITY_OUTPUT)


def _is_retrieval(span: Span) -> bool:
    """Whether the span is a task whose name says that it retrieves documents."""
    name = str(span.attributes.get("traceloop.entity.name") or span.name).lower()
    return span.attributes.get("traceloop.span.kind") == "task" and "retriev" in name


def _message(fields: Mapping[str, Any]) -> dict[str, Any]:
    message = {name: fields.get(name) for name in ("role", "content", "finish_reason")}
    message["content"] = unpacked(message["content"])
    kept = {name: value for name, value in message.items() if value is not None}
    return kept | {"tool_calls": has_prefix(fields, "tool_calls.")}


def _retrieval(span: Span) -> Pieces:
    """The documents in the events that vector databases leave."""
    documents = []
    for event in span.events:
        attributes = event.get("attributes")
        if event.get("name") == "db.query.result" and isinstance(attributes, dict):
            documents += documents_of(attributes.get("db.query.result.document"))
    if documents:
        yield Piece("kind", RETRIEVER, "event:db.query.result")
        yield Piece("contexts", documents, "event:db.query.result/db.query.result.document")
