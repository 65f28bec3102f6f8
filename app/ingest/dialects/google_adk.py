"""Google's Agent Development Kit: whole requests and answers of Gemini, in its own attributes."""

from collections.abc import Sequence
from typing import Any

from app.ingest.documents import result_texts
from app.ingest.nested import parsed
from app.ingest.pieces import LLM, TOOL, Piece, Pieces, has_prefix, inputs, outputs
from app.ingest.telemetry import LogRecord, Span
from app.ingest.words import content_texts, messages_of

PREFIX = "gcp.vertex.agent."
REQUEST, ANSWER, RESULT = (
    f"{PREFIX}{name}" for name in ("llm_request", "llm_response", "tool_response")
)


def google_adk(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """What models were asked and answered, and what tools gave back."""
    attributes = span.attributes
    if not has_prefix(attributes, PREFIX):
        return
    session = attributes.get(f"{PREFIX}session_id")
    yield Piece(
        "conversation_id", session if isinstance(session, str) else None, f"{PREFIX}session_id"
    )
    asked, answered = _held(attributes.get(REQUEST)), _held(attributes.get(ANSWER))
    if asked:
        yield Piece("kind", LLM, REQUEST)
        yield from inputs(messages_of(asked.get("contents")), REQUEST)
        instructions = content_texts(_held(asked.get("config")).get("system_instruction"))
        yield Piece("system_prompt", "\n".join(instructions) or None, REQUEST)
    content = _held(answered.get("content"))
    if content:
        reason = str(answered.get("finish_reason") or "").lower() or None
        said = {**content, "role": "assistant", "finish_reason": reason}
        yield from outputs(messages_of([said]), ANSWER)
    if _held(attributes.get(RESULT)):
        yield Piece("kind", TOOL, RESULT)
        yield Piece("tool_results", result_texts(attributes[RESULT]), RESULT)


def _held(value: Any) -> dict[str, Any]:
    held = parsed(value)
    return held if isinstance(held, dict) else {}
