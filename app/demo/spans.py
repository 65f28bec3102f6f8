"""An interaction as the spans that an instrumented application would send.

Each application follows another convention, as in real fleets: `shop-assistant` the OpenTelemetry
GenAI attributes, `health-plan-helper` OpenInference, `city-services` the older GenAI events.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.demo.traffic import DemoInteraction

NANOSECONDS = 1_000_000_000
SYSTEM_PROMPT = (
    "You are the assistant of {owner}. Answer in the language of the question, in a friendly and "
    "factual way, and only from the passages below. Say so when they do not hold the answer."
)
OWNERS: Mapping[str, str] = {
    "shop-assistant": "the outdoor shop Larchwood Outdoor",
    "health-plan-helper": "the insurer Alder Mutual",
    "city-services": "the town hall of Lindenhaven",
}
TOKENS_PER_CHARACTER = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanEvent:
    """Something that happened within a span."""

    name: str
    attributes: Mapping[str, Any]
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSpan:
    """One span before it is recorded."""

    name: str
    attributes: Mapping[str, Any]
    start_ns: int
    end_ns: int
    events: Sequence[SpanEvent] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Times:
    """When the three spans of an interaction start and end."""

    start_ns: int
    retrieved_ns: int
    end_ns: int
    error: str | None = field(default=None)


def spans_of_interaction(one: DemoInteraction) -> tuple[DemoSpan, DemoSpan, DemoSpan]:
    """The root span, the retrieval and the call of the model."""
    start_ns = _nanoseconds(one.started_at)
    seconds_ns = int(one.seconds * NANOSECONDS)
    error = None if one.contexts else "the search index did not answer"
    times = _Times(start_ns, start_ns + seconds_ns // 10, start_ns + seconds_ns, error)
    return _CONVENTIONS[one.application](one, times)


def _genai(one: DemoInteraction, times: _Times) -> tuple[DemoSpan, DemoSpan, DemoSpan]:
    asked = json.dumps([_genai_message("user", one.prompt)], ensure_ascii=False)
    answer = _genai_message("assistant", one.response) | {"finish_reason": "stop"}
    answered = json.dumps([answer], ensure_ascii=False)
    agent = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "alder",
        "gen_ai.agent.name": one.application,
        "gen_ai.conversation.id": one.conversation,
        "gen_ai.input.messages": asked,
        "gen_ai.output.messages": answered,
    }
    chat = {
        **_genai_call(one),
        "gen_ai.provider.name": "alder",
        "gen_ai.conversation.id": one.conversation,
        "gen_ai.system_instructions": json.dumps(
            [{"type": "text", "content": _instructions(one)}], ensure_ascii=False
        ),
        "gen_ai.input.messages": asked,
        "gen_ai.output.messages": answered,
    }
    return (
        _root(f"invoke_agent {one.application}", one, times, agent),
        _retrieval("retrieval handbook", times, _genai_retrieval(one)),
        _chat(f"chat {one.model}", times, chat),
    )


def _openinference(one: DemoInteraction, times: _Times) -> tuple[DemoSpan, DemoSpan, DemoSpan]:
    chain = {
        "openinference.span.kind": "CHAIN",
        "session.id": one.conversation,
        "input.value": one.prompt,
        "input.mime_type": "text/plain",
        "output.value": one.response,
        "output.mime_type": "text/plain",
    }
    retriever: dict[str, Any] = {"openinference.span.kind": "RETRIEVER", "input.value": one.prompt}
    for number, text in enumerate(one.contexts):
        place = f"retrieval.documents.{number}.document"
        retriever[f"{place}.id"] = f"{one.passage}-{number}"
        retriever[f"{place}.content"] = text
        retriever[f"{place}.score"] = _similarity(number)
    messages = (("system", _instructions(one)), ("user", one.prompt))
    call: dict[str, Any] = {"openinference.span.kind": "LLM", "llm.model_name": one.model}
    for number, (role, text) in enumerate(messages):
        call[f"llm.input_messages.{number}.message.role"] = role
        call[f"llm.input_messages.{number}.message.content"] = text
    call["llm.output_messages.0.message.role"] = "assistant"
    call["llm.output_messages.0.message.content"] = one.response
    call["llm.token_count.prompt"] = _tokens(_instructions(one) + one.prompt)
    call["llm.token_count.completion"] = _tokens(one.response)
    return (
        _root("answer_question", one, times, chain),
        _retrieval("search_member_handbook", times, retriever),
        _chat("llm", times, call),
    )


def _genai_events(one: DemoInteraction, times: _Times) -> tuple[DemoSpan, DemoSpan, DemoSpan]:
    agent = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.system": "alder",
        "gen_ai.agent.name": one.application,
        "session.id": one.conversation,
    }
    choice = json.dumps({"role": "assistant", "content": one.response}, ensure_ascii=False)
    said: Sequence[tuple[str, int, Mapping[str, Any]]] = (
        ("gen_ai.system.message", times.retrieved_ns, {"content": _instructions(one)}),
        ("gen_ai.user.message", times.retrieved_ns, {"content": one.prompt}),
        ("gen_ai.choice", times.end_ns, {"index": 0, "finish_reason": "stop", "message": choice}),
    )
    events = [
        SpanEvent(name=name, attributes={"gen_ai.system": "alder", **attributes}, at_ns=at_ns)
        for name, at_ns, attributes in said
    ]
    chat = {**_genai_call(one), "gen_ai.system": "alder"}
    return (
        _root("invoke_agent city-services", one, times, agent),
        _retrieval("retrieval town-handbook", times, _genai_retrieval(one)),
        _chat(f"chat {one.model}", times, chat, events),
    )


_CONVENTIONS: Mapping[
    str, Callable[[DemoInteraction, _Times], tuple[DemoSpan, DemoSpan, DemoSpan]]
] = {
    "shop-assistant": _genai,
    "health-plan-helper": _openinference,
    "city-services": _genai_events,
}


def _root(
    name: str, one: DemoInteraction, times: _Times, attributes: Mapping[str, Any]
) -> DemoSpan:
    circumstances = {
        "user.id": one.user,
        "touchstone.segment.language": one.language,
        "touchstone.segment.channel": one.channel,
        "touchstone.segment.user_group": one.user_group,
        "touchstone.segment.prompt_version": one.prompt_version,
    }
    return DemoSpan(
        name=name,
        attributes={**attributes, **circumstances},
        start_ns=times.start_ns,
        end_ns=times.end_ns,
    )


def _retrieval(name: str, times: _Times, attributes: Mapping[str, Any]) -> DemoSpan:
    return DemoSpan(
        name=name,
        attributes=attributes,
        start_ns=times.start_ns,
        end_ns=times.retrieved_ns,
        error=times.error,
    )


def _chat(
    name: str, times: _Times, attributes: Mapping[str, Any], events: Sequence[SpanEvent] = ()
) -> DemoSpan:
    return DemoSpan(
        name=name,
        attributes=attributes,
        start_ns=times.retrieved_ns,
        end_ns=times.end_ns,
        events=events,
    )


def _genai_message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def _genai_call(one: DemoInteraction) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": one.model,
        "gen_ai.response.model": one.model,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": _tokens(_instructions(one) + one.prompt),
        "gen_ai.usage.output_tokens": _tokens(one.response),
    }


def _genai_retrieval(one: DemoInteraction) -> dict[str, Any]:
    documents = [
        {"id": f"{one.passage}-{number}", "score": _similarity(number), "content": text}
        for number, text in enumerate(one.contexts)
    ]
    attributes = {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.query.text": one.prompt}
    if documents:
        attributes["gen_ai.retrieval.documents"] = json.dumps(documents, ensure_ascii=False)
    return attributes


def _instructions(one: DemoInteraction) -> str:
    asked = SYSTEM_PROMPT.format(owner=OWNERS[one.application])
    return "\n\n".join((asked, *one.contexts))


def _similarity(number: int) -> float:
    return round(0.83 - 0.11 * number, 2)


def _tokens(text: str) -> int:
    return round(len(text) * TOKENS_PER_CHARACTER)


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * NANOSECONDS + at.microsecond * 1000
