"""What pages are made of: sentences, passages, trees, addresses, static files."""

import pytest

from app.tables import Evaluation
from feedback_ui.browsing import DEPTH_SHOWN, Node, tree_of
from feedback_ui.pages import STATIC, own_path
from feedback_ui.passages import letter_of, passages_of, sentences_of, split_sentences
from tests.builders import a_span


def test_script_and_style_are_small_and_ask_nothing_of_other_hosts() -> None:
    assert len(STATIC["live.js"]) <= 1024
    assert len(STATIC["touchstone.js"]) <= 12 * 1024
    assert len(STATIC["touchstone.css"]) + len(STATIC["blocks.css"]) <= 20 * 1024
    assert len(STATIC["touchstone.css"]) <= 16 * 1024
    for name in ("touchstone.js", "live.js", "touchstone.css", "blocks.css"):
        assert b"http" not in STATIC[name]
        assert b"url(" not in STATIC[name]
        assert b"@import" not in STATIC[name]


def test_spans_that_name_each_other_as_parents_are_still_shown() -> None:
    spans = [
        a_span(span_id="a", parent_span_id="b"),
        a_span(span_id="b", parent_span_id="a"),
        a_span(span_id="c", parent_span_id="b"),
        a_span(span_id="d", parent_span_id="missing"),
        a_span(span_id="e", parent_span_id="e"),
    ]

    def count(nodes: list[Node]) -> int:
        return sum(1 + count(node.children) for node in nodes)

    assert count(tree_of(spans)) == 5


def test_spans_thousands_deep_are_shown_without_endless_nesting() -> None:
    spans = [
        a_span(span_id=f"{n:016x}", parent_span_id=f"{n - 1:016x}", start_ns=n)
        for n in range(1, 3_001)
    ]
    nodes, levels, shown = tree_of(spans), 0, 0
    while nodes:
        levels, shown = levels + 1, shown + len(nodes)
        nodes = [child for node in nodes for child in node.children]
    assert (levels, shown) == (DEPTH_SHOWN + 1, 3_000)


@pytest.mark.parametrize(
    "address", ["//evil.example", "http://evil.example", "/\\evil.example", "javascript:x", ""]
)
def test_sign_in_leads_to_pages_of_this_server_only(address: str) -> None:
    assert own_path(address) == "/"
    assert own_path("/review?x=1") == "/review?x=1"


def test_sentences_are_found_without_losing_a_character() -> None:
    text = "  One. Two?! «Three…» Four\n\nfive 3.5 kg。六。 "
    found = [text[start:end] for start, end in split_sentences(text)]
    assert found[:2] == ["One.", "Two?!"]
    assert "".join("".join(found).split()) == "".join(text.split())
    assert split_sentences(" \n ") == []


def test_evidence_that_makes_no_sense_is_left_out() -> None:
    evaluation = Evaluation(
        project="default",
        interaction_id="x",
        criterion="groundedness",
        evaluator="e",
        version="1",
        input_hash="",
        evidence=[
            {"start": 0, "end": 4, "score": 0.9, "kind": "supported", "context": 0}
            | {"context_start": 0, "context_end": 3},
            {"start": 5, "end": 99, "score": 0.1, "kind": None, "context": 9}
            | {"context_start": 0, "context_end": 3},
        ],
    )
    sentences = sentences_of("One. Two.", evaluation)
    assert [sentence.status for sentence in sentences] == ["supported", "unsupported"]
    passages = passages_of(["One is here."], "One. Two.", evaluation)
    assert [piece.numbers for piece in passages[0].pieces] == [(1,), ()]
    assert [letter_of(index) for index in (0, 25, 26, 52)] == ["A", "Z", "AA", "BA"]
