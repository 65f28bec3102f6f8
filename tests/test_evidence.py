"""What a judge reads: pieces of contexts, the evidence of a claim, windows of a few sentences."""

import json
import os
import subprocess
import sys

import pytest

from evaluators.categories import toxic_category
from evaluators.engine import find_encoder
from evaluators.groups import groups_named
from evaluators.heads.evidence import SIGNALS, chosen_pieces, claim_spans, read_sample
from evaluators.heads.pairing import answer_windows, claim_sequences, passage_sequence
from evaluators.heads.pieces import pieces_of
from evaluators.heads.sequences import WINDOW, Tokenizer, windows
from evaluators.protocol import Sample

REFUNDS = "We open at nine. Refunds take 5 days. Sale items cannot be returned. Parking is free."
HOTEL = json.dumps(
    {"name": "Bo", "attributes": {"outdoorSeating": True, "wifi": None}, "hours": ["9:0-22:30"]}
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(find_encoder())


@pytest.mark.parametrize("context", [REFUNDS, HOTEL, "Ein Satz. Noch ein Satz!", "", "{", "a | b"])
def test_every_piece_lies_in_its_context(context: str) -> None:
    for piece in pieces_of(("x.", context)):
        assert 0 <= piece.span.start < piece.span.end <= len(("x.", context)[piece.context])


def test_json_is_read_as_fields_with_the_names_that_lead_to_them() -> None:
    assert [piece.text for piece in pieces_of((HOTEL,))] == [
        "name: Bo",
        "attributes outdoor seating: yes",
        "attributes wifi: not stated",
        "hours: 9:0-22:30",
    ]


def test_a_row_of_a_table_is_read_with_its_columns() -> None:
    table = "2005 masters\nplayer | country\nchris | united states\nthomas | denmark"
    assert [piece.text for piece in pieces_of((table + "\n| | |",))][:3] == [
        "2005 masters",
        "player chris ; country united states",
        "player thomas ; country denmark",
    ]


def test_broken_json_gives_what_it_can() -> None:
    pieces = pieces_of(('{"a": 1, "b": [2, {"c": "three"',))
    assert [piece.text for piece in pieces] == ["a: 1", "b: 2", "b c: three"]


def test_a_claim_gets_the_piece_that_speaks_of_it_first_in_whichever_context() -> None:
    sample = Sample("", "Your refund takes 5 days.", ("The museum is closed.", REFUNDS))
    (claim,) = read_sample(sample).claims
    assert claim.evidence[0].context == 1
    assert claim.evidence[0].text == "Refunds take 5 days."
    assert len(claim.signals) == SIGNALS


@pytest.mark.parametrize(
    ("response", "is_copied"),
    [
        ("The north gate of the park opens at 9 in the morning.", True),
        ("**the north  gate of the park opens at 9 in the morning** [1]", True),
        ("According to passage 1, the north gate of the park opens at 9 in the morning!", True),
        ("The north gate of the park opens at 8 in the morning.", False),
        ("The north gate of the park opens at -9 in the morning.", False),
        ("The gate of the park opens at 9 in the morning.", False),
        ("The park is empty.", False),
    ],
)
def test_a_claim_is_copied_when_a_piece_says_it_word_for_word_and_it_stands_alone(
    response: str, is_copied: bool
) -> None:
    context = "The north gate of the park opens at 9 in the morning. The park is empty."
    (claim,) = read_sample(Sample("Is it open?", response, ("Nothing here.", context))).claims
    assert claim.is_copied is is_copied


def test_a_short_answer_is_read_with_its_question() -> None:
    (claim,) = read_sample(Sample("How long do refunds take?", "5 days.", (REFUNDS,))).claims
    assert claim.text == "How long do refunds take? 5 days."
    assert claim.evidence[0].text == "Refunds take 5 days."


@pytest.mark.parametrize(
    ("response", "contradicts"),
    [
        ("Refunds take 9 days.", True),
        ("Sale items can be returned.", True),
        ("Refunds take 5 days.", False),
        ("We sell bicycles.", False),
    ],
)
def test_another_number_or_a_lost_denial_contradicts(response: str, contradicts: bool) -> None:
    (claim,) = read_sample(Sample("", response, (REFUNDS,))).claims
    assert claim.contradicts is contradicts


def test_what_claims_nothing_gives_no_claim_and_a_refusal_is_told() -> None:
    assert claim_spans("Hello! Anything else?") == ([], False)
    assert claim_spans("👋 🎉") == ([], False)
    assert claim_spans("I'm sorry, I don't know.") == ([], True)
    assert read_sample(Sample("", "It rains.", ())).claims == ()


def test_windows_hold_whole_sentences_and_lie_in_the_text(tokenizer: Tokenizer) -> None:
    text = "One two three four five six seven eight. " * 30
    found = windows(text, tokenizer)
    assert len(found) > 1
    for one in found:
        assert len(one.tokens.ids) <= WINDOW + 2
        assert text[one.span.start : one.span.end].endswith("eight.")
    assert windows("", tokenizer) == []


def test_pairs_tell_their_texts_apart_by_segments(tokenizer: Tokenizer) -> None:
    claims = read_sample(Sample("", "Refunds take 5 days.", (REFUNDS,))).claims
    (sequence,) = claim_sequences(claims, tokenizer)
    assert sequence.types is not None
    assert len(sequence.ids) == len(sequence.types)
    assert set(sequence.types) == {0, 1}
    first, *_ = answer_windows("How long?", "Five days. " * 200, tokenizer)
    assert first.tokens.types is not None


def test_of_a_long_passage_the_part_near_the_question_is_read(tokenizer: Tokenizer) -> None:
    passage = "The sky is blue today. " * 200 + "Refunds take 5 days. " + "Birds sing. " * 200
    window = passage_sequence("How long do refunds take?", passage, tokenizer)
    assert passage[window.span.start : window.span.end] == "Refunds take 5 days."
    assert len(window.tokens.ids) < 160
    assert chosen_pieces("Why?", "") == ()


@pytest.mark.parametrize(
    ("sentence", "attacks", "category"),
    [
        ("I will kill you.", False, "threat"),
        ("They are vermin.", True, "identity attack"),
        ("You are an 1d10t.", False, "insult"),
        ("This is bullshit.", False, "profanity"),
        ("Be gone.", False, "toxic"),
    ],
)
def test_a_toxic_sentence_gets_a_category(sentence: str, attacks: bool, category: str) -> None:
    assert toxic_category(sentence, attacks_identity=attacks) == category


def test_the_groups_of_a_sentence_are_named_once() -> None:
    assert groups_named("Women and men, but mostly women.") == ["women", "men"]


READ = """
from app.workload import realistic_samples
from evaluators.heads.evidence import read_sample
print([(claim.evidence, claim.signals) for one in realistic_samples(3)
       for claim in read_sample(one).claims])
"""


def test_a_sample_is_read_the_same_in_every_process() -> None:
    environments = [{**os.environ, "PYTHONHASHSEED": seed} for seed in ("1", "2")]
    one, other = (
        subprocess.run([sys.executable, "-c", READ], env=env, capture_output=True, check=True)
        for env in environments
    )
    assert one.stdout == other.stdout
    assert len(one.stdout) > 1000
