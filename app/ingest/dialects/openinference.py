"""OpenInference: messages and documents flattened into numbered attributes."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.ingest.documents import documents_of, result_texts
from app.ingest.nested import parsed
from app.ingest.pieces import (
    AGENT,
    CHAIN,
    EMBEDDING,
    EVALUATOR,
    LLM,
    RERANKER,
    RETRIEVER,
    SEGMENT,
    TOOL,
    Piece,
    Pieces,
    has_prefix,
    indexed,
    inputs,
    kind_piece,
    outputs,
    prompt_piece,
    response_piece,
    segments_in,
    tags_in,
    text_pieces,
    token_pieces,
)
from app.ingest.telemetry import LogRecord, Span
from app.ingest.unwrapping import ALTERNATIVES
from app.ingest.words import messages_of

KINDS = {
    "llm": LLM,
    "chain": CHAIN,
    "agent": AGENT,
    "tool": TOOL,
    "retriever": RETRIEVER,
    "reranker": RERANKER,
    "embedding": EMBEDDING,
    "evaluator": EVALUATOR,
    "guardrail": EVALUATOR,
    "prompt": EVALUATOR,
}
TEXTS = {
    "model": ("llm.response.model_name", "llm.model_name", "llm.request.model_name"),
    "conversation_id": ("session.id",),
    "user": ("user.id",),
    "finish_reason": ("llm.finish_reason",),
    f"{SEGMENT}prompt_version": ("llm.prompt_template.version",),
    f"{SEGMENT}prompt_name": ("prompt.id",),
}
PEOPLE = {
    "conversation_id": ("session_id", "conversation_id", "thread_id"),
    "user": ("user_id",),
}
TOKENS = {
    "input_tokens": ("llm.token_count.prompt",),
    "output_tokens": ("llm.token_count.completion",),
}


def openinference(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """Everything but the generic `input.value` and `output.value`."""
    attributes = span.attributes
    kind = attributes.get("openinference.span.kind")
    if not isinstance(kind, str) and not has_prefix(attributes, "llm.", "retrieval.", "reranker."):
        return
    yield from kind_piece(kind, KINDS, "openinference.span.kind")
    sent = _messages(attributes, "llm.input_messages")
    yield from inputs(messages_of(sent), "llm.input_messages")
    answered = messages_of(_messages(attributes, "llm.output_messages"))
    choices = len(answered) > 1 and _are_choices(attributes.get("output.value"))
    yield from outputs(answered, "llm.output_messages", choices=choices or None)
    yield from _completions(attributes)
    yield from _documents(attributes, "reranker.output_documents")
    yield from _documents(attributes, "retrieval.documents")
    for piece in _documents(attributes, "reranker.input_documents"):
        yield Piece("reranked", piece.value, piece.attribute)
    yield from text_pieces(attributes, TEXTS)
    yield from token_pieces(attributes, TOKENS)
    yield from _people(attributes.get("metadata"))
    yield from segments_in(attributes.get("metadata"), "metadata")
    yield from tags_in(attributes.get("tag.tags"), "tag.tags")
    project = span.resource.get("openinference.project.name")
    yield Piece("application", project, "resource:openinference.project.name")


def openinference_values(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """`input.value` and `output.value`, which hold whole requests as often as words."""
    attributes = span.attributes
    kind = KINDS.get(str(attributes.get("openinference.span.kind", "")).lower())
    given, answered = attributes.get("input.value"), attributes.get("output.value")
    if kind in (RETRIEVER, RERANKER):
        # They may stand here as what Python prints of them; where they stand plainly, that wins.
        yield Piece("contexts", documents_of(answered), "output.value", certain=False)
    elif kind == TOOL:
        yield Piece("tool_results", result_texts(answered), "output.value")
    else:
        yield from prompt_piece(_plain(attributes, "input", given), "input.value")
        yield from response_piece(_plain(attributes, "output", answered), "output.value")


def _people(metadata: Any) -> Pieces:
    """Who spoke and in which conversation, as LangGraph's configuration names them."""
    held = parsed(metadata)
    for field, names in PEOPLE.items() if isinstance(held, dict) else ():
        said = (held.get(name) for name in names)
        yield Piece(field, next((one for one in said if isinstance(one, str)), None), "metadata")


def _plain(attributes: Mapping[str, Any], side: str, value: Any) -> Any:
    """The value, wrapped if it is said to be text, so that text that looks like JSON stays text."""
    is_text = str(attributes.get(f"{side}.mime_type", "")).lower().startswith("text/")
    return (
        {"role": "user" if side == "input" else "assistant", "content": value} if is_text else value
    )


def _messages(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    return [_message(fields) for fields in indexed(attributes, prefix)]


def _message(fields: dict[str, Any]) -> dict[str, Any]:
    content = fields.get("message.content")
    parts = [
        {"type": part.get("message_content.type", "text"), "text": part.get("message_content.text")}
        for part in indexed(fields, "message.contents")
    ]
    return {
        "role": fields.get("message.role"),
        "content": parts if parts and not content else content,
        "tool_calls": has_prefix(fields, "message.tool_calls."),
        "finish_reason": fields.get("message.finish_reason"),
    }


def _are_choices(answer: Any) -> bool:
    """Whether a whole answer of a client says that its messages are alternatives."""
    held = parsed(answer)
    return isinstance(held, dict) and any(isinstance(held.get(key), list) for key in ALTERNATIVES)


def _completions(attributes: Mapping[str, Any]) -> Pieces:
    """Prompts and choices of completion models, which know no roles."""
    asked = [fields.get("prompt.text") for fields in indexed(attributes, "llm.prompts")]
    if asked:
        # Several prompts are a batch; the first choice answers the first.
        yield Piece("prompt", asked[0], "llm.prompts")
    answered = [fields.get("completion.text") for fields in indexed(attributes, "llm.choices")]
    if answered:
        yield Piece("response", answered[0], "llm.choices")


def _documents(attributes: Mapping[str, Any], prefix: str) -> Pieces:
    contents = [fields.get("document.content") for fields in indexed(attributes, prefix)]
    held = parsed(attributes.get(prefix))
    # An attribute can hold a list of structures as strings only.
    contents = contents or ([_structure(one) for one in held] if isinstance(held, list) else [held])
    documents = [text for content in contents for text in documents_of(content)]
    yield Piece("contexts", documents, f"{prefix}.N.document.content")


def _structure(item: Any) -> Any:
    held = parsed(item)
    return held if isinstance(held, dict) and has_prefix(held, "document") else item
