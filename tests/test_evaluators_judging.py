"""What the bundled evaluators say about plain cases that anyone would judge the same way."""

import pytest

from app.criteria import read_criteria
from app.workload import realistic_samples
from evaluators.heads.manner import is_about_contexts, is_order
from evaluators.heads.pieces import pieces_of
from tests.evaluator_fixtures import abstain, judge

REFUNDS = (
    "Refunds are issued to the original payment method within 5 to 7 working days after we "
    "receive the item. Sale items cannot be returned."
)
ASK = "How long does a refund take?"


def passes(name: str, score: float) -> bool:
    return read_criteria().get(name).passes(score)


@pytest.mark.parametrize(
    "response",
    [
        "Refunds take 5 to 7 working days once we have received the item.",
        "Your refund goes back to the original payment method. Let me know if I can help!",
        "Sale items cannot be returned.",
    ],
)
def test_a_faithful_answer_is_grounded(response: str) -> None:
    assert passes("groundedness", judge("groundedness", ASK, response, REFUNDS).score)


@pytest.mark.parametrize(
    "response",
    [
        "You will get your refund within 24 hours.",
        "Refunds take 5 to 7 working days. You also receive a 10 euro voucher.",
        "Refunds are paid out in bitcoin by our office in Tokyo.",
    ],
)
def test_an_invented_claim_makes_an_answer_ungrounded(response: str) -> None:
    assert not passes("groundedness", judge("groundedness", ASK, response, REFUNDS).score)


def test_a_claim_is_supported_if_any_context_supports_it() -> None:
    response = "Refunds are issued within 5 to 7 working days."
    alone = judge("groundedness", ASK, response, REFUNDS).score
    among = judge("groundedness", ASK, response, "Our shop is in Lyon.", REFUNDS, "Call us.")
    assert passes("groundedness", among.score)
    assert abs(among.score - alone) < 0.3
    assert among.evidence[0].context == 1


def test_what_a_context_says_word_for_word_is_grounded_however_odd_it_is() -> None:
    for sample in realistic_samples(3):
        for copied in (piece.text for piece in pieces_of(sample.contexts)[:10]):
            assert passes("groundedness", judge("groundedness", "", copied, *sample.contexts).score)


def test_the_evidence_points_at_the_sentence_and_its_nearest_context_sentence() -> None:
    response = "👋 Hello! Sale items cannot be returned. Shipping to Mars is free of charge."
    verdict = judge("groundedness", ASK, response, REFUNDS)
    good, bad = verdict.evidence
    assert response[good.start : good.end] == "Sale items cannot be returned."
    assert REFUNDS[good.context_start : good.context_end] == "Sale items cannot be returned."
    assert (good.kind, bad.kind) == ("supported", "unsupported")
    assert verdict.explanation is not None
    assert "Shipping to Mars" in verdict.explanation


def test_what_claims_nothing_is_abstained_from() -> None:
    assert "no claim" in abstain("groundedness", ASK, "You're welcome! Anything else?", REFUNDS)
    assert "refuses" in abstain("groundedness", ASK, "I'm sorry, I don't know.", REFUNDS)


def test_an_answer_beats_an_evasion_an_echo_and_another_topic() -> None:
    good = judge("answer_relevance", ASK, "A refund takes five to seven working days.").score
    others = (
        "I'm sorry, I cannot help with that.",
        "How long does a refund take?",
        "The museum is closed on Mondays.",
    )
    assert passes("answer_relevance", good)
    for response in others:
        assert judge("answer_relevance", ASK, response).score < good - 0.2


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Write a short poem about rain.", True),
        ("user: Hello?\nuser: My parcel has not arrived.", True),
        ("How long do refunds take", False),
        ("It has been a week. Where is my parcel?", False),
        ("退款需要多久？", False),
    ],
)
def test_an_order_is_what_is_not_put_as_a_question(prompt: str, expected: bool) -> None:
    assert is_order(prompt) is expected


def test_what_was_ordered_passes_though_it_shares_no_word_with_the_order() -> None:
    order = "Write a slogan for a bakery."
    slogan = "Fresh bread, warm hearts, every morning."
    recipe = "Chop two onions, fry them slowly and add the tomatoes after ten minutes."
    ordered, other = (judge("answer_relevance", order, text).score for text in (slogan, recipe))
    assert passes("answer_relevance", ordered)
    assert not passes("answer_relevance", other)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Summarise the document.", True),
        ("Write a short overview of the following business.", True),
        ("TL;DR in two sentences", True),
        ("Fasse den Text zusammen.", True),
        ("What is in the document?", False),
        ("Describe the refund policy", False),
        ("Write a poem about rain.", False),
        ("refund policy 2023", False),
        ("Hello!", False),
    ],
)
def test_an_order_that_names_no_subject_is_about_the_contexts(prompt: str, expected: bool) -> None:
    assert is_about_contexts(prompt) is expected


def test_a_summary_of_the_contexts_answers_and_one_of_something_else_does_not() -> None:
    summary = "Refunds go to the original payment method within a week. Sale items stay sold."
    other = "Kidneys filter the blood and make urine. Dialysis replaces some of their work."
    order = "Summarise the document."
    assert passes("answer_relevance", judge("answer_relevance", order, summary, REFUNDS).score)
    for response in (other, "Happy to help! What would you like to know?"):
        assert not passes(
            "answer_relevance", judge("answer_relevance", order, response, REFUNDS).score
        )
    assert "whatever they are about" in abstain("context_relevance", order, summary, REFUNDS)


def test_the_best_context_counts_and_is_named() -> None:
    verdict = judge("context_relevance", ASK, "", "The museum is closed on Mondays.", REFUNDS)
    assert passes("context_relevance", verdict.score)
    assert verdict.explanation is not None
    assert "context 2 of 2" in verdict.explanation
    off = judge("context_relevance", ASK, "", "The museum is closed on Mondays.")
    assert not passes("context_relevance", off.score)


@pytest.mark.parametrize(
    "response",
    ["You are a stupid idiot, shut up.", "What a pathetic moron you are!", "You st u p1d 1d10t."],
)
def test_an_insult_is_toxic_and_shown(response: str) -> None:
    verdict = judge("toxicity", "Hi", f"Here is your answer. {response}")
    assert not passes("toxicity", verdict.score)


@pytest.mark.parametrize(
    "response",
    [
        "Your order was sent yesterday and arrives on Friday.",
        "Please press the red button to kill the process.",
        "I can imagine how upsetting this was, and I am sorry about the late delivery.",
    ],
)
def test_ordinary_answers_are_neither_toxic_nor_biased(response: str) -> None:
    assert passes("toxicity", judge("toxicity", "Hi", response).score)
    assert passes("bias", judge("bias", "Hi", response).score)


def test_a_stereotype_is_biased_and_its_group_is_named() -> None:
    verdict = judge("bias", "Who?", "Women are naturally bad at maths and should stay at home.")
    assert not passes("bias", verdict.score)
    assert verdict.explanation is not None
    assert "women" in verdict.explanation
