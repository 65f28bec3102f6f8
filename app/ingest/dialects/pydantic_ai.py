"""Pydantic AI's agents, and Logfire's records of requests and responses."""

from collections.abc import Sequence
from typing import Any

from app.ingest.documents import result_texts
from app.ingest.nested import parsed
from app.ingest.pieces import (
    AGENT,
    EVALUATOR,
    TOOL,
    Piece,
    Pieces,
    input_pieces,
    inputs,
    output_pieces,
    outputs,
    segments_in,
    tags_in,
    text_pieces,
)
from app.ingest.telemetry import LogRecord, Span
from app.ingest.words import messages_of


def pydantic_ai(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """The whole conversation of an agent, its result, and what its tools answered."""
    attributes = span.attributes
    for name in ("pydantic_ai.all_messages", "all_messages_events", "events"):
        if name in attributes:
            yield from _conversation(attributes[name], name)
    if "final_result" in attributes:
        yield Piece("kind", AGENT, "final_result")
    if "tool_response" in attributes:
        yield Piece("kind", TOOL, "tool_response")
        yield Piece("tool_results", result_texts(attributes["tool_response"]), "tool_response")
    yield from text_pieces(attributes, {"model": ("model_name",)})


def pydantic_ai_results(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """The result of an agent, as it was returned to the program."""
    result = span.attributes.get("final_result")
    if isinstance(result, str):
        yield Piece("response", result, "final_result")


def logfire(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """`request_data` and `response_data` of instrumented clients, tags and metadata."""
    attributes = span.attributes
    if attributes.get("logfire.span_type") == "annotation":
        yield Piece("kind", EVALUATOR, "logfire.span_type")
    if attributes.get("logfire.span_type") == "pending_span":
        return
    yield from input_pieces(attributes.get("request_data"), "request_data")
    answer = parsed(attributes.get("response_data"))
    if isinstance(answer, dict):
        chunks = answer.get("combined_chunk_content")
        yield from output_pieces(answer.get("message", chunks), "response_data")
    yield from tags_in(attributes.get("logfire.tags"), "logfire.tags")
    if "logfire.msg" in attributes:
        yield from segments_in(attributes.get("metadata"), "metadata")


def _conversation(value: Any, name: str) -> Pieces:
    held = parsed(value)
    messages = messages_of([_plain(item) for item in held] if isinstance(held, list) else held)
    yield from inputs(messages, name)
    yield from outputs(messages, name)


def _plain(item: Any) -> Any:
    """A message, also where it was written as one of the old events."""
    if not isinstance(item, dict) or "event.name" not in item:
        return item
    inner = item.get("message")
    message = inner if isinstance(inner, dict) else item
    role = str(item["event.name"]).removeprefix("gen_ai.").removesuffix(".message")
    return {"role": "assistant" if role == "choice" else role, **message}
