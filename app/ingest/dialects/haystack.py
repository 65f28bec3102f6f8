"""Haystack's own tracer: what went into pipelines, components, agents and tools, and came out.

A value of a `haystack.` attribute is JSON unless it is a plain text. Words are there only where
HAYSTACK_CONTENT_TRACING_ENABLED is set.
"""

from collections.abc import Iterator, Mapping, Sequence
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
    TOOL,
    Piece,
    Pieces,
    as_count,
    has_prefix,
    inputs,
    outputs,
)
from app.ingest.telemetry import LogRecord, Span
from app.ingest.words import Message, messages_of

COMPONENT, PIPELINE, AGENTS = "haystack.component.", "haystack.pipeline.", "haystack.agent."
TOOL_OUTPUT = "haystack.agent.step.tool.output"
KINDS = {
    "retriever": RETRIEVER,
    "websearch": RETRIEVER,
    "ranker": RERANKER,
    "embedder": EMBEDDING,
    "evaluator": EVALUATOR,
    "toolinvoker": TOOL,
    "generator": LLM,
    "agent": AGENT,
}
"""Components by what the name of their class ends in."""
QUESTIONS = ("query", "question", "user_input", "text", "messages", "prompt")
USED = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}


def haystack(span: Span, logs: Sequence[LogRecord]) -> Pieces:
    """Pipelines and agents say the question and the answer, components the steps between."""
    attributes = span.attributes
    if not has_prefix(attributes, "haystack."):
        return
    if has_prefix(attributes, PIPELINE):
        yield from _pipeline(attributes)
    elif TOOL_OUTPUT in attributes:
        yield Piece("kind", TOOL, TOOL_OUTPUT)
        yield Piece("tool_results", result_texts(attributes[TOOL_OUTPUT]), TOOL_OUTPUT)
    elif has_prefix(attributes, COMPONENT):
        yield from _component(attributes)
    elif f"{AGENTS}max_steps" in attributes:
        yield Piece("kind", AGENT, f"{AGENTS}max_steps")
        yield from _conversation(attributes, AGENTS)
    else:
        name = next(name for name in attributes if name.startswith("haystack."))
        yield Piece("kind", CHAIN, name)


def _pipeline(attributes: Mapping[str, Any]) -> Pieces:
    given, name = _held(attributes, f"{PIPELINE}input_data"), f"{PIPELINE}input_data"
    yield Piece("kind", CHAIN, name)
    parts = [part for part in given.values() if isinstance(part, dict)]
    for question in QUESTIONS:
        for part in (*parts, given):
            yield from _asked(part.get(question), name)
    name = f"{PIPELINE}output_data"
    for part in _held(attributes, name).values():
        yield from _answered(part, name)


def _component(attributes: Mapping[str, Any]) -> Pieces:
    name = str(attributes.get(f"{COMPONENT}type", "")).lower()
    kind = next((kind for ending, kind in KINDS.items() if name.endswith(ending)), CHAIN)
    yield Piece("kind", kind, f"{COMPONENT}type")
    given = _held(attributes, f"{COMPONENT}input")
    answered, place = _held(attributes, f"{COMPONENT}output"), f"{COMPONENT}output"
    if kind in (RETRIEVER, RERANKER):
        yield Piece("contexts", documents_of(answered.get("documents")), place)
    elif kind == TOOL:
        results = [
            one for said in _said(answered.get("tool_messages")) for one in said.tool_results
        ]
        yield Piece("tool_results", results, place)
    elif kind == AGENT:
        yield from _conversation(attributes, COMPONENT)
    elif "replies" in answered:
        yield from _sent(given.get("messages", given.get("prompt")), f"{COMPONENT}input")
        yield from _answered(answered, place)
        yield from _usage(answered, place)


def _conversation(attributes: Mapping[str, Any], prefix: str) -> Pieces:
    """An agent's words: of what it gives back, which is the whole conversation, its last ones."""
    given, answered = (_held(attributes, f"{prefix}{side}") for side in ("input", "output"))
    yield from inputs(_said(given.get("messages")), f"{prefix}input")
    yield from outputs(_said(answered.get("messages")), f"{prefix}output", choices=False)


def _sent(value: Any, attribute: str) -> Pieces:
    """What a model was sent: mostly a template filled in, around the question of the pipeline."""
    pieces = (
        inputs(_said(value), attribute) if isinstance(value, list) else _asked(value, attribute)
    )
    for piece in pieces:
        yield Piece(piece.field, piece.value, attribute, certain=piece.field != "prompt")


def _asked(value: Any, attribute: str) -> Pieces:
    if isinstance(value, str):
        yield Piece("prompt", value, attribute)
    elif isinstance(value, list):
        yield from inputs(_said(value), attribute)


def _answered(part: Any, attribute: str) -> Pieces:
    """The first of a component's replies or answers, and the documents that it names."""
    held: dict[str, Any] = part if isinstance(part, dict) else {}
    replies = held.get("replies")
    if isinstance(replies, list):
        yield from outputs(_said(replies), attribute, choices=True)
    answers = held.get("answers")
    for one in answers[:1] if isinstance(answers, list) else ():
        fields = one.get("init_parameters", one) if isinstance(one, dict) else {}
        if isinstance(fields, dict) and isinstance(fields.get("data"), str):
            yield Piece("response", fields["data"], attribute)
            documents = documents_of(fields.get("documents"))
            yield Piece("contexts", documents, attribute, certain=False)
    messages = held.get("messages")
    if isinstance(messages, list):
        yield from outputs(_said(messages), attribute, choices=False)


def _usage(answered: Mapping[str, Any], attribute: str) -> Pieces:
    for meta in _metas(answered):
        model = meta.get("model")
        yield Piece("model", model if isinstance(model, str) else None, attribute)
        used: dict[str, Any] = meta["usage"] if isinstance(meta.get("usage"), dict) else {}
        for field, key in USED.items():
            yield Piece(field, as_count(used.get(key)), attribute)
        reason = meta.get("finish_reason")
        yield Piece("finish_reason", reason if isinstance(reason, str) else None, attribute)


def _metas(answered: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    replies = [one for one in _listed(answered.get("replies")) if isinstance(one, dict)]
    metas = [one.get("meta", one.get("_meta")) for one in replies]
    for meta in (*_listed(answered.get("meta")), *metas):
        if isinstance(meta, dict):
            yield meta


def _said(messages: Any) -> list[Message]:
    return messages_of([_message(one) for one in _listed(messages)])


def _message(item: Any) -> Any:
    """A message as other clients write it; what is none, as it is."""
    if not isinstance(item, dict):
        return item
    content = item.get("content", item.get("_content"))
    parts = content if isinstance(content, list) else [{"text": content}]
    return {
        "role": item.get("role", item.get("_role")),
        "content": [_part(part) for part in parts],
        "tool_calls": any(isinstance(part, dict) and "tool_call" in part for part in parts),
    }


def _part(part: Any) -> Any:
    result = part.get("tool_call_result") if isinstance(part, dict) else None
    return {"type": "tool_result", **result} if isinstance(result, dict) else part


def _held(attributes: Mapping[str, Any], name: str) -> dict[str, Any]:
    held = parsed(attributes.get(name))
    return held if isinstance(held, dict) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
