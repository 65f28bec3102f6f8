"""Find the question or the answer in an input or an output of any shape.

Nothing here raises: what has no known shape is None or an uncertain text.
"""

import ast
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from app.ingest.nested import parsed, visible
from app.ingest.words import (
    MAX_SEARCH_DEPTH,
    Message,
    first_choice,
    last_assistant_text,
    last_user_text,
    messages_of,
)

_PROMPT_KEYS = (
    "messages",
    "question",
    "query",
    "query_str",
    "str_or_query_bundle",
    "query_bundle",
    "prompt",
    "user_input",
    "user_message",
    "user_query",
    "chat_input",
    "input",
    "inputs",
    "message",
    "text",
    "content",
    "contents",
    "q",
    "kwargs",
    "args",
)
ALTERNATIVES = ("choices", "generations", "candidates")
_RESPONSE_KEYS = (
    *ALTERNATIVES,
    "output_text",
    "answer",
    "final_answer",
    "response",
    "reply",
    "generation",
    "final_output",
    "output",
    "outputs",
    "result",
    "completion",
    "generated_text",
    "message",
    "messages",
    "text",
    "content",
)
_BUNDLE = re.compile(
    r"QueryBundle\(query_str=('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")(?:, \w+=.*)?\)$", re.DOTALL
)


Spoken = Callable[[list[Message]], str | None]


class Words(NamedTuple):
    """A text, and whether it is certainly the words rather than data around them."""

    text: str
    certain: bool


def prompt_of(value: Any, depth: int = 0) -> Words | None:
    """The question in an input of any shape; None when there is nothing in it."""
    words = _search(value, _PROMPT_KEYS, last_user_text, depth)
    return None if words is None else Words(_unbundled(words.text), words.certain)


def _unbundled(text: str) -> str:
    """The question in what Python prints of LlamaIndex's QueryBundle; any other text as it is."""
    match = _BUNDLE.match(text)
    try:
        return str(ast.literal_eval(match[1])) if match else text
    except (ValueError, SyntaxError):
        return text


def response_of(value: Any, depth: int = 0) -> Words | None:
    """The answer in an output of any shape; None when there is nothing in it."""
    return _search(value, _RESPONSE_KEYS, last_assistant_text, depth)


def _search(value: Any, keys: tuple[str, ...], spoken: Spoken, depth: int) -> Words | None:
    value = parsed(value)
    if isinstance(value, str):
        return Words(visible(value), True)
    if value is None or value == {} or value == [] or depth > MAX_SEARCH_DEPTH:
        return None
    messages = messages_of(value)
    if any(message.role for message in messages):
        text = spoken(first_choice(messages))
        return None if text is None else Words(text, True)
    if isinstance(value, dict):
        return _search_object(value, keys, spoken, depth)
    if isinstance(value, list) and len(value) == 1:
        return _search(value[0], keys, spoken, depth + 1)
    return _uncertain(value)


def _search_object(
    value: dict[str, Any], keys: tuple[str, ...], spoken: Spoken, depth: int
) -> Words | None:
    for key in keys:
        held = parsed(value.get(key))
        # A single named argument beside others without a name is not the question for certain.
        named = key == "kwargs" and value.get("args") and isinstance(held, dict)
        if held not in (None, {}, []) and not (named and held.keys().isdisjoint(keys)):
            one = _first(held) if key in ALTERNATIVES else held
            words: Words | None = _search(one, keys, spoken, depth + 1)
            if words is not None and words.certain:
                return words
    if len(value) == 1:
        return _search(next(iter(value.values())), keys, spoken, depth + 1)
    return _uncertain(value)


def _first(held: Any) -> Any:
    """The first of what may be a list, or a list of lists."""
    while isinstance(held, list) and held:
        held = held[0]
    return held


def _uncertain(value: Any) -> Words:
    return Words(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), False)
