"""Find words in the many shapes that chat libraries give to messages.

Nothing here raises: what has no known shape is None, an empty list, or an uncertain text.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from app.ingest.nested import parsed, visible

MAX_SEARCH_DEPTH = 6

_ROLES = {
    "human": "user",
    "humanmessage": "user",
    "humanmessagechunk": "user",
    "ai": "assistant",
    "aimessage": "assistant",
    "aimessagechunk": "assistant",
    "model": "assistant",
    "chatbot": "assistant",
    "bot": "assistant",
    "developer": "system",
    "systemmessage": "system",
    "function": "tool",
    "toolmessage": "tool",
    "functionmessage": "tool",
}
_KNOWN_ROLES = frozenset({"user", "assistant", "system", "tool"})
_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal", "message_content"})
_RESULT_PARTS = frozenset(
    {
        "tool_call_response",
        "server_tool_call_response",
        "tool_result",
        "tool-result",
        "tool-return",
        "function_call_output",
    }
)
_CALL_PARTS = frozenset(
    {"tool_call", "tool-call", "toolUse", "tool_use", "function_call", "functionCall"}
)
_MEDIA = frozenset(
    {"blob", "uri", "file", "image", "image_url", "input_image", "audio", "input_audio"}
    | {"input_file", "video", "document", "media"}
)
_MEDIA_KEYS = frozenset({"inlineData", "inline_data", "fileData", "file_data", "image", "video"})
# The content of Bedrock's messages, which have no type but one key.
_BLOCKS = frozenset({"text", "toolUse", "toolResult", "reasoningContent", "image", "document"})
_RESULT_BLOCKS = ("toolResult", "function_response", "functionResponse")
_RESULT_KEYS = ("response", "result", "output", "content")
CALLS = frozenset({"tool_call", "tool_calls", "tool_use", "function_call"})


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, reduced to what is judged."""

    role: str
    """user, assistant, system, tool, or empty where it was not said."""
    text: str | None = None
    """None for a message without any text, such as a call of a tool."""
    tool_results: tuple[str, ...] = ()
    finish_reason: str | None = None
    calls: bool = False
    """Whether it calls a tool."""


def messages_of(value: Any, depth: int = 0) -> list[Message]:
    """The messages in a list, a conversation or a single message; empty for anything else."""
    value = parsed(value)
    if depth > MAX_SEARCH_DEPTH:
        return []
    if isinstance(value, list):
        if _is_pair(value):
            return [Message(_role(value[0]), visible(value[1]))]
        return [message for item in value for message in _messages_in(item, depth)]
    if not isinstance(value, dict):
        return []
    if isinstance(value.get("messages"), list):
        return _instructions(value) + messages_of(value["messages"], depth + 1)
    message = _message(value)
    return [message] if message else []


def _messages_in(item: Any, depth: int) -> list[Message]:
    if isinstance(item, str):
        return [Message("", visible(item))]
    return messages_of(item, depth + 1)


def _instructions(conversation: dict[str, Any]) -> list[Message]:
    for name in ("system", "instructions"):
        texts = content_texts(conversation.get(name))
        if texts:
            return [Message("system", "\n".join(texts))]
    return []


def _is_pair(value: list[Any]) -> bool:
    return (
        len(value) == 2 and all(isinstance(item, str) for item in value) and bool(_role(value[0]))
    )


def _role(name: Any) -> str:
    lowered = str(name).lower()
    role = _ROLES.get(lowered, lowered)
    return role if role in _KNOWN_ROLES else ""


def _message(item: dict[str, Any]) -> Message | None:
    """The message that a dictionary is or wraps."""
    inner = _unwrapped(item)
    if _type_of(inner) in _RESULT_PARTS:
        return Message("tool", None, tuple(tool_texts(inner)))
    role = _role(inner.get("role")) or _role(inner.get("type")) or _role(_class_name(item))
    content = next((inner[key] for key in ("parts", "content", "contents") if key in inner), None)
    if content is None:
        content = _said_otherwise(inner)
    if not role and content is None:
        return None
    results = tuple(_results(content))
    reason = inner.get("finish_reason") or item.get("finish_reason")
    if role == "tool":
        return Message(role, None, results or tuple(content_texts(content)))
    texts = content_texts(content)
    # OpenAI sends an empty content beside the call of a tool.
    empty_call = inner.get("tool_calls") and not any(texts)
    text = "\n".join(texts) if texts and not empty_call else None
    if (
        text is None
        and not inner.get("tool_calls")
        and _is_wordless(role, content, results, reason)
    ):
        text = ""
    parts = (
        [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    )
    calls = bool(inner.get("tool_calls")) or any(_is_call(part) for part in parts)
    return Message(role, text, results, reason if isinstance(reason, str) else None, calls)


def _said_otherwise(inner: dict[str, Any]) -> Any:
    """The words of a message without content: a refusal, or what was spoken."""
    audio = inner.get("audio")
    spoken = audio.get("transcript") if isinstance(audio, dict) else None
    texts = (inner.get("text"), inner.get("refusal"), spoken)
    return next((text for text in texts if isinstance(text, str)), None)


def _is_wordless(role: str, content: Any, results: Sequence[str], reason: Any) -> bool:
    """Whether a turn without text is one: pictures of a user, or an answer that ended empty."""
    parts = (
        [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    )
    if role == "user":
        return not results and any(_is_medium(part) for part in parts)
    calls = any(_is_call(part) for part in parts)
    ended = isinstance(reason, str) and reason not in CALLS
    return role == "assistant" and ended and not calls


def _parts_in(content: Any) -> list[dict[str, Any]]:
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _is_call(part: dict[str, Any]) -> bool:
    return _type_of(part) in _CALL_PARTS or not part.keys().isdisjoint(_CALL_PARTS)


def _is_medium(part: dict[str, Any]) -> bool:
    return _type_of(part) in _MEDIA or not part.keys().isdisjoint(_MEDIA_KEYS)


def _unwrapped(item: dict[str, Any]) -> dict[str, Any]:
    """The message inside the wrappers of OpenAI's choices and of LangChain's serialisation."""
    for key in ("message", "delta", "kwargs", "data"):
        inner = parsed(item.get(key))
        if isinstance(inner, dict) and not ("role" in item or "content" in item):
            outer_role = {"type": item["type"]} if _role(item.get("type")) else {}
            return outer_role | inner
    return item


def _class_name(item: dict[str, Any]) -> Any:
    path = item.get("id")
    return path[-1] if isinstance(path, list) and path else ""


def content_texts(content: Any) -> list[str]:
    """The texts of a content: a string, a part or a list of parts, without reasoning."""
    if isinstance(content, str):
        return [visible(content)]
    if isinstance(content, list):
        return [text for part in content for text in _texts_of_part(part)]
    if isinstance(content, dict):
        return content_texts(content["parts"]) if "parts" in content else _texts_of_part(content)
    return []


def unpacked(content: Any) -> Any:
    """The parts of a content that an attribute could hold as a string only; any other as it is."""
    parts = parsed(content)
    is_parts = isinstance(parts, list) and parts and all(_is_part(part) for part in parts)
    return parts if is_parts else content


def _is_part(part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    return _type_of(part) in _TEXT_PARTS | _RESULT_PARTS or (
        len(part) == 1 and part.keys() <= _BLOCKS
    )


def _texts_of_part(part: Any) -> list[str]:
    if isinstance(part, str):
        return [visible(part)]
    if not isinstance(part, dict) or part.get("thought") is True:
        return []
    if _type_of(part) not in _TEXT_PARTS and part.get("type") is not None:
        return []
    for key in ("text", "content", "refusal"):
        text = part.get(key)
        if isinstance(text, dict):
            text = text.get("value")
        if isinstance(text, str):
            return [visible(text)]
    return []


def _type_of(part: dict[str, Any]) -> str:
    name = part.get("type")
    return name if isinstance(name, str) else ""


def _results(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list) else []:
        if isinstance(part, dict) and _type_of(part) in _RESULT_PARTS:
            yield from tool_texts(part)
        for key in _RESULT_BLOCKS if isinstance(part, dict) else ():
            if isinstance(part.get(key), dict):
                yield from tool_texts(part[key])


def tool_texts(part: dict[str, Any]) -> list[str]:
    """What a tool answered in a part of a message, as texts."""
    for key in _RESULT_KEYS:
        answer = part.get(key)
        if isinstance(answer, dict) and "value" in answer:
            answer = answer["value"]
        if answer is not None:
            texts = content_texts(unpacked(answer))
            return texts or [json.dumps(answer, ensure_ascii=False)]
    return []


def last_user_text(messages: Iterable[Message]) -> str | None:
    """What the user said last, or None when no message is the user's."""
    return _last_text(messages, "user")


def last_assistant_text(messages: Iterable[Message]) -> str | None:
    """What the assistant said last, without reasoning and calls of tools."""
    return _last_text(messages, "assistant")


def _last_text(messages: Iterable[Message], role: str) -> str | None:
    spoken = [message for message in messages if message.text is not None]
    for wanted in (role, ""):
        texts = [message.text for message in spoken if message.role == wanted]
        if texts:
            return texts[-1]
    return None


def first_choice(messages: Sequence[Message], *, choices: bool | None = None) -> list[Message]:
    """The messages, or the first of those that are alternatives, which is what the user saw.

    They are where each has ended for itself, unless it is known what they are.
    """
    apart = all(one.finish_reason and one.role in ("assistant", "") for one in messages)
    if len(messages) < 2 or not (apart if choices is None else choices):
        return list(messages)
    said = [one for one in messages if one.text is not None]
    answers = [one for one in said if one.finish_reason not in CALLS]
    return [*answers, *said, *messages][:1]


def system_text(messages: Iterable[Message]) -> str | None:
    """The instructions before the conversation, or None."""
    texts = [message.text for message in messages if message.role == "system" and message.text]
    return "\n".join(texts) or None


def latest_tool_results(messages: Iterable[Message]) -> list[str]:
    """What tools answered since the user spoke last."""
    results: list[str] = []
    for message in messages:
        if message.role == "user" and message.text is not None:
            results = []
        results += message.tool_results
    return results
