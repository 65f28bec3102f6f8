"""What real clients sent is found again: prompt, contexts, response, and what goes with them."""

import base64
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.ingest.assemble import assemble_trace
from app.ingest.dialects import read_span
from app.ingest.logs import decode_logs
from app.ingest.otlp import decode_traces
from app.ingest.telemetry import LogRecord, Span
from app.tables import Interaction
from tests.builders import WEDNESDAY
from tests.telemetry import logs_from, spans_from

PAYLOADS = sorted(Path(__file__).with_name("payloads").glob("*.jsonl"))
JSON = "application/json"
IDS = {"trace_id": "cd" * 16, "span_id": "ab" * 8}


def replay(requests: Sequence[dict[str, Any]]) -> list[Interaction]:
    """The interactions of all traces in the captured requests."""
    spans: list[Span] = []
    logs: list[LogRecord] = []
    for request in requests:
        body = base64.b64decode(request["body"])
        if request["content_encoding"] == "gzip":
            body = gzip.decompress(body)
        if "/v1/traces" in request["path"]:
            decoded = decode_traces(body, request["content_type"], project="default")
            assert decoded.rejected == 0
            spans += spans_from(decoded)
        elif "/v1/logs" in request["path"]:
            logs += logs_from(decode_logs(body, request["content_type"], project="default"))
    traces = sorted({span.trace_id for span in spans})
    return [row for trace in traces for row in _of_trace(trace, spans, logs)]


def _of_trace(trace_id: str, spans: list[Span], logs: list[LogRecord]) -> list[Interaction]:
    return assemble_trace(
        [span for span in spans if span.trace_id == trace_id],
        [log for log in logs if log.trace_id == trace_id],
        now=WEDNESDAY,
    )


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_the_words_of_a_real_client_are_found(path: Path) -> None:
    said, *requests = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for order in (requests, requests[::-1]):
        (row,) = replay(order)
        assert (row.prompt, row.response) == (said["prompt"], said["response"])
        assert row.contexts == said.get("contexts", [])
        for name in ("system_prompt", "model", "conversation_id"):
            assert getattr(row, name) == said.get(name, getattr(row, name))
        for name in ("prompt", "response", *(["contexts"] if row.contexts else [])):
            assert set(row.provenance[name]) >= {"convention", "attribute", "span_id"}


def found(
    logs: Sequence[LogRecord] = (), events: Sequence[Any] = (), **attributes: Any
) -> dict[str, Any]:
    """What is found in one span with those attributes, with dots for double underscores."""
    span = Span(
        **IDS,
        attributes={key.replace("__", "."): value for key, value in attributes.items()},
        events=list(events),
        resource={},
        status_code=0,
        name="span",
    )
    result = read_span(span, logs)
    values = {name: finding.value for name, finding in result.fields.items()}
    return values | {f"segment.{key}": one.value for key, one in result.segments.items()}


def messages(*pairs: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"role": role, "parts": parts} for role, parts in pairs]


def text(content: str) -> list[dict[str, str]]:
    return [{"type": "text", "content": content}]


# OpenTelemetry GenAI


@pytest.mark.parametrize("shape", [json.dumps, lambda value: value], ids=["string", "structure"])
def test_genai_messages_are_read_as_a_string_and_as_a_structure(shape: Any) -> None:
    sent = messages(
        ("system", text("Be kind.")),
        ("user", text("First?")),
        ("assistant", text("One.")),
        ("user", [*text("Second?"), {"type": "blob", "content": "aGk="}]),
    )
    answer = messages(
        ("assistant", [{"type": "reasoning", "content": "hm"}, *text("Two."), *text("Really.")])
    )
    values = found(gen_ai__input__messages=shape(sent), gen_ai__output__messages=shape(answer))
    assert values["prompt"] == "Second?"
    assert values["system_prompt"] == "Be kind."
    assert values["response"] == "Two.\nReally."


@pytest.mark.parametrize("key", ["response", "result"])
@pytest.mark.parametrize("role", ["tool", "user"])
def test_a_tools_answer_is_no_question_and_may_be_named_either_way(key: str, role: str) -> None:
    sent = messages(
        ("user", text("When?")),
        ("assistant", [{"type": "tool_call", "name": "lookup", "arguments": {}}]),
        (role, [{"type": "tool_call_response", "id": "1", key: "in 3 days"}]),
    )
    values = found(gen_ai__input__messages=sent)
    assert (values["prompt"], values["tool_results"]) == ("When?", ["in 3 days"])


def test_an_output_that_only_calls_a_tool_is_no_response() -> None:
    call = messages(("assistant", [{"type": "tool_call", "name": "lookup"}]))
    assert "response" not in found(gen_ai__output__messages=call)


def a_log(event_name: str, body: Any, /, time_ns: int = 0, **attributes: Any) -> LogRecord:
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return LogRecord(**IDS, event_name=event_name, body=body, time_ns=time_ns, attributes=named)


def test_words_in_the_event_of_details_are_found_in_attributes_and_in_the_body() -> None:
    name = "gen_ai.client.inference.operation.details"
    sent, answer = messages(("user", text("When?"))), messages(("assistant", text("Soon.")))
    fields = {"gen_ai.input.messages": sent, "gen_ai.output.messages": answer}
    as_attributes = LogRecord(**IDS, event_name=name, attributes=fields, body=None, time_ns=0)
    as_body = LogRecord(**IDS, event_name=name, attributes={}, body=fields, time_ns=0)
    event = {"name": name, "attributes": {key: json.dumps(value) for key, value in fields.items()}}
    for values in (found([as_attributes]), found([as_body]), found(events=[event])):
        assert (values["prompt"], values["response"]) == ("When?", "Soon.")


def test_old_events_are_read_from_logs_in_the_order_of_their_time() -> None:
    logs = [
        a_log(
            "gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"content": "2"}}, 9
        ),
        a_log("gen_ai.user.message", {"content": "Second?"}, 3),
        a_log("gen_ai.user.message", {"content": "First?"}, 1),
        a_log("gen_ai.assistant.message", {"content": "1"}, 2),
        a_log("gen_ai.system.message", {"content": "Be kind."}, 0),
        a_log("gen_ai.tool.message", {"content": "doc", "id": "1"}, 4),
    ]
    values = found(logs)
    assert (values["prompt"], values["response"]) == ("Second?", "2")
    assert (values["system_prompt"], values["finish_reason"]) == ("Be kind.", "stop")
    assert values["tool_results"] == ["doc"]


def test_old_events_are_read_from_span_events() -> None:
    events = [
        {"name": "gen_ai.user.message", "attributes": {"content": "When?"}},
        {"name": "gen_ai.choice", "attributes": {"message": '{"content": "Soon."}'}},
    ]
    values = found(events=events)
    assert (values["prompt"], values["response"]) == ("When?", "Soon.")


def test_the_oldest_events_hold_prompt_and_completion() -> None:
    asked = json.dumps([{"role": "user", "content": "When?"}])
    events = [
        {"name": "gen_ai.content.prompt", "attributes": {"gen_ai.prompt": asked}},
        {"name": "gen_ai.content.completion", "attributes": {"gen_ai.completion": "Soon."}},
    ]
    values = found(events=events)
    assert (values["prompt"], values["response"]) == ("When?", "Soon.")


@pytest.mark.parametrize(
    ("documents", "texts"),
    [
        ([{"id": "1", "content": "one"}, {"id": "2", "text": "two"}], ["one", "two"]),
        (["one", "two"], ["one", "two"]),
        ([{"id": "1", "score": 0.5}], None),
        ([{"content": [{"type": "text", "text": "one"}]}], ["one"]),
    ],
)
def test_retrieved_documents_are_read_where_they_have_a_text(documents: Any, texts: Any) -> None:
    for shape in (documents, json.dumps(documents)):
        assert found(gen_ai__retrieval__documents=shape).get("contexts") == texts


def test_tokens_model_and_finish_reason_of_genai_are_found() -> None:
    values = found(
        gen_ai__request__model="asked",
        gen_ai__response__model="given",
        gen_ai__usage__input_tokens=3,
        gen_ai__usage__completion_tokens="4",
        gen_ai__response__finish_reasons='["length"]',
    )
    assert (values["model"], values["input_tokens"], values["output_tokens"]) == ("given", 3, 4)
    assert values["finish_reason"] == "length"


# Other conventions


def test_numbered_prompts_and_completions_are_read() -> None:
    values = found(
        gen_ai__prompt__0__role="system",
        gen_ai__prompt__0__content="Be kind.",
        gen_ai__prompt__1__role="user",
        gen_ai__prompt__1__content='[{"type": "text", "text": "When?"}]',
        gen_ai__prompt__10__role="user",
        gen_ai__prompt__10__content="Last?",
        gen_ai__completion__0__content="Soon.",
        gen_ai__completion__0__finish_reason="stop",
        llm__request__type="chat",
    )
    assert (values["prompt"], values["response"], values["kind"]) == ("Last?", "Soon.", "llm")
    assert (values["system_prompt"], values["finish_reason"]) == ("Be kind.", "stop")


def test_entities_associations_and_database_results_of_traceloop_are_read() -> None:
    entity = found(
        traceloop__span__kind="workflow",
        traceloop__entity__input='{"args": ["When?"], "kwargs": {}}',
        traceloop__entity__output='"Soon."',
        traceloop__association__properties__session_id="c1",
        traceloop__association__properties__plan="gold",
    )
    assert (entity["prompt"], entity["response"]) == ("When?", "Soon.")
    assert (entity["conversation_id"], entity["segment.plan"]) == ("c1", "gold")
    results = [
        {"name": "db.query.result", "attributes": {"db.query.result.document": one}}
        for one in ("one", "two")
    ]
    database = found(events=results)
    assert (database["kind"], database["contexts"]) == ("retriever", ["one", "two"])


def test_openinference_reads_parts_documents_and_plain_values() -> None:
    values = found(
        openinference__span__kind="LLM",
        **{
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.contents.0.message_content.type": "text",
            "llm.input_messages.0.message.contents.0.message_content.text": "When?",
            "llm.input_messages.0.message.contents.1.message_content.type": "image",
            "llm.input_messages.4294967295.message.content": "ignored",
            "metadata": '{"plan": "gold", "user_id": "secret"}',
            "tag.tags": ["beta"],
        },
        input__value='{"messages": []}',
        output__value="Soon.",
        output__mime_type="text/plain",
    )
    assert (values["prompt"], values["response"]) == ("When?", "Soon.")
    assert (values["segment.plan"], values["segment.tag.beta"]) == ("gold", "true")
    assert "segment.user_id" not in values


def test_plain_text_that_looks_like_json_stays_text() -> None:
    value = '{"answer": "Soon."}'
    assert found(output__value=value, output__mime_type="text/plain")["response"] == value
    assert found(output__value=value, output__mime_type="application/json")["response"] == "Soon."


def test_reranked_and_retrieved_documents_of_openinference_are_contexts() -> None:
    values = found(
        openinference__span__kind="RERANKER",
        **{
            "reranker.output_documents.1.document.content": "second",
            "reranker.output_documents.0.document.content": "first",
        },
    )
    assert (values["kind"], values["contexts"]) == ("reranker", ["first", "second"])


def test_langfuse_values_are_json_in_strings() -> None:
    values = found(
        langfuse__observation__type="generation",
        langfuse__observation__input='{"args": [], "kwargs": {"question": "When?"}}',
        langfuse__observation__output='{"role": "assistant", "content": "Soon."}',
        langfuse__observation__usage_details='{"input": 3, "output": 4}',
        langfuse__trace__metadata__plan='"gold"',
        langfuse__observation__prompt__version=7,
        langfuse__release="r2",
        langfuse__environment="live",
    )
    assert (values["prompt"], values["response"]) == ("When?", "Soon.")
    assert (values["input_tokens"], values["output_tokens"]) == (3, 4)
    assert values["segment.plan"] == "gold"
    assert (values["segment.prompt_version"], values["segment.release"]) == ("7", "r2")
    assert values["segment.environment"] == "live"


def test_an_error_of_langfuse_is_told_and_a_warning_is_none() -> None:
    said = {"langfuse__observation__status_message": "out of quota"}
    assert found(langfuse__observation__level="ERROR", **said)["error"] == "out of quota"
    assert "error" not in found(langfuse__observation__level="WARNING", **said)


def test_mlflow_values_are_json_even_when_they_are_texts() -> None:
    values = found(
        mlflow__spanType='"CHAIN"',
        mlflow__spanInputs='{"question": "When?"}',
        mlflow__spanOutputs='"Soon."',
        mlflow__trace__session='"c1"',
    )
    assert (values["kind"], values["conversation_id"]) == ("chain", "c1")
    assert (values["prompt"], values["response"]) == ("When?", "Soon.")


def test_the_legacy_attributes_of_vercel_are_read() -> None:
    whole = found(
        ai__operationId="ai.generateText",
        ai__prompt='{"system": "Be kind.", "prompt": "When?"}',
        ai__response__text="Soon.",
        ai__telemetry__metadata__sessionId="c1",
        ai__telemetry__metadata__plan="gold",
    )
    assert (whole["prompt"], whole["system_prompt"]) == ("When?", "Be kind.")
    assert (whole["response"], whole["conversation_id"]) == ("Soon.", "c1")
    assert whole["segment.plan"] == "gold"
    said = {"type": "text", "value": "3 days"}
    step = found(
        ai__operationId="ai.generateText.doGenerate",
        ai__prompt__messages=json.dumps(
            [
                {"role": "user", "content": [{"type": "text", "text": "When?"}]},
                {"role": "tool", "content": [{"type": "tool-result", "output": said}]},
            ]
        ),
        ai__usage__promptTokens=3,
    )
    assert (step["prompt"], step["tool_results"]) == ("When?", ["3 days"])
    assert (step["kind"], step["input_tokens"]) == ("llm", 3)
    reranked = found(ai__operationId="ai.rerank", ai__documents=['"one"', '{"text": "two"}'])
    assert (reranked["kind"], reranked["contexts"]) == ("reranker", ["one", "two"])


def test_langsmith_runs_are_what_their_kind_says() -> None:
    retriever = found(
        langsmith__span__kind="retriever",
        gen_ai__operation__name="embeddings",
        gen_ai__completion='{"output": [{"page_content": "one", "type": "Document"}]}',
        langsmith__metadata__LANGSMITH_PROJECT="p",
        langsmith__metadata__plan="gold",
        langsmith__span__tags="a, b",
    )
    assert (retriever["kind"], retriever["contexts"]) == ("retriever", ["one"])
    segments = {key for key in retriever if key.startswith("segment.")}
    assert segments == {"segment.plan", "segment.tag.a", "segment.tag.b"}
    message = {"lc": 1, "id": ["langchain", "HumanMessage"], "kwargs": {"content": "When?"}}
    answer = {"text": "Soon.", "message": {"kwargs": {"content": "Soon.", "type": "ai"}}}
    llm = found(
        langsmith__span__kind="llm",
        gen_ai__prompt=json.dumps({"messages": [[message]]}),
        gen_ai__completion=json.dumps({"generations": [[answer]]}),
    )
    assert (llm["prompt"], llm["response"]) == ("When?", "Soon.")


def test_the_older_events_of_pydantic_ai_are_read() -> None:
    events = [
        {"event.name": "gen_ai.user.message", "content": "When?", "role": "user"},
        {"event.name": "gen_ai.choice", "index": 0, "message": {"content": "Soon."}},
    ]
    values = found(events=[], **{"all_messages_events": json.dumps(events)})
    assert (values["prompt"], values["response"]) == ("When?", "Soon.")


def test_request_and_response_data_of_logfire_are_read() -> None:
    values = found(
        request_data='{"messages": [{"role": "user", "content": "When?"}]}',
        response_data='{"combined_chunk_content": "Soon."}',
    )
    assert (values["prompt"], values["response"]) == ("When?", "Soon.")


# How conventions meet in one span


def test_each_field_comes_from_the_first_convention_that_has_it() -> None:
    values = found(
        langfuse__observation__output="vendor",
        gen_ai__output__messages=json.dumps(messages(("assistant", text("standard")))),
        gen_ai__input__messages=json.dumps(messages(("user", text("When?")))),
        input__value="generic",
    )
    assert (values["prompt"], values["response"]) == ("When?", "vendor")


def test_words_win_over_hidden_words_and_over_data_around_words() -> None:
    hidden = found(llm__output_messages__0__message__content="__REDACTED__", output__value="Soon.")
    assert hidden["response"] == "Soon."
    data = json.dumps({"a": "x", "b": "y"})
    assert found(langfuse__observation__output=data, output__value="Soon.")["response"] == "Soon."


def test_segments_are_short_shared_and_not_personal() -> None:
    values = found(
        **{
            "touchstone.segment.plan": "gold",
            "touchstone.segment.lang": "de",
            "touchstone.segment.beta": True,
            "touchstone.segment.size": 3,
            "touchstone.segment.long": "x" * 65,
            "touchstone.segment.uuid": "0b0e7a0c-3a0e-4a63-9c2a-0d8f3e5f9b11",
            "touchstone.segment.at": "2026-11-18T12:00:00Z",
            "touchstone.segment.email": "a@example.org",
            "touchstone.segment.nested": {"a": 1},
        }
    )
    assert values == {
        "segment.plan": "gold",
        "segment.language": "de",
        "segment.beta": "true",
        "segment.size": "3",
    }


def test_error_user_and_session_follow_the_general_conventions() -> None:
    span = Span(
        **IDS,
        attributes={"user.id": "u1", "session.id": "c1"},
        events=[
            {
                "name": "exception",
                "attributes": {"exception.type": "ValueError", "exception.message": "no"},
            }
        ],
        resource={"service.version": "3", "deployment.environment.name": "live"},
        status_code=2,
        status_message="",
    )
    result = read_span(span, ())
    assert result.value("error") == "ValueError: no"
    assert (result.value("user"), result.value("conversation_id")) == ("u1", "c1")
    assert {key: one.value for key, one in result.segments.items()} == {
        "release": "3",
        "environment": "live",
    }
