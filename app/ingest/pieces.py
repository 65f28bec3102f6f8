"""What dialects yield, and the readings that they share."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.ingest.documents import documents_beside, documents_of, result_texts
from app.ingest.nested import parsed, visible
from app.ingest.telemetry import LogRecord, Span
from app.ingest.unwrapping import Words, prompt_of, response_of
from app.ingest.words import (
    Message,
    first_choice,
    last_assistant_text,
    last_user_text,
    latest_tool_results,
    messages_of,
    system_text,
)

FIELDS = frozenset(
    {
        "kind",
        "prompt",
        "system_prompt",
        "response",
        "contexts",
        "reranked",
        "tool_results",
        "model",
        "input_tokens",
        "output_tokens",
        "conversation_id",
        "user",
        "finish_reason",
        "calls",
        "error",
        "application",
    }
)
SEGMENT = "segment."
MAX_INDEX = 10_000
MAX_TOKENS = 2**31 - 1

LLM, AGENT, CHAIN, TOOL = "llm", "agent", "chain", "tool"
RETRIEVER, RERANKER, EMBEDDING, EVALUATOR = "retriever", "reranker", "embedding", "evaluator"


@dataclass(frozen=True, slots=True)
class Piece:
    """A value of one field, and the attribute it was read from.

    `field` is one of FIELDS, or `segment.` and the key of a segment. `certain` is False where the
    value is data around the words rather than the words themselves.
    """

    field: str
    value: Any
    attribute: str
    certain: bool = True


Pieces = Iterator[Piece]
Dialect = Callable[[Span, Sequence[LogRecord]], Pieces]


def inputs(messages: Sequence[Message], attribute: str) -> Pieces:
    """What the messages sent to a model say: question, instructions, answers of tools."""
    if not messages:
        return
    yield Piece("prompt", last_user_text(messages), attribute)
    yield Piece("system_prompt", system_text(messages), attribute)
    yield Piece("tool_results", latest_tool_results(messages), attribute)


def outputs(messages: Sequence[Message], attribute: str, *, choices: bool | None = None) -> Pieces:
    """What the messages that came from a model say; of `choices` the first, if they are such."""
    if not messages:
        return
    yield Piece("tool_results", latest_tool_results(messages), attribute)
    messages = first_choice(messages, choices=choices)
    yield Piece("response", last_assistant_text(messages), attribute)
    yield Piece("calls", True if messages[-1].calls else None, attribute)
    reasons = [message.finish_reason for message in messages if message.finish_reason]
    yield Piece("finish_reason", reasons[-1] if reasons else None, attribute)


def prompt_piece(value: Any, attribute: str) -> Pieces:
    """The question in an input of any shape."""
    yield from _words("prompt", prompt_of(value), attribute)


def response_piece(value: Any, attribute: str) -> Pieces:
    """The answer in an output of any shape, and the documents that are returned with it."""
    yield from _words("response", response_of(value), attribute)
    yield Piece("contexts", documents_beside(value), attribute, certain=False)


def input_pieces(value: Any, attribute: str) -> Pieces:
    """What an input of any shape says: messages, or a question somewhere in it."""
    messages = messages_of(value)
    if any(message.role for message in messages):
        yield from inputs(messages, attribute)
    else:
        yield from prompt_piece(value, attribute)


def output_pieces(value: Any, attribute: str) -> Pieces:
    """What an output of any shape says: messages, or an answer somewhere in it."""
    messages = messages_of(value)
    if any(message.role for message in messages):
        yield from outputs(messages, attribute)
    else:
        yield from response_piece(value, attribute)


def _words(field: str, words: Words | None, attribute: str) -> Pieces:
    if words is not None:
        yield Piece(field, words.text, attribute, words.certain)


def text_pieces(attributes: Mapping[str, Any], fields: Mapping[str, Sequence[str]]) -> Pieces:
    """For each field the first attribute that holds a text."""
    for field, names in fields.items():
        for name in names:
            text = attributes.get(name)
            # Ids of users and conversations are numbers as often as texts.
            text = str(text) if isinstance(text, int) and not isinstance(text, bool) else text
            if isinstance(text, str) and text:
                yield Piece(field, visible(text), name)
                break


def token_pieces(attributes: Mapping[str, Any], fields: Mapping[str, Sequence[str]]) -> Pieces:
    """For each field the first attribute that holds a count."""
    for field, names in fields.items():
        for name in names:
            count = as_count(attributes.get(name))
            if count is not None:
                yield Piece(field, count, name)
                break


def as_count(value: Any) -> int | None:
    """A count of tokens, or None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 12:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_TOKENS else None


def kind_piece(value: Any, kinds: Mapping[str, str], attribute: str) -> Pieces:
    """The kind of the span, where its name is one that is known."""
    if isinstance(value, str):
        yield Piece("kind", kinds.get(value.lower()), attribute)


def fetched_pieces(kind: str | None, output: Any, attribute: str) -> Pieces:
    """What a retriever found or a tool answered; nothing for a span of another kind."""
    if kind in (RETRIEVER, RERANKER):
        yield Piece("contexts", documents_of(output), attribute)
    elif kind == TOOL:
        yield Piece("tool_results", result_texts(output), attribute)


def first_text(value: Any) -> str | None:
    """The first text in a list, in a list inside a string, or the text itself."""
    held = parsed(value)
    if isinstance(held, list):
        held = next((item for item in held if isinstance(item, str)), None)
    return held if isinstance(held, str) and held else None


def segments_in(values: Any, attribute: str) -> Pieces:
    """The entries of a mapping, or of one inside a string, as segments."""
    held = parsed(values)
    for key, value in held.items() if isinstance(held, dict) else ():
        yield Piece(f"{SEGMENT}{key}", value, f"{attribute}.{key}")


def segments_under(attributes: Mapping[str, Any], prefix: str) -> Pieces:
    """The attributes below a prefix as segments."""
    for name, value in attributes.items():
        if name.startswith(prefix) and len(name) > len(prefix):
            yield Piece(f"{SEGMENT}{name[len(prefix) :]}", value, name)


def tags_in(values: Any, attribute: str) -> Pieces:
    """Each tag of a list, or of a list in a string, as a segment of its own."""
    held = parsed(values)
    if isinstance(held, str):
        held = held.split(",")
    for tag in held if isinstance(held, list) else ():
        if isinstance(tag, str) and tag.strip():
            yield Piece(f"{SEGMENT}tag.{tag.strip()}", "true", attribute)


def indexed(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """The attributes `PREFIX.N.REST` as one dictionary of REST for each N, in order of N."""
    pattern = re.compile(re.escape(prefix) + r"\.([0-9]{1,5})\.(.+)", re.DOTALL)
    found: dict[int, dict[str, Any]] = {}
    for name, value in attributes.items():
        match = pattern.fullmatch(name)
        if match and int(match[1]) <= MAX_INDEX:
            found.setdefault(int(match[1]), {})[match[2]] = value
    return [found[index] for index in sorted(found)]


def has_prefix(names: Iterable[str], *prefixes: str) -> bool:
    """Whether any name begins with one of the prefixes."""
    return any(name.startswith(prefixes) for name in names)
