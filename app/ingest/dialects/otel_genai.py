"""OpenTelemetry's GenAI conventions, both generations.

Since 1.37 the words are `gen_ai.input.messages` and its siblings, on the span as JSON in a string
or in an event of the same span as a structure. Before, every message was an event of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.ingest.documents import documents_of, result_texts
from app.ingest.nested import parsed
from app.ingest.pieces import (
    AGENT,
    CHAIN,
    EMBEDDING,
    LLM,
    RETRIEVER,
    SEGMENT,
    TOOL,
    Piece,
    Pieces,
    first_text,
    has_prefix,
    input_pieces,
    inputs,
    kind_piece,
    output_pieces,
    outputs,
    text_pieces,
    token_pieces,
)
from app.ingest.telemetry import LogRecord, Span
from app.ingest.words import content_texts, messages_of, unpacked

KINDS = {
    "chat": LLM,
    "generate_content": LLM,
    "text_completion": LLM,
    "embeddings": EMBEDDING,
    "retrieval": RETRIEVER,
    "retriever": RETRIEVER,
    "execute_tool": TOOL,
    "invoke_agent": AGENT,
    "create_agent": AGENT,
    "agent_step": CHAIN,
    "invoke_workflow": CHAIN,
    "chain": CHAIN,
}
TEXTS = {
    "model": ("gen_ai.response.model", "gen_ai.request.model"),
    "conversation_id": ("gen_ai.conversation.id",),
    f"{SEGMENT}prompt_name": ("gen_ai.prompt.name",),
}
TOKENS = {
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
}
OLD_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}


def otel_genai(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """The current conventions: attributes of the span first, then of its events."""
    yield from kind_piece(
        span.attributes.get("gen_ai.operation.name"), KINDS, "gen_ai.operation.name"
    )
    # An agent's messages follow each other; a model's are alternatives.
    kind = KINDS.get(str(span.attributes.get("gen_ai.operation.name")).lower())
    choices = False if kind in (AGENT, CHAIN) else None
    for place, attributes in _sources(span, logs):
        yield from _located(_current(attributes, choices), place)


def otel_genai_events(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """The conventions up to 1.36: an event for each message, or for prompt and completion."""
    events = list(_events(span, logs))
    asked = [_old_message(name, body) for _, name, body in events if name in OLD_ROLES]
    sent = [message for name, message in asked if name != "gen_ai.choice"]
    chosen = [message for name, message in asked if name == "gen_ai.choice"]
    if span.attributes.get("gen_ai.operation.name") == "execute_tool":
        # Strands gives a tool's arguments as a message of the tool, and its result as a choice.
        results = [one.text for one in messages_of(chosen) if one.text]
        yield Piece("tool_results", results, "gen_ai.choice")
        return
    yield from inputs(messages_of(sent), "gen_ai.user.message")
    yield from outputs(messages_of(_joined(chosen)), "gen_ai.choice")
    for _, name, body in events:
        if name == "gen_ai.content.prompt":
            yield from input_pieces(body.get("gen_ai.prompt"), f"{name}/gen_ai.prompt")
        elif name == "gen_ai.content.completion":
            yield from output_pieces(body.get("gen_ai.completion"), f"{name}/gen_ai.completion")
    yield from input_pieces(span.attributes.get("gen_ai.prompt"), "gen_ai.prompt")
    yield from output_pieces(span.attributes.get("gen_ai.completion"), "gen_ai.completion")


def _sources(span: Span, logs: Sequence[LogRecord]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "", span.attributes
    for kind, name, body in _events(span, logs):
        if name not in OLD_ROLES and has_prefix(body, "gen_ai."):
            yield f"{kind}:{name}/", body


def _events(span: Span, logs: Sequence[LogRecord]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The log records and then the span events, with body and attributes taken together."""
    for log in sorted(logs, key=lambda log: log.time_ns):
        body = parsed(log.body)
        fields = body if isinstance(body, dict) else {"content": body}
        yield "log", log.event_name, log.attributes | fields
    for event in span.events:
        attributes = event.get("attributes")
        if isinstance(attributes, dict):
            yield "event", str(event.get("name", "")), attributes


def _located(pieces: Pieces, place: str) -> Pieces:
    for piece in pieces:
        yield Piece(piece.field, piece.value, place + piece.attribute, piece.certain)


def _current(attributes: Mapping[str, Any], choices: bool | None) -> Pieces:
    instructions = content_texts(parsed(attributes.get("gen_ai.system_instructions")))
    yield Piece("system_prompt", "\n".join(instructions) or None, "gen_ai.system_instructions")
    yield from inputs(messages_of(attributes.get("gen_ai.input.messages")), "gen_ai.input.messages")
    answered = messages_of(attributes.get("gen_ai.output.messages"))
    yield from outputs(answered, "gen_ai.output.messages", choices=choices)
    documents = documents_of(attributes.get("gen_ai.retrieval.documents"))
    yield Piece("contexts", documents, "gen_ai.retrieval.documents")
    answer = result_texts(attributes.get("gen_ai.tool.call.result"))
    yield Piece("tool_results", answer, "gen_ai.tool.call.result")
    reason = first_text(attributes.get("gen_ai.response.finish_reasons"))
    yield Piece("finish_reason", reason, "gen_ai.response.finish_reasons")
    yield from text_pieces(attributes, TEXTS)
    yield from token_pieces(attributes, TOKENS)


def _joined(chosen: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """The choices; as one, where they are pieces of a stream of which the last only has an end."""
    *pieces, last = chosen or [{}]
    same = {one.get("index") for one in chosen}
    texts = [one.get("content") for one in chosen]
    ended = [one for one in pieces if one.get("finish_reason")]
    if not pieces or ended or len(same) > 1 or None in same:
        return chosen
    return [{**last, "content": "".join(text for text in texts if isinstance(text, str))}]


def _old_message(name: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The event as a message; a choice holds its message one level deeper."""
    inner = parsed(body.get("message"))
    if isinstance(inner, str | list):
        inner = {"content": inner}
    message = inner if isinstance(inner, dict) else body
    role = message.get("role") or OLD_ROLES[name]
    content, reason = unpacked(message.get("content")), body.get("finish_reason")
    at = {"index": body.get("index"), "finish_reason": reason}
    return name, {**message, "role": role, "content": content, **at}
