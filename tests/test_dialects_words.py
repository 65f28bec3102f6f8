"""What was sent is what is found, word for word, also where it looks like something else."""

import json
from typing import Any

import pytest

from tests.test_dialects import found, messages, text

PARTS = json.dumps([{"type": "text", "text": "Soon."}])


def choices(*pairs: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"role": "assistant", "parts": text(words), "finish_reason": reason}
        for words, reason in pairs
    ]


# Of several answers, the first


def test_of_several_choices_the_first_is_the_answer() -> None:
    values = found(gen_ai__output__messages=choices(("A", "stop"), ("B", "length")))
    assert (values["response"], values["finish_reason"]) == ("A", "stop")


def test_messages_that_follow_each_other_are_no_choices() -> None:
    before_call = choices(("Let me look.", "tool_call"), ("In 3 days.", "stop"))
    assert found(gen_ai__output__messages=before_call)["response"] == "In 3 days."
    plain = messages(("assistant", text("Let me look.")), ("assistant", text("In 3 days.")))
    assert found(gen_ai__output__messages=plain)["response"] == "In 3 days."
    agent = {"gen_ai.operation.name": "invoke_agent"}
    steps = choices(("Let me look.", "stop"), ("In 3 days.", "stop"))
    assert found(gen_ai__output__messages=steps, **agent)["response"] == "In 3 days."


def test_old_events_and_numbered_completions_are_choices() -> None:
    events = [
        {"name": "gen_ai.choice", "attributes": {"finish_reason": "stop", "message": words}}
        for words in ("A", "B")
    ]
    assert found(events=events)["response"] == "A"
    numbered = {f"gen_ai.completion.{n}.content": words for n, words in enumerate("AB")}
    assert found(**numbered)["response"] == "A"


def test_openinference_tells_choices_by_the_whole_answer() -> None:
    two = {f"llm.output_messages.{n}.message.content": words for n, words in enumerate("AB")}
    assert found(**two)["response"] == "B"
    whole = json.dumps({"choices": [{"index": 0}, {"index": 1}]})
    assert found(**two, output__value=whole)["response"] == "A"


@pytest.mark.parametrize(
    "whole",
    [
        {"choices": [{"text": "A", "index": 0}, {"text": "B", "index": 1}]},
        {"choices": [{"message": {"role": "assistant", "content": text}} for text in "AB"]},
        {"candidates": [{"content": {"role": "model", "parts": [{"text": t}]}} for t in "AB"]},
        {"generations": [[{"text": "A", "message": {"content": "A"}}, {"text": "B"}]]},
    ],
    ids=["completions", "chat", "gemini", "langchain"],
)
def test_of_the_alternatives_in_a_whole_answer_the_first_is_taken(whole: Any) -> None:
    assert found(output__value=json.dumps(whole))["response"] == "A"


# Plain text stays plain text


def test_text_that_looks_like_parts_stays_as_it_was_typed() -> None:
    sent = [{"role": "user", "content": PARTS}]
    said = [{"role": "assistant", "content": PARTS}]
    for given, answered in (
        ("gen_ai__input__messages", "gen_ai__output__messages"),
        ("langfuse__observation__input", "langfuse__observation__output"),
        ("input__value", "output__value"),
    ):
        values = found(**{given: json.dumps(sent), answered: json.dumps(said)})
        assert (values["prompt"], values["response"]) == (PARTS, PARTS)


def test_parts_that_an_attribute_holds_as_a_string_are_read() -> None:
    numbered = {
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": PARTS,
        "gen_ai.completion.0.content": PARTS,
    }
    values = found(**numbered)
    assert (values["prompt"], values["response"]) == ("Soon.", "Soon.")
    strands = [
        {"name": "gen_ai.user.message", "attributes": {"content": '[{"text": "When?"}]'}},
        {"name": "gen_ai.choice", "attributes": {"message": '[{"text": "Soon."}]'}},
    ]
    values = found(events=strands)
    assert (values["prompt"], values["response"]) == ("When?", "Soon.")
    result = json.dumps([{"toolResult": {"toolUseId": "1", "content": [{"text": "in 3 days"}]}}])
    strands.insert(1, {"name": "gen_ai.tool.message", "attributes": {"content": result}})
    assert found(events=strands)["tool_results"] == ["in 3 days"]


# Our own names


def test_our_own_attributes_are_taken_as_they_are_and_win() -> None:
    answer = json.dumps({"answer": "Soon.", "role": "assistant"})
    own = {"prompt": PARTS, "response": answer, "contexts": ["A", '{"text": "B"}']}
    values = found(
        **{f"touchstone.{name}": value for name, value in own.items()},
        gen_ai__input__messages=json.dumps(messages(("user", text("When?")))),
        output__value="generic",
        contexts=["C"],
    )
    assert {name: values[name] for name in own} == own
    assert found(touchstone__response="")["response"] == ""
    assert found(touchstone__contexts='["A", "B"]')["contexts"] == ["A", "B"]


# LlamaIndex


@pytest.mark.parametrize(
    "asked",
    [
        "QueryBundle(query_str='When?', image_path=None, custom_embedding_strs=None)",
        'QueryBundle(query_str="When?")',
        json.dumps({"str_or_query_bundle": "QueryBundle(query_str='When?', embedding=[0.1])"}),
        json.dumps({"query_bundle": {"query_str": "When?", "image_path": None}}),
    ],
)
def test_the_question_in_a_query_bundle_is_found(asked: str) -> None:
    assert found(input__value=asked)["prompt"] == "When?"


def test_a_question_about_query_bundles_stays_as_it_is() -> None:
    for asked in ("QueryBundle(query_str='a') or not?", "What is QueryBundle(query_str='a')"):
        assert found(input__value=asked)["prompt"] == asked
    quoted = "QueryBundle(query_str='Who\\'s \"it\"?\\n', image_path=None)"
    assert found(input__value=quoted)["prompt"] == 'Who\'s "it"?\n'


@pytest.mark.parametrize(
    "documents",
    [
        json.dumps([{"document.content": "A", "document.id": "1"}, {"document.content": "B"}]),
        json.dumps([{"document": {"content": "A"}}, {"document": {"content": "B"}}]),
        ['{"document.content": "A", "document.score": 1.0}', '{"document.content": "B"}'],
    ],
)
def test_openinference_documents_may_be_json(documents: Any) -> None:
    assert found(retrieval__documents=documents)["contexts"] == ["A", "B"]


# Haystack


def said(role: str, *parts: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {"role": role, "meta": meta, "name": None, "content": list(parts)}


def component(kind: str, given: Any, answered: Any) -> dict[str, Any]:
    return found(
        haystack__component__type=kind,
        haystack__component__input=json.dumps(given),
        haystack__component__output=json.dumps(answered),
    )


def test_haystack_generators_say_answer_model_and_tokens() -> None:
    meta = {"model": "m", "finish_reason": "stop", "usage": {"prompt_tokens": 9}}
    plain = component(
        "HuggingFaceAPIGenerator", {"prompt": "Q"}, {"replies": ["A"], "meta": [meta]}
    )
    chat = component(
        "OpenAIChatGenerator",
        {"messages": [said("system", {"text": "S"}), said("user", {"text": "Q"})]},
        {"replies": [said("assistant", {"text": "A"}, **meta), said("assistant", {"text": "B"})]},
    )
    for values in (plain, chat):
        found_values = [values[name] for name in ("kind", "prompt", "response", "model")]
        assert found_values == ["llm", "Q", "A", "m"]
        assert (values["input_tokens"], values["finish_reason"]) == (9, "stop")
    assert chat["system_prompt"] == "S"


def test_haystack_retrievers_rankers_and_tools_are_steps() -> None:
    documents = {"documents": [{"id": "1", "content": "A"}, {"id": "2", "content": "B"}]}
    found_values = component("InMemoryBM25Retriever", {"query": "Q"}, documents)
    assert (found_values["kind"], found_values["contexts"]) == ("retriever", ["A", "B"])
    assert component("SentenceTransformersSimilarityRanker", {}, documents)["kind"] == "reranker"
    result = {"tool_call_result": {"result": "in 3 days", "origin": {}, "error": False}}
    invoked = component("ToolInvoker", {}, {"tool_messages": [said("tool", result)]})
    assert (invoked["kind"], invoked["tool_results"]) == ("tool", ["in 3 days"])
    step = found(**{"haystack.agent.step.tool.output": "in 3 days"})
    assert (step["kind"], step["tool_results"]) == ("tool", ["in 3 days"])


def test_haystack_builders_and_steps_are_known_and_answer_nothing() -> None:
    built = component("PromptBuilder", {"question": "Q"}, {"prompt": "Facts: … Q"})
    assert built == {"kind": "chain"}
    assert found(**{"haystack.agent.step": 1}) == {"kind": "chain"}


def test_haystack_agents_say_their_last_words() -> None:
    call = {"tool_call": {"tool_name": "look", "arguments": {}}}
    asked = [said("user", {"text": "Q"})]
    whole = [
        *asked,
        said("assistant", {"text": "Looking."}, call),
        said("assistant", {"text": "A"}),
    ]
    agent = {
        "haystack.agent.max_steps": 100,
        "haystack.agent.input": json.dumps({"messages": asked}),
        "haystack.agent.output": json.dumps({"messages": whole, "last_message": whole[-1]}),
    }
    for values in (found(**agent), component("Agent", {"messages": asked}, {"messages": whole})):
        assert [values[name] for name in ("kind", "prompt", "response")] == ["agent", "Q", "A"]


@pytest.mark.parametrize(
    "answered",
    [
        {"llm": {"replies": ["A", "B"], "meta": [{}]}},
        {"llm": {"replies": [said("assistant", {"text": "A"})]}},
        {"answers": {"answers": [{"type": "x", "init_parameters": {"data": "A", "query": "Q"}}]}},
        {"agent": {"messages": [said("user", {"text": "Q"}), said("assistant", {"text": "A"})]}},
    ],
    ids=["generator", "chat", "answers", "agent"],
)
def test_haystack_pipelines_say_the_question_and_the_answer(answered: Any) -> None:
    values = found(
        haystack__pipeline__input_data=json.dumps({"b": {"query": "Q"}, "a": {"template": "t"}}),
        haystack__pipeline__output_data=json.dumps(answered),
    )
    assert [values[name] for name in ("kind", "prompt", "response")] == ["chain", "Q", "A"]


# Google's Agent Development Kit


def test_google_adk_says_words_instructions_session_and_tools() -> None:
    result = {"name": "x", "response": {"result": "in 3 days"}}
    asked = {
        "model": "gemini",
        "config": {"system_instruction": "S"},
        "contents": [
            {"role": "user", "parts": [{"text": "Q"}]},
            {"role": "model", "parts": [{"function_call": {"name": "x", "args": {}}}]},
            {"role": "user", "parts": [{"function_response": result}]},
        ],
    }
    said = {"content": {"role": "model", "parts": [{"text": "A"}]}, "finish_reason": "STOP"}
    prefix = "gcp.vertex.agent."
    values = found(
        **{f"{prefix}llm_request": json.dumps(asked), f"{prefix}llm_response": json.dumps(said)},
        **{f"{prefix}session_id": "s1"},
    )
    assert [values[name] for name in ("kind", "prompt", "response")] == ["llm", "Q", "A"]
    assert (values["system_prompt"], values["conversation_id"]) == ("S", "s1")
    assert values["tool_results"] == ['{"result": "in 3 days"}']
    call = {"content": asked["contents"][1], "finish_reason": "STOP"}
    assert "response" not in found(**{f"{prefix}llm_response": json.dumps(call)})
    nothing = {f"{prefix}{name}": "{}" for name in ("llm_request", "llm_response", "tool_response")}
    assert found(**nothing) == {}


# Streams and tools in events


def test_pieces_of_a_stream_are_one_answer_and_several_answers_are_not_joined() -> None:
    def event(words: str, **fields: Any) -> dict[str, Any]:
        return {"name": "gen_ai.choice", "attributes": {"message": words, **fields}}

    stream = [event("Hel", index=0), event("lo", index=0, finish_reason="stop")]
    assert found(events=stream)["response"] == "Hello"
    several = [event("A", index=0, finish_reason="stop"), event("B", index=1, finish_reason="stop")]
    assert found(events=several)["response"] == "A"


def test_a_tool_of_strands_gives_its_result_and_not_its_arguments() -> None:
    events = [
        {"name": "gen_ai.tool.message", "attributes": {"role": "tool", "content": '{"q": 1}'}},
        {"name": "gen_ai.choice", "attributes": {"message": '[{"text": "in 3 days"}]', "id": "1"}},
    ]
    values = found(events=events, gen_ai__operation__name="execute_tool")
    assert (values["kind"], values["tool_results"]) == ("tool", ["in 3 days"])


def test_a_named_argument_beside_others_is_not_taken_for_the_question() -> None:
    given = {"args": ["When?", "u1"], "kwargs": {"lang": "de"}}
    assert found(traceloop__entity__input=json.dumps(given))["prompt"] == json.dumps(given)
    given = {"args": ["u1"], "kwargs": {"question": "When?"}}
    assert found(traceloop__entity__input=json.dumps(given))["prompt"] == "When?"
    assert found(traceloop__entity__input='{"kwargs": {"x": "When?"}}')["prompt"] == "When?"


# Answers that are no plain text


def test_what_a_model_writes_in_json_is_its_answer() -> None:
    answer = json.dumps({"answer": "42", "why": "x"})
    assert found(response=answer)["response"] == answer
    assert found(completion=answer)["response"] == answer
    whole = json.dumps({"choices": [{"message": {"role": "assistant", "content": answer}}]})
    assert found(response=whole)["response"] == answer


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"content": None, "refusal": "I cannot."}, "I cannot."),
        ({"content": None, "audio": {"id": "a", "transcript": "Hello."}}, "Hello."),
        ({"content": None}, ""),
        ({"content": [{"type": "reasoning", "content": "hm"}]}, ""),
    ],
    ids=["refusal", "spoken", "nothing", "only thoughts"],
)
def test_a_refusal_and_an_answer_without_words_are_answers(message: Any, words: str) -> None:
    choice = {"message": {"role": "assistant", **message}, "finish_reason": "length"}
    assert found(output__value=json.dumps({"choices": [choice]}))["response"] == words


def test_a_call_of_a_tool_is_no_empty_answer() -> None:
    for part, reason in (({"type": "tool_call", "name": "x"}, "stop"), ({}, "tool_calls")):
        call = [{"role": "assistant", "parts": [part], "finish_reason": reason}]
        assert "response" not in found(gen_ai__output__messages=call)


@pytest.mark.parametrize(
    "picture",
    [
        {"type": "blob", "modality": "image", "content": "aGk="},
        {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}},
        {"type": "input_audio", "input_audio": {"data": "aGk="}},
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
    ],
)
def test_a_picture_without_words_is_a_turn_and_not_the_question_before(picture: Any) -> None:
    sent = [
        {"role": "user", "parts": text("Hello")},
        {"role": "assistant", "parts": text("Hi")},
        {"role": "user", "parts": [picture]},
    ]
    assert found(gen_ai__input__messages=sent)["prompt"] == ""


def test_who_speaks_is_read_from_the_configuration_of_langgraph() -> None:
    metadata = json.dumps({"thread_id": "t1", "user_id": "u1", "langgraph_step": 2})
    values = found(openinference__span__kind="CHAIN", metadata=metadata)
    assert (values["conversation_id"], values["user"]) == ("t1", "u1")


def test_ids_may_be_numbers() -> None:
    values = found(user__id=42, session__id=7)
    assert (values["user"], values["conversation_id"]) == ("42", "7")
    assert found(user__id=True) == {}


def test_a_result_of_the_model_context_protocol_is_its_text() -> None:
    result = {"content": [{"type": "text", "text": "in 3 days"}], "isError": False}
    assert found(gen_ai__tool__call__result=result)["tool_results"] == ["in 3 days"]


@pytest.mark.parametrize("name", ["reply", "generation", "final_answer"])
def test_an_answer_has_many_names(name: str) -> None:
    state = json.dumps({"question": "When?", name: "Soon.", "documents": ["A"]})
    assert found(output__value=state)["response"] == "Soon."


def test_of_a_batch_of_prompts_the_first_and_its_answer_are_taken() -> None:
    prompts = {f"llm.prompts.{n}.prompt.text": f"Q{n}" for n in range(2)}
    answers = {f"llm.choices.{n}.completion.text": f"A{n}" for n in range(2)}
    values = found(**prompts, **answers)
    assert (values["prompt"], values["response"]) == ("Q0", "A0")


# Thoughts in the text of an answer are none of it


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("<think>\nSmall numbers.\n</think>\n\n42", "42"),
        ("<Thinking>hm</Thinking> 42", "42"),
        ("Small numbers.\n</think>\n\n42", "42"),
        ("<think></think>", ""),
        ("<think>It never ends", "<think>It never ends"),
        ("It ends with `</think>`, as R1 does.", "It ends with `</think>`, as R1 does."),
        ("Write <think>so</think> in the prompt.", "Write <think>so</think> in the prompt."),
        ("<thinker>Rodin</thinker>", "<thinker>Rodin</thinker>"),
    ],
)
def test_thoughts_before_an_answer_are_left_out(said: str, answer: str) -> None:
    values = found(gen_ai__output__messages=messages(("assistant", text(said))))
    assert values["response"] == answer


def test_what_a_user_writes_in_such_tags_stays() -> None:
    asked = "<think>aloud</think> What is six by seven?"
    values = found(gen_ai__input__messages=messages(("user", text(asked))))
    assert values["prompt"] == asked
