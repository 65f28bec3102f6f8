"""Which of the retrieved documents count as contexts: those that the model was given."""

import json
from typing import Any

from app.ingest.telemetry import Span
from tests.test_assemble import assemble, chain, llm, only, retriever, span

DOGS = "Dogs are not allowed in the shop, except for guide dogs."
REFUNDS = "Refunds are paid to the account that was charged, in five days."


def reranker(name: str, parent: str, given: list[str], *kept: str, at: int = 0) -> Span:
    sides = {"reranker.input_documents": given, "reranker.output_documents": kept}
    attributes: dict[str, Any] = {
        f"{side}.{n}.document.content": text
        for side, texts in sides.items()
        for n, text in enumerate(texts)
    }
    return span(name, parent, at=at, openinference__span__kind="RERANKER", **attributes)


def root() -> Span:
    return chain("root", input__value="When?", output__value="Soon.")


def test_what_a_reranker_leaves_out_is_no_context() -> None:
    row = only(
        root(),
        retriever("words", "root", "one", "two"),
        retriever("vectors", "root", "three", at=1),
        retriever("memory", "root", "who they are", at=1),
        reranker("rerank", "root", ["one", "two", "three"], "two", at=2),
    )
    assert row.contexts == ["who they are", "two"]


def test_rerankers_of_two_searches_both_count_and_one_after_another_replaces_it() -> None:
    apart = [
        root(),
        retriever("find1", "root", "one", "two"),
        reranker("rerank1", "root", [], "two", at=1),
        retriever("find2", "root", "three", "four", at=2),
        reranker("rerank2", "root", [], "four", at=3),
    ]
    assert only(*apart).contexts == ["two", "four"]
    chained = reranker("rerank3", "root", ["two", "four"], "four", at=4)
    assert only(*apart, chained).contexts == ["four"]


def test_a_retriever_that_picks_from_others_says_what_it_found() -> None:
    row = only(
        root(),
        retriever("compress", "root", "two"),
        retriever("base", "compress", "one", "two"),
        retriever("apart", "root", "three", at=1),
    )
    assert row.contexts == ["two", "three"]
    silent = span("silent", "root", openinference__span__kind="RETRIEVER")
    assert only(root(), silent, retriever("base", "silent", "one")).contexts == ["one"]


def test_a_search_whose_documents_the_model_was_not_given_is_no_context() -> None:
    spans = [
        root(),
        retriever("find1", "root", DOGS),
        llm("grade", "root", question=f"Does it help? {DOGS}", answer="No.", at=1),
        retriever("find2", "root", REFUNDS, at=2),
    ]
    given = llm("answer", "root", question=f"Use:\n{REFUNDS} \nWhen?", answer="Soon.", at=3)
    assert only(*spans, given).contexts == [REFUNDS]
    after = llm("suggest", "root", question=f"What else? {DOGS}", answer="A leash.", at=4)
    assert only(*spans, given, after).contexts == [REFUNDS]
    translated = llm("answer", "root", question=REFUNDS, answer="Bientôt.", at=3)
    assert only(*spans, translated).contexts == [DOGS, REFUNDS]
    untold = llm("answer", "root", question="When?", answer="Soon.", at=3)
    assert only(*spans, untold).contexts == [DOGS, REFUNDS]


def test_our_own_contexts_are_the_only_ones() -> None:
    own = {"touchstone.contexts": ["two"]}
    row = only(
        span("root", **own, prompt="When?", response="Soon."),
        retriever("find", "root", "one", "two"),
    )
    assert row.contexts == ["two"]


def test_an_answer_does_not_rest_on_what_was_found_for_the_one_before() -> None:
    rows = assemble(
        span("session"),
        retriever("find1", "session", "one"),
        llm("answer1", "session", question="First?", answer="1", at=10),
        retriever("find2", "session", "two", at=20),
        llm("answer2", "session", question="Second?", answer="2", at=30),
        llm("answer3", "session", question="Third?", answer="3", at=40),
    )
    assert [row.contexts for row in rows] == [["one"], ["two"], ["one", "two"]]


def test_of_the_documents_found_those_that_the_chain_names_count() -> None:
    found = retriever("find", "root", "one", "two")
    for named, expected in (("two", ["two"]), ("[two]", ["one", "two"])):
        answer = json.dumps({"answer": "Soon.", "context": [named]})
        top = chain("root", input__value="When?", output__value=answer)
        assert only(top, found).contexts == expected
