"""Two slices at once: found where the failures are, silent where they are spread."""

from app.reports.pairs import find_pairs
from app.reports.tallies import EVERYTHING, Slice, Tallies, Tally

SHOP, CITY = Slice("application", "shop"), Slice("application", "city")
GERMAN, ENGLISH = Slice("language", "de"), Slice("language", "en")
RELEASE = Slice("release", "2.4")


def tallies_of(cells: dict[tuple[Slice, ...], tuple[int, int]]) -> Tallies:
    combinations = {
        frozenset([EVERYTHING, *parts]): Tally(failing=failing, scored=n)
        for parts, (failing, n) in cells.items()
    }
    return Tallies(("2026-W47",), (100,), {}, {}, combinations={"groundedness": combinations})


def found_in(cells: dict[tuple[Slice, ...], tuple[int, int]]) -> list[tuple[Slice, bool]]:
    hits = [("groundedness", SHOP)]
    pairs = find_pairs(tallies_of(cells), hits, level=0.01, least=0.05)
    return [(pair.other, pair.holds) for pair in pairs]


def test_the_part_of_a_slice_that_holds_its_failures_stands_out() -> None:
    cells = {(SHOP, GERMAN): (30, 60), (SHOP, ENGLISH): (6, 140), (CITY, GERMAN): (3, 60)}
    assert found_in(cells) == [(GERMAN, True), (ENGLISH, False)]


def test_failures_that_are_spread_over_a_slice_make_no_part_stand_out() -> None:
    cells = {(SHOP, GERMAN): (24, 60), (SHOP, ENGLISH): (56, 140)}
    assert not any(holds for _, holds in found_in(cells))


def test_a_segment_that_the_whole_slice_shares_is_no_part_of_it() -> None:
    cells = {(SHOP, GERMAN, RELEASE): (30, 60), (SHOP, ENGLISH, RELEASE): (6, 140)}
    assert RELEASE not in [part for part, _ in found_in(cells)]


def test_answers_of_other_slices_do_not_count() -> None:
    cells = {(SHOP, GERMAN): (4, 40), (SHOP, ENGLISH): (4, 40), (CITY, GERMAN): (90, 100)}
    assert not any(holds for _, holds in found_in(cells))


def test_a_part_of_a_few_answers_is_not_compared() -> None:
    assert found_in({(SHOP, GERMAN): (10, 10), (SHOP, ENGLISH): (5, 100)}) == []


def test_without_a_slice_that_got_worse_nothing_is_compared() -> None:
    cells = {(SHOP, GERMAN): (30, 60), (SHOP, ENGLISH): (6, 140)}
    assert find_pairs(tallies_of(cells), [], level=0.01, least=0.05) == []
