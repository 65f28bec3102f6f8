"""The Vercel AI SDK's own attributes, which it still writes beside or instead of GenAI's."""

from collections.abc import Sequence

from app.ingest.documents import documents_of, result_texts
from app.ingest.nested import decoded, parsed
from app.ingest.pieces import (
    CHAIN,
    EMBEDDING,
    LLM,
    RERANKER,
    SEGMENT,
    TOOL,
    Piece,
    Pieces,
    has_prefix,
    input_pieces,
    kind_piece,
    segments_under,
    text_pieces,
    token_pieces,
)
from app.ingest.telemetry import LogRecord, Span
from app.ingest.words import content_texts

METADATA = "ai.telemetry.metadata."
KINDS = {
    "ai.generatetext": CHAIN,
    "ai.streamtext": CHAIN,
    "ai.generateobject": CHAIN,
    "ai.streamobject": CHAIN,
    "ai.generatetext.dogenerate": LLM,
    "ai.streamtext.dostream": LLM,
    "ai.generateobject.dogenerate": LLM,
    "ai.streamobject.dostream": LLM,
    "ai.toolcall": TOOL,
    "ai.embed": EMBEDDING,
    "ai.embed.doembed": EMBEDDING,
    "ai.embedmany": EMBEDDING,
    "ai.embedmany.doembed": EMBEDDING,
    "ai.rerank": RERANKER,
    "ai.rerank.dorerank": RERANKER,
}
TEXTS = {
    "response": (
        "ai.response.text",
        "ai.response.object",
        "ai.result.text",
        "ai.result.object",
    ),
    "model": ("ai.response.model", "ai.model.id"),
    "conversation_id": (
        f"{METADATA}sessionId",
        f"{METADATA}conversationId",
        f"{METADATA}threadId",
        f"{METADATA}chatId",
    ),
    "user": (f"{METADATA}userId",),
    "finish_reason": ("ai.response.finishReason", "ai.finishReason"),
    f"{SEGMENT}function": ("ai.telemetry.functionId",),
}
TOKENS = {
    "input_tokens": ("ai.usage.inputTokens", "ai.usage.promptTokens"),
    "output_tokens": ("ai.usage.outputTokens", "ai.usage.completionTokens"),
}


def vercel(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """Prompts, answers, tools' results and reranked documents of the `ai.` attributes."""
    attributes = span.attributes
    if not has_prefix(attributes, "ai."):
        return
    yield from kind_piece(attributes.get("ai.operationId"), KINDS, "ai.operationId")
    for name in ("ai.prompt.messages", "ai.prompt"):
        yield from input_pieces(attributes.get(name), name)
    whole = parsed(attributes.get("ai.prompt"))
    if isinstance(whole, dict):
        system = "\n".join(content_texts(whole.get("system")))
        yield Piece("system_prompt", system or None, "ai.prompt")
    yield from text_pieces(attributes, TEXTS)
    yield from token_pieces(attributes, TOKENS)
    answer = decoded(attributes.get("ai.toolCall.result"))
    yield Piece("tool_results", result_texts(answer), "ai.toolCall.result")
    documents = attributes.get("ai.documents")
    items = [decoded(item) for item in documents] if isinstance(documents, list) else []
    yield Piece("contexts", documents_of(items), "ai.documents")
    yield from segments_under(attributes, METADATA)
    yield from segments_under(attributes, "ai.settings.context.")
