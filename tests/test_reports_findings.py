"""The rules for claims: what they find, and how seldom they claim what is not there."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import pytest

from app.reports.courses import Share, follow
from app.reports.findings import Findings, find, too_few_to_say
from app.reports.tallies import EVERYTHING, Slice, Source, Tallies, Tally
from tests.report_world import RATES

Rate = Callable[[str, dict[str, str]], float]
ONE_SOURCE = frozenset([Source("judge", "1", 0.5)])


def usual(criterion: str, _: dict[str, str]) -> float:
    return RATES[criterion]


def chance_week(rng: random.Random, n: int, rate: Rate) -> list[tuple[str, dict[str, str], bool]]:
    answers = []
    for _ in range(n):
        known = {
            "application": rng.choice(["shop", "city", "health"]),
            "language": rng.choices(["en", "de", "es"], [0.6, 0.25, 0.15])[0],
            "channel": rng.choice(["web", "app", "voice"]),
            "model": rng.choice(["large", "mini"]),
            "user_group": rng.choice(["guest", "member"]),
        }
        answers += [(name, known, rng.random() < rate(name, known)) for name in RATES]
    return answers


def tallies_of(weeks: Sequence[Iterable[tuple[str, dict[str, str], bool]]]) -> Tallies:
    cells: dict[str, dict[Slice, list[Tally]]] = defaultdict(dict)
    for week, answers in enumerate(weeks):
        for criterion, known, fails in answers:
            for part in [EVERYTHING, *(Slice(*pair) for pair in known.items())]:
                series = cells[criterion].setdefault(part, [Tally()] * len(weeks))
                series[week] += Tally(scored=1, failing=int(fails))
    names = tuple(f"2026-W{30 + week}" for week in range(len(weeks)))
    sources = dict.fromkeys(RATES, [ONE_SOURCE] * len(weeks))
    return Tallies(names, (100,) * len(weeks), cells, sources)


def findings_after(rng: random.Random, earlier: int, n: int, rate: Rate = usual) -> Findings:
    weeks = [chance_week(rng, n, usual) for _ in range(earlier)]
    return find(tallies_of([*weeks, chance_week(rng, n, rate)]), list(RATES))


def claims_something(findings: Findings) -> bool:
    parts = [part for part in findings.parts if part.verdict != "none"]
    return bool(findings.events or findings.lasting() or parts)


@pytest.mark.parametrize(("earlier", "n"), [(3, 100), (6, 100), (3, 400)])
def test_at_most_a_few_in_a_hundred_quiet_weeks_claim_anything(earlier: int, n: int) -> None:
    rng, rounds = random.Random(2026), 40 if n < 200 else 12
    false_claims = sum(claims_something(findings_after(rng, earlier, n)) for _ in range(rounds))
    assert false_claims <= 0.05 * rounds + 2


def bad_release(criterion: str, known: dict[str, str]) -> float:
    hit = criterion == "groundedness" and known["application"] == "shop"
    return 0.60 if hit else RATES[criterion]


def bad_german(criterion: str, known: dict[str, str]) -> float:
    hit = criterion == "answer_relevance" and known["language"] == "de"
    return 0.65 if hit else RATES[criterion]


def toxic_burst(criterion: str, _: dict[str, str]) -> float:
    return 0.12 if criterion == "toxicity" else RATES[criterion]


@pytest.mark.parametrize(
    ("rate", "criterion", "part"),
    [
        (bad_release, "groundedness", Slice("application", "shop")),
        (bad_german, "answer_relevance", Slice("language", "de")),
        (toxic_burst, "toxicity", None),
    ],
)
def test_planted_events_are_found_in_nine_of_ten_weeks(
    rate: Rate, criterion: str, part: Slice | None
) -> None:
    rng, found, rounds = random.Random(47), 0, 15
    for _ in range(rounds):
        findings = findings_after(rng, 4, 100, rate)
        events = [one.criterion for one in findings.events]
        places = [one.where for one in findings.places(criterion, "worse")]
        found += criterion in events if part is None else part in places
    assert found >= 0.9 * rounds


def shares(*pairs: tuple[int, int]) -> list[Share]:
    return [Share(*pair) for pair in pairs]


def test_an_unusual_week_is_flagged_and_left_out_of_later_baselines() -> None:
    course = follow(shares((8, 80), (9, 85), (7, 80), (40, 80), (8, 80)), [True] * 5)
    assert course.flags == (0, 0, 0, 1, 0)
    assert course.baseline == (0, 1, 2)
    assert not course.signals


def test_weeks_of_another_evaluator_are_not_compared() -> None:
    course = follow(shares((40, 80), (40, 80), (8, 80), (8, 80)), [False, False, True, True])
    assert course.baseline == (2,)
    assert course.chart is None


def test_a_lasting_change_becomes_the_new_usual_when_most_weeks_have_it() -> None:
    weeks = shares(*[(8, 80)] * 3, *[(32, 80)] * 4)
    course = follow(weeks, [True] * 7)
    assert course.flags[3] == 1
    assert len(course.baseline) == 6


@pytest.mark.parametrize(
    ("share", "too_few"),
    [(Share(0, 19), True), (Share(0, 20), False), (Share(10, 25), True), (Share(12, 88), False)],
)
def test_too_few_to_say_is_said_of_small_counts_and_wide_intervals(
    share: Share, too_few: bool
) -> None:
    assert too_few_to_say(share) is too_few


def tallies_with(counts: Sequence[tuple[int, int]]) -> Tallies:
    series = [Tally(failing=failing, scored=n) for failing, n in counts]
    names = tuple(f"2026-W{30 + week}" for week in range(len(series)))
    cells = {"groundedness": {EVERYTHING: series}}
    sources = {"groundedness": [ONE_SOURCE] * len(series)}
    return Tallies(names, tuple(n for _, n in counts), cells, sources)


@pytest.mark.parametrize(
    ("counts", "change"),
    [
        ([(12, 100), (11, 100), (13, 100), (30, 100)], "worse"),
        ([(12, 100), (11, 100), (13, 100), (30, 100), (31, 100)], "still_worse"),
        ([(12, 100), (11, 100), (13, 100), (30, 100), (12, 100)], "recovered"),
        ([(40, 100), (41, 100), (39, 100), (10, 100)], "better"),
        ([(12, 100), (11, 100), (13, 100), (18, 100)], "none"),
        ([(12, 100), (30, 100)], "unknown"),
        ([(12, 100)], "unknown"),
        ([(2, 12), (1, 11), (2, 12), (6, 12)], "unknown"),
        ([(120, 100_000), (118, 100_000), (121, 100_000), (300, 100_000)], "none"),
    ],
)
def test_a_change_is_called_what_it_is(counts: list[tuple[int, int]], change: str) -> None:
    assert find(tallies_with(counts), ["groundedness"]).failing["groundedness"].change == change


def test_weeks_that_always_vary_a_lot_do_not_make_every_week_an_event() -> None:
    wild = [(500, 10_000), (900, 10_000), (600, 10_000), (1000, 10_000), (500, 10_000)]
    found = find(tallies_with([*wild, (980, 10_000)]), ["groundedness"])
    assert not found.events
