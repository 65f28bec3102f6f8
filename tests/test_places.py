"""Words that a claim takes from afar, and words that say the contrary, give it away."""

import pytest

from evaluators.heads.evidence import read_sample
from evaluators.opposites import CONTRARIES, reversed_words
from evaluators.places import APART, FAR, place_signals, places_of
from evaluators.protocol import Sample

DENSITY, NEAR, FAR_NEXT, FAR_BUT_ONE, REVERSED, SCATTERED = range(-6, 0)


def signals(response: str, *contexts: str) -> tuple[float, ...]:
    (claim,) = read_sample(Sample("", response, contexts)).claims
    return claim.signals


def test_words_of_two_contexts_are_far_from_each_other() -> None:
    places = places_of([(0, ["tea", "leaf"]), (0, ["tea"]), (1, ["cup"])])
    assert places == {"tea": [0, 2], "leaf": [1], "cup": [3 + APART]}


def test_a_sentence_that_the_contexts_hold_is_dense_and_near() -> None:
    listed = ["stadium", "open", "1911"]
    assert place_signals(listed, places_of([(0, ["old", *listed, "new"])])) == [1.0, 1.0, 0.0, 0.0]


def test_words_gathered_from_afar_are_far_apart() -> None:
    between = [f"word{n}" for n in range(FAR + 5)]
    places = places_of([(0, ["stanford", *between, "chestnut", "hill"])])
    density, near, far, far_but_one = place_signals(["stanford", "chestnut", "hill"], places)
    assert density == pytest.approx(3 / (FAR + 8))
    assert (near, far, far_but_one) == (0.5, 0.5, 1.0)


@pytest.mark.parametrize(
    ("listed", "wanted"),
    [([], [0.0] * 4), (["tea"], [1.0, 0.0, 0.0, 0.0]), (["gone", "away"], [0.0] * 4)],
)
def test_too_few_words_to_compare_give_nothing(listed: list[str], wanted: list[float]) -> None:
    assert place_signals(listed, places_of([(0, ["tea"])])) == wanted


def test_the_density_is_that_of_the_narrowest_stretch() -> None:
    places = places_of([(0, ["a", "x", "x", "b", "a", "y", "b"])])
    assert place_signals(["a", "b"], places)[0] == 1.0


def test_a_joined_claim_is_scattered_and_a_copied_one_is_not() -> None:
    contexts = (
        "Boston College lies in Chestnut Hill, six miles west of Boston.",
        "Stanford University was founded in California by a railway magnate.",
    )
    copied = signals("Boston College lies in Chestnut Hill.", *contexts)
    joined = signals("Stanford University lies in Chestnut Hill.", *contexts)
    assert copied[SCATTERED] == 0.0
    assert joined[SCATTERED] > 0.3
    assert joined[FAR_NEXT] > copied[FAR_NEXT]
    assert joined[DENSITY] < copied[DENSITY]


def test_the_contrary_of_what_is_read_counts_as_reversed() -> None:
    context = "Prices increased after the strike."
    assert signals("Prices decreased before the strike.", context)[REVERSED] == 2.0
    assert signals("Prices increased after the strike.", context)[REVERSED] == 0.0


def test_a_word_that_is_read_beside_its_contrary_is_not_reversed() -> None:
    assert reversed_words({"before"}, {"before", "after"}) == set()
    assert reversed_words({"before"}, {"after"}) == {"before"}


def test_contraries_go_both_ways() -> None:
    assert all(word in CONTRARIES[other] for word, found in CONTRARIES.items() for other in found)
