"""Which spans make interactions, and which documents belong to them."""

import hashlib
import json
import re
import textwrap
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.ingest.assemble import assemble_trace
from app.ingest.lengths import MAX_TEXT
from app.ingest.telemetry import LogRecord, Span
from app.ingest.values import clean_value
from app.tables import Interaction
from tests.builders import WEDNESDAY

DOCUMENT = "retrieval.documents.0.document.content"
START = 1_795_435_200_000_000_000


def span(name: str, parent: str | None = None, /, *, at: int = 0, **attributes: Any) -> Span:
    """A span with a readable name: its id is the name in hexadecimal; it lasts ten seconds."""
    fields = {
        key: attributes.pop(key) for key in list(attributes) if key in Span.__dataclass_fields__
    }
    return Span(
        **{
            "project": "default",
            "trace_id": "ab" * 16,
            "span_id": id_of(name),
            "parent_span_id": id_of(parent) if parent else None,
            "name": name,
            "start_ns": START + at * 10**9,
            "end_ns": START + (at + 10) * 10**9,
            "attributes": {key.replace("__", "."): value for key, value in attributes.items()},
            "events": [],
            "resource": {"service.name": "shop"},
            "received_at": WEDNESDAY,
            **fields,
        }
    )


def id_of(name: str) -> str:
    return name.encode().hex().ljust(16, "0")[:16]


def llm(
    name: str, parent: str | None = None, /, *, question: str, answer: str, **rest: Any
) -> Span:
    return span(
        name,
        parent,
        openinference__span__kind="LLM",
        **{
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": question,
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": answer,
        },
        **rest,
    )


def chain(name: str, parent: str | None = None, /, **rest: Any) -> Span:
    return span(name, parent, openinference__span__kind="CHAIN", **rest)


def retriever(name: str, parent: str | None = None, /, *documents: str, **rest: Any) -> Span:
    contents = {f"retrieval.documents.{n}.document.content": d for n, d in enumerate(documents)}
    return span(name, parent, openinference__span__kind="RETRIEVER", **contents, **rest)


def tool(name: str, parent: str | None = None, /, *, result: str, **rest: Any) -> Span:
    return span(name, parent, openinference__span__kind="TOOL", output__value=result, **rest)


def assemble(*spans: Span, logs: tuple[LogRecord, ...] = ()) -> list[Interaction]:
    return assemble_trace(spans, logs, now=WEDNESDAY)


def only(*spans: Span) -> Interaction:
    (row,) = assemble(*spans)
    return row


def test_a_trace_without_spans_has_no_interactions() -> None:
    assert assemble() == []


def test_the_topmost_span_with_both_halves_is_the_interaction() -> None:
    row = only(
        chain("root", input__value="When?", output__value="Soon."),
        llm("rewrite", "root", question="rewrite: When?", answer="When will it come?"),
        llm("answer", "root", question="context… When?", answer="Soon."),
    )
    assert (row.span_id, row.prompt, row.response) == (id_of("root"), "When?", "Soon.")


def test_a_span_with_one_half_only_gives_way_to_those_below() -> None:
    rows = assemble(
        span("GET /chat"),
        chain("graph", "GET /chat", input__value="When?"),
        llm("first", "graph", question="When?", answer="Soon.", at=1),
        llm("second", "graph", question="Really?", answer="Yes.", at=2),
    )
    assert [row.prompt for row in rows] == ["When?", "Really?"]


def test_a_span_whose_words_are_data_gives_way_to_certain_words_below() -> None:
    data = json.dumps({"a": "x", "b": "y"})
    root = chain("root", input__value=data, output__value=data)
    below = llm("answer", "root", question="When?", answer="Soon.")
    assert only(root, below).prompt == "When?"
    assert only(root).prompt == data


def test_a_model_that_only_called_a_tool_has_not_answered() -> None:
    call = span(
        "call",
        "root",
        openinference__span__kind="LLM",
        **{
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "When?",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "lookup",
        },
    )
    assert only(
        span("root"), call, llm("end", "root", question="When?", answer="Soon.")
    ).span_id == (id_of("end"))


@pytest.mark.parametrize("kind", ["RETRIEVER", "RERANKER", "EMBEDDING", "TOOL", "EVALUATOR"])
def test_steps_never_make_interactions(kind: str) -> None:
    step = span("s", openinference__span__kind=kind, input__value="in", output__value="out")
    assert assemble(step) == []


def test_models_inside_a_retriever_or_an_evaluator_make_none_either() -> None:
    judge = llm("judge", "check", question="Is this good?", answer="Yes.")
    assert assemble(span("check", openinference__span__kind="EVALUATOR"), judge) == []


def test_contexts_below_the_answer_are_in_order_and_without_repetition() -> None:
    row = only(
        chain("root", input__value="When?", output__value="Soon."),
        retriever("late", "root", "three", "one", at=5),
        retriever("early", "root", "one", "two", at=1),
    )
    assert row.contexts == ["one", "two", "three"]
    assert row.provenance["contexts"]["span_ids"] == [id_of("early"), id_of("late")]


def test_contexts_beside_the_answer_count_if_they_were_there_before_it_ended() -> None:
    row = only(
        span("root"),
        retriever("before", "root", "known", at=0),
        llm("answer", "root", question="When?", answer="Soon.", at=5),
        retriever("after", "root", "not yet known", at=30),
    )
    assert row.contexts == ["known"]


def test_each_turn_of_a_trace_has_its_own_contexts() -> None:
    rows = assemble(
        span("conversation"),
        span("turn1", "conversation"),
        retriever("find1", "turn1", "one"),
        llm("answer1", "turn1", question="First?", answer="1", at=1),
        span("turn2", "conversation", at=20),
        retriever("find2", "turn2", "two", at=20),
        llm("answer2", "turn2", question="Second?", answer="2", at=21),
    )
    assert [row.contexts for row in rows] == [["one"], ["two"]]


def test_documents_inside_one_answer_are_not_lent_to_another() -> None:
    rows = assemble(
        span("root"),
        chain("first", "root", input__value="First?", output__value="1"),
        retriever("find", "first", "one"),
        llm("second", "root", question="Second?", answer="2", at=50),
    )
    assert [row.contexts for row in rows] == [["one"], []]


def test_a_retriever_in_a_trace_without_its_root_still_counts() -> None:
    row = only(
        retriever("find", "lost", "known"),
        llm("answer", "also-lost", question="When?", answer="Soon.", at=1),
    )
    assert row.contexts == ["known"]


def test_what_tools_answered_are_the_contexts_where_nothing_was_retrieved() -> None:
    root = chain("root", input__value="When?", output__value="Soon.")
    answer = tool("lookup", "root", result="Delivery takes 3 days.")
    assert only(root, answer).contexts == ["Delivery takes 3 days."]
    assert only(root, answer, retriever("find", "root", "doc")).contexts == ["doc"]


def test_what_the_manual_sends_by_hand_arrives_with_its_passage() -> None:
    manual = Path("README.md").read_text(encoding="utf-8")
    (source,) = [
        one for one in re.findall(r"```python\n(.*?)```", manual, re.S) if "passage" in one
    ]
    sent: dict[str, str] = {}
    words = {"question": "Where is it?", "answer": "On its way.", "passage": "It left on Monday."}
    body = source.partition("\n")[2].replace("span.set_attribute", "set_attribute")
    exec(textwrap.dedent(body), {"json": json, "set_attribute": sent.__setitem__, **words})
    row = only(span("answer", **sent))
    assert (row.prompt, row.response) == (words["question"], words["answer"])
    assert (row.contexts, row.segments["language"]) == ([words["passage"]], "de")


def test_documents_may_stand_on_the_span_of_the_model() -> None:
    inside = span("model", "app", gen_ai__operation__name="chat", **{DOCUMENT: "D"})
    row = only(chain("app", input__value="Q", output__value="A"), inside)
    assert row.contexts == ["D"]


@pytest.mark.parametrize("name", ["contexts", "retrieved_contexts", "context", "documents"])
@pytest.mark.parametrize("value", [["D1", "D2"], '["D1", "D2"]'])
def test_contexts_may_stand_under_a_plain_name(name: str, value: Any) -> None:
    assert only(span("app", prompt="Q", response="A", **{name: value})).contexts == ["D1", "D2"]


def test_documents_returned_beside_the_answer_count_where_no_retriever_tells_them() -> None:
    returned = json.dumps({"answer": "A", "context": [{"page_content": "D"}]})
    app = chain("app", input__value='{"question": "Q"}', output__value=returned)
    assert only(app).contexts == ["D"]
    assert only(app, retriever("r", "app", "Whole D")).contexts == ["Whole D"]
    assert only(chain("app", input__value="Q", output__value='{"text": "A"}')).contexts == []


def test_model_tokens_user_and_conversation_are_found_around_the_answer() -> None:
    row = only(
        span("request", session__id="c1", user__id="u1", **{"touchstone.segment.region": "EU"}),
        chain("root", "request", input__value="When?", output__value="Soon.", language="de"),
        llm("one", "root", question="a", answer="b", llm__token_count__prompt=3, at=1),
        llm(
            "two",
            "root",
            question="c",
            answer="d",
            llm__token_count__prompt=4,
            llm__token_count__completion=2,
            llm__model_name="m2",
            at=2,
        ),
    )
    assert (row.model, row.conversation_id) == ("m2", "c1")
    assert row.user_hash not in (None, "u1")
    assert (row.input_tokens, row.output_tokens) == (7, 2)
    assert row.segments == {"region": "EU", "language": "de", "model": "m2"}
    assert row.provenance["model"] == {
        "convention": "openinference",
        "attribute": "llm.model_name",
        "span_id": id_of("two"),
    }


def test_times_are_those_of_the_span_or_of_its_arrival() -> None:
    row = only(llm("a", question="q", answer="a"))
    assert row.started_at == datetime.fromtimestamp(START / 10**9, UTC)
    assert row.duration_ns == 10 * 10**9
    unknown = only(llm("a", question="q", answer="a", start_ns=0))
    assert (unknown.started_at, unknown.duration_ns) == (WEDNESDAY, None)
    backwards = only(llm("a", question="q", answer="a", end_ns=START - 5))
    assert backwards.duration_ns is None


def test_an_error_of_the_span_is_told() -> None:
    failed = llm("a", question="q", answer="a", status_code=2, status_message="rate limit")
    assert only(failed).error == "rate limit"


@pytest.mark.parametrize("hidden", ["", "__REDACTED__"])
def test_hidden_words_are_kept_as_empty(hidden: str) -> None:
    row = only(llm("a", question="q", answer=hidden))
    assert (row.prompt, row.response) == ("q", "")


def test_spans_in_a_circle_and_their_own_parents_are_tolerated() -> None:
    rows = assemble(
        llm("self", "self", question="q1", answer="a1"),
        chain("one", "two"),
        chain("two", "three", at=-1),
        chain("three", "one"),
        llm("leaf", "one", question="q2", answer="a2", at=1),
    )
    assert [row.prompt for row in rows] == ["q1", "q2"]


def test_the_same_spans_in_any_order_give_the_same_interactions() -> None:
    spans = [
        chain("root", input__value="When?", output__value="Soon."),
        retriever("find", "root", "one", "two"),
        llm("answer", "root", question="When?", answer="Soon."),
    ]
    dumps = [[row.model_dump() for row in assemble(*order)] for order in (spans, spans[::-1])]
    assert dumps[0] == dumps[1]


def test_thousands_of_spans_two_thousand_deep_take_no_recursion_and_little_time() -> None:
    deep = [span("s0")] + [span(f"s{n}", f"s{n - 1}") for n in range(1, 2_000)]
    wide = [span(f"w{n}", "s1999") for n in range(500)]
    turns = [
        one
        for n in range(100)
        for one in (
            retriever(f"r{n}", "s1999", f"document {n}", at=n),
            llm(f"a{n}", "s1999", question=f"q{n}", answer="a", at=n),
        )
    ]
    started = time.process_time()
    rows = assemble(*deep, *wide, *turns)
    assert len(rows) == 100
    assert rows[0].contexts == ["document 0"]
    assert rows[-1].contexts[-1] == "document 99"
    assert time.process_time() - started < 20


ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        [
            *("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"),
            *("gen_ai.operation.name", "gen_ai.retrieval.documents", "gen_ai.tool.call.result"),
            *("gen_ai.prompt", "gen_ai.completion", "gen_ai.prompt.0.content", "input.value"),
            *("output.value", "openinference.span.kind", "llm.input_messages.0.message.content"),
            *("retrieval.documents.0.document.content", "metadata", "tag.tags", "user.id"),
            *("langfuse.observation.input", "langfuse.observation.type", "mlflow.spanInputs"),
            *("mlflow.spanOutputs", "mlflow.spanType", "traceloop.entity.input", "ai.prompt"),
            *("ai.documents", "ai.toolCall.result", "langsmith.span.kind", "request_data"),
            *("response_data", "pydantic_ai.all_messages", "final_result", "events"),
            *("ai.observability.record_root.input", "ai.observability.call.kwargs.x"),
        ]
    ),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.sampled_from(["", "text", "[", "{}", '["user","\\u0000\\ud800"]', "LLM", "retriever"])
        | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["role", "content", "parts", "type", "text", "messages", "id"]),
                inner,
                max_size=3,
            )
            | inner.map(json.dumps)
        ),
        max_leaves=6,
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=150)
@given(
    attributes=st.lists(ATTRIBUTES, min_size=1, max_size=4),
    parents=st.lists(st.integers(0, 4), min_size=4, max_size=4),
    body=ATTRIBUTES,
)
def test_any_spans_are_assembled_without_an_error(
    attributes: list[dict[str, Any]], parents: list[int], body: dict[str, Any]
) -> None:
    spans = [
        span(f"s{n}", f"s{parents[n]}", attributes=one, events=[{"name": "e", "attributes": body}])
        for n, one in enumerate(attributes)
    ]
    log = LogRecord(
        trace_id="ab" * 16,
        span_id=spans[0].span_id,
        event_name="gen_ai.choice",
        body=body,
        attributes={},
    )
    for row in assemble(*spans, logs=(log,)):
        for words in (row.prompt, row.response, *row.contexts):
            assert isinstance(words, str)
        dumped = row.model_dump(exclude={"started_at", "received_at"})
        assert clean_value(dumped) == dumped


def test_a_text_too_long_to_judge_is_cut_and_says_how_long_it_was() -> None:
    long = "word " * 300_000
    spans = [
        span("ask", prompt=long, response="Soon."),
        span("find", "ask", openinference__span__kind="RETRIEVER", **{DOCUMENT: long}),
    ]
    (row,) = assemble_trace(spans, [], now=WEDNESDAY)
    assert (row.prompt, row.response, row.contexts) == (long[:MAX_TEXT], "Soon.", [long[:MAX_TEXT]])
    digest = hashlib.sha256(long.encode()).hexdigest()
    for name in ("prompt", "contexts"):
        note = {key: row.provenance[name][key] for key in ("cut_at", "characters", "sha256")}
        assert note == {"cut_at": MAX_TEXT, "characters": 1_500_000, "sha256": [digest]}
    assert "cut_at" not in row.provenance["response"]


def generator(name: str, sent: str, reply: str, *, at: int = 0) -> Span:
    return span(
        name,
        "pipeline",
        at=at,
        **{
            "haystack.component.type": "OpenAIGenerator",
            "haystack.component.input": json.dumps({"prompt": sent}),
            "haystack.component.output": json.dumps({"replies": [reply]}),
        },
    )


def test_words_filled_into_a_template_give_way_to_the_question_above() -> None:
    row = only(
        span("pipeline", **{"haystack.pipeline.input_data": '{"a": {"query": "When?"}}'}),
        generator("rewrite", "Rewrite: When?", "When will it come?"),
        generator("llm", "Facts: … Question: When?", "Soon.", at=1),
    )
    assert (row.prompt, row.response) == ("When?", "Soon.")
    assert row.provenance["prompt"]["span_id"] == id_of("pipeline")


def a_call(name: str, at: int, reason: str, answer: str) -> Span:
    said = {"role": "assistant", "content": answer, "finish_reason": reason}
    asked = {"role": "user", "content": "When?"}
    messages = {"gen_ai.input.messages": [asked], "gen_ai.output.messages": [said]}
    return span(name, "root", at=at, **messages)


def test_what_is_said_beside_the_call_of_a_tool_is_no_answer_when_one_follows() -> None:
    aloud = a_call("first", 0, "tool_calls", "Let me look.")
    assert only(span("root"), aloud, a_call("last", 1, "stop", "Soon.")).response == "Soon."
    assert only(span("root"), aloud).response == "Let me look."


def test_an_answer_whose_request_failed_afterwards_tells_the_error() -> None:
    failed: dict[str, Any] = {"status_code": 2, "status_message": "cannot be sent"}
    row = only(span("root", **failed), a_call("answer", 0, "stop", "Soon."))
    assert row.error == "cannot be sent"
    rows = assemble(
        span("root", **failed),
        a_call("answer", 0, "stop", "Soon."),
        a_call("again", 1, "stop", "Now."),
    )
    assert [row.error for row in rows] == [None, None]


def test_an_answer_that_broke_off_is_none_when_it_was_tried_again() -> None:
    broken = replace(a_call("first", 0, "stop", "So"), status_code=2, status_message="cut")
    assert only(span("root"), broken, a_call("last", 1, "stop", "Soon.")).response == "Soon."
    alone = only(span("root"), broken)
    assert (alone.response, alone.error) == ("So", "cut")


def test_tokens_of_a_call_that_two_libraries_tell_of_count_once() -> None:
    used = {"gen_ai.usage.input_tokens": 10, "gen_ai.operation.name": "chat"}
    row = only(
        chain("root", input__value="When?", output__value="Soon."),
        span("outer", "root", **used),
        span("inner", "outer", **used),
        span("apart", "root", at=1, **used),
    )
    assert row.input_tokens == 20


def test_the_model_is_the_one_that_said_the_answer() -> None:
    names = {"route": ("billing", "small"), "main": ("Soon.", "large"), "title": ("Hi", "tiny")}
    models = [
        llm(name, "root", question="When?", answer=answer, at=at, llm__model_name=model)
        for at, (name, (answer, model)) in enumerate(names.items())
    ]
    row = only(chain("root", input__value="When?", output__value="Soon.\n"), *models)
    assert row.model == "large"


def test_words_beside_a_call_are_no_answer_also_where_no_reason_is_given() -> None:
    call = {"llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "lookup"}
    aloud = llm("first", "root", question="When?", answer="Let me look.", **call)
    last = llm("last", "root", question="When?", answer="Soon.", at=1)
    assert only(span("root"), aloud, last).response == "Soon."
