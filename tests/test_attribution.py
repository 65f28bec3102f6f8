"""What an answer says about its sources is no claim; numbers are read as people write them."""

import pytest

from evaluators.attribution import announces, without_sources
from evaluators.heads.evidence import claim_spans, read_sample
from evaluators.protocol import Sample
from evaluators.signals import bare_numbers, numbers

NOT_IN_PROSE = 23
"""The place of the signal that a number is told in no prose."""
PASSAGES = (
    "Seedlings need 14 to 16 hours of light a day.",
    "A small fan strengthens stems. Each kidney holds about one million nephrons.",
)


@pytest.mark.parametrize(
    ("sentence", "claimed"),
    [
        ("Based on the given passages, seedlings need light.", "Seedlings need light."),
        ("According to passage 1, seedlings need light.", "Seedlings need light."),
        ("Passage 2 states that a fan helps.", "A fan helps."),
        ("The document says refunds take 5 days.", "Refunds take 5 days."),
        ("A fan helps (passage 2).", "A fan helps."),
        ("A fan helps (see documents 1 and 2).", "A fan helps."),
        ("He was first [1][2].", "He was first."),
        ("He was first [source 3, 4].", "He was first."),
        ("**Duration**: 14 hours with `--light`.", "Duration: 14 hours with --light."),
        ("In text messages, people shorten words.", "In text messages, people shorten words."),
        ("Information theory says that bits are bits.", ""),
        ("Use a[1] of the array (item 2).", "Use a of the array (item 2)."),
        ("2 * 3 is a * b.", ""),
        ("[1]", ""),
    ],
)
def test_sources_and_marks_are_left_out_of_a_claim(sentence: str, claimed: str) -> None:
    assert without_sources(sentence) == (claimed or sentence)


@pytest.mark.parametrize(
    ("sentence", "is_announcement"),
    [
        ("Based on the provided passages, here are the key points:", True),
        ("To reset it, follow these steps:", True),
        ("**Here's how:**", True),
        ("The score has five factors:", False),
        ("Refunds take 90 days for the following items:", False),
        ("Here is the key: it lies under the mat.", False),
    ],
)
def test_a_sentence_that_only_leads_to_the_next_one_claims_nothing(
    sentence: str, is_announcement: bool
) -> None:
    assert announces(sentence) is is_announcement
    assert (claim_spans(sentence)[0] == []) is is_announcement


def test_a_cited_claim_reads_like_the_same_claim_without_its_source() -> None:
    plain = "A small fan strengthens the stems."
    cited = "According to passage 2, a small fan strengthens the stems [2]."
    (one,) = read_sample(Sample("", plain, PASSAGES)).claims
    (other,) = read_sample(Sample("", cited, PASSAGES)).claims
    assert (one.text, one.signals) == (other.text, other.signals)
    assert cited[other.span.start : other.span.end] == cited


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("one million nephrons", {"1000000"}),
        ("$1.7 billion and 47.5 million", {"1700000000", "47500000"}),
        ("200k and 3bn", {"200000", "3000000000"}),
        ("9:30 pm to 10 p.m.", {"21:30", "22"}),
        ("11:0-22:0", {"11", "22"}),
        ("from noon to midnight", {"12", "0"}),
        ("12 am", {"0"}),
        ("1,000 and 1000.0", {"1000"}),
        ("5.5k", {"5500"}),
        ("a hundred men in 2023", {"100", "2023"}),
    ],
)
def test_numbers_have_one_spelling(text: str, found: set[str]) -> None:
    assert numbers(text) == found


def test_another_size_of_a_number_contradicts_and_a_bare_number_is_held() -> None:
    (claim,) = read_sample(
        Sample("", "Each kidney holds about one billion nephrons.", PASSAGES)
    ).claims
    assert claim.contradicts
    assert bare_numbers("open until 10 PM") == {"10"}
    (claim,) = read_sample(Sample("", "It is open until 10.", ("It is open until 10 PM.",))).claims
    assert not claim.contradicts


@pytest.mark.parametrize(
    ("contexts", "response", "is_invented"),
    [
        (("It opened in 1984.",), "It opened in 1985.", True),
        (("A man came with his wife.",), "Two people came.", False),
        (("name | goals\nann | 3\nbea | 4\ncat | 5",), "They scored 12 goals.", False),
    ],
)
def test_a_number_that_prose_does_not_hold_is_told_apart_from_one_that_can_be_counted(
    contexts: tuple[str, ...], response: str, is_invented: bool
) -> None:
    (claim,) = read_sample(Sample("", response, contexts)).claims
    assert bool(claim.signals[NOT_IN_PROSE]) is is_invented
