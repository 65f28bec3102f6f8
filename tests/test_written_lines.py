"""The lines that we wrote: enough of them, about enough groups, and none in both halves."""

from collections import Counter

import pytest

from evaluators.training.written import FILES, Half, written_lines


@pytest.mark.parametrize("name", FILES)
def test_the_halves_share_no_text_and_make_up_the_file(name: str) -> None:
    train, measured = written_lines(name, "train"), written_lines(name, "measured")
    assert {line.text.lower() for line in train}.isdisjoint(line.text.lower() for line in measured)
    assert sorted(line.id for line in train + measured) == sorted(
        line.id for line in written_lines(name)
    )
    assert train
    assert measured


def test_no_text_stands_in_two_files() -> None:
    counts = Counter(line.text.lower() for name in FILES for line in written_lines(name))
    assert [text for text, count in counts.items() if count > 1] == []


def test_three_hundred_sentences_about_seven_groups_are_measured_and_not_trained_on() -> None:
    measured = written_lines("identity", "measured")
    assert len(measured) >= 300
    assert len({line.group for line in measured}) >= 7
    assert {line.kind for line in measured} == {"neutral", "positive"}
    assert not any(line.toxic or line.biased for line in measured)


def test_every_stereotype_has_a_twin_about_the_same_group_in_the_same_half() -> None:
    halves: tuple[Half, Half] = ("train", "measured")
    for half in halves:
        lines = written_lines("stereotypes", half)
        pairs = Counter((line.pair_id, line.group) for line in lines)
        assert set(pairs.values()) == {2}
        assert sum(line.biased for line in lines) * 2 == len(lines)
    assert sum(line.biased for line in written_lines("stereotypes")) >= 150


def test_identity_sentences_are_not_made_from_one_template() -> None:
    starts = Counter(" ".join(line.text.split()[:3]) for line in written_lines("identity"))
    assert starts.most_common(1)[0][1] <= 8
