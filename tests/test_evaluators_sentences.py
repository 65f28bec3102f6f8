"""Sentences and exact signals, as training and judging see them."""

import time

import pytest

from evaluators.sentences import MAX_CHARACTERS, split_sentences
from evaluators.signals import (
    content_words,
    has_negation,
    is_refusal,
    is_small_talk,
    names,
    numbers,
    plain_letters,
    spell_emoji,
)


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Dr. Smith paid 3.5 dollars. He left! Did he?",
            ["Dr. Smith paid 3.5 dollars.", "He left!", "Did he?"],
        ),
        (
            "It is open Mon.–Fri. from 9 a.m. to 5 p.m. on weekdays. Call us.",
            ["It is open Mon.–Fri. from 9 a.m. to 5 p.m. on weekdays.", "Call us."],
        ),
        (
            "J. K. Rowling wrote it in the U.S. in 1997. No. 5 is good, e.g. here.",
            ["J. K. Rowling wrote it in the U.S. in 1997.", "No. 5 is good, e.g. here."],
        ),
        ("1. Open it.\n2. Close it.\n- Then *wait*", ["Open it.", "Close it.", "Then *wait"]),
        ("A line that\ngoes on. Next", ["A line that\ngoes on.", "Next"]),
        ("A heading\n\nText follows", ["A heading", "Text follows"]),
        ("name | age\nann | 5", ["name | age", "ann | 5"]),
        ("¿Dónde está? ¡Aquí!", ["¿Dónde está?", "¡Aquí!"]),
        ("今日は。明日は！", ["今日は。", "明日は！"]),
        ("Hi 👋🏽. Bye… and so on. What?!", ["Hi 👋🏽.", "Bye… and so on.", "What?!"]),
        ("👍🏽", ["👍🏽"]),
        ("...\n\n!?", []),
        ("", []),
    ],
)
def test_a_text_is_split_where_a_reader_would(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_long_pieces_are_cut_and_nothing_is_lost() -> None:
    text = "word " * 1000
    assert all(len(piece) <= MAX_CHARACTERS for piece in sentences(text))
    assert " ".join(sentences(text)).split() == text.split()


@pytest.mark.parametrize("text", ["." * 100_000, " " * 100_000, "a.b " * 25_000, "- " * 50_000])
def test_hostile_texts_are_split_in_linear_time(text: str) -> None:
    started = time.process_time()
    split_sentences(text)
    is_small_talk(text)
    is_refusal(text)
    numbers(text)
    names(text)
    plain_letters(text)
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    "sentence",
    [
        "You're welcome!",
        "Let me know if I can help with anything else.",
        "👋 Hello!",
        "Thank you for reaching out to us.",
        "Would you like me to look that up?",
        "I hope this helps!",
        "Gern geschehen!",
    ],
)
def test_courtesies_and_questions_claim_nothing(sentence: str) -> None:
    assert is_small_talk(sentence)


@pytest.mark.parametrize(
    "sentence",
    ["Refunds take 5 days.", "Sure, your refund was sent.", "Thanks to the update, it is faster."],
)
def test_statements_are_not_small_talk(sentence: str) -> None:
    assert not is_small_talk(sentence)


def test_refusals_are_recognised() -> None:
    assert is_refusal("I'm sorry, but I can't help with that.")
    assert is_refusal("The provided context does not mention this.")
    assert not is_refusal("You cannot return sale items.")


def test_numbers_have_one_spelling() -> None:
    assert numbers("$1,000 for five people at 9:00") == {"1000", "5", "9"}
    assert numbers("1000.0 for 5 people") == {"1000", "5"}


def test_names_are_capitalised_words_inside_a_sentence() -> None:
    assert names("The tower is in Paris. It was built by Gustave Eiffel.") == {
        *("paris", "gustave", "eiffel")
    }


def test_negation_and_content_words() -> None:
    assert has_negation("They don't ship.")
    assert not has_negation("They ship.")
    assert content_words("Refunds are processed within days") == [
        "refund",
        "process",
        "within",
        "day",
    ]


def test_emoji_are_spelled_out() -> None:
    assert spell_emoji("You 🤡").split() == ["You", "clown", "face"]
    assert spell_emoji("Plain text.") == "Plain text."


def test_disguised_letters_are_undone() -> None:
    assert plain_letters("y0u 1d10t") == "you idiot"
    assert plain_letters("s t u p i d") == "stupid"
    assert plain_letters("5 to 7 days in 2024!") == "5 to 7 days in 2024!"
