"""Groups of people: their rates, differences and ratios against fairlearn, and what is claimed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from fairlearn.metrics import MetricFrame, count, selection_rate
from sqlalchemy import Engine
from sqlmodel import col, select

from app.criteria import Criteria
from app.database import reading, transaction
from app.reports.courses import Share
from app.reports.findings import find
from app.reports.labels import Label
from app.reports.material import Material, read_material
from app.reports.sections.fairness import (
    LEAST_GAP,
    LEAST_SCORED,
    Group,
    find_groups,
    ratio_of,
    section,
)
from app.reports.tallies import EVERYTHING, Slice, Source, Tallies, Tally
from app.reports.weeks import week_of
from app.tables import Evaluation, Interaction
from tests.report_world import RATES, Plan, write_weeks

WEEKS = tuple(f"2026-W{number}" for number in range(42, 48))
OTHER_VERSION, GERMAN_BROKE = "2026-W44", "2026-W46"
POOLED_WEEKS = 4
JUDGED = frozenset([Source("judge", "1", 0.5)])


def spanish_suffers(criterion: str, known: Mapping[str, str]) -> float:
    return 0.5 if criterion == "groundedness" and known["language"] == "es" else RATES[criterion]


def german_breaks(criterion: str, known: Mapping[str, str]) -> float:
    is_hit = criterion == "groundedness" and known["language"] == "de"
    return 0.8 if is_hit else spanish_suffers(criterion, known)


@pytest.fixture(scope="module")
def material(shared_engine: Engine, criteria: Criteria) -> Material:
    plans = {
        week: Plan(
            n=90,
            rate=german_breaks if week == GERMAN_BROKE else spanish_suffers,
            version="0" if week == OTHER_VERSION else "1",
        )
        for week in WEEKS
    }
    with transaction(shared_engine) as session:
        write_weeks(session, plans)
    with reading(shared_engine) as session:
        return read_material(
            session,
            project="default",
            criteria=criteria,
            week="2026-W47",
            application=None,
            time_zone="UTC",
        )


def pooled(criterion: str) -> list[str]:
    """Four weeks, without that of another version and, for the criterion that it broke, without the
    one in which German was unusual."""
    left_out = {OTHER_VERSION, GERMAN_BROKE if criterion == "groundedness" else None}
    return [week for week in WEEKS if week not in left_out][-POOLED_WEEKS:]


@pytest.fixture(scope="module")
def frames(shared_engine: Engine, material: Material) -> dict[str, MetricFrame]:
    """fairlearn's numbers of the pooled weeks, from the rows."""
    with reading(shared_engine) as session:
        rows = session.exec(
            select(Evaluation, Interaction)
            .join(Interaction, col(Interaction.id) == col(Evaluation.interaction_id))
            .where(Evaluation.status == "scored")
        ).all()
    return {name: frame_of([row for row in rows if row[0].criterion == name]) for name in RATES}


def frame_of(rows: Sequence[tuple[Evaluation, Interaction]]) -> MetricFrame:
    weeks = pooled(rows[0][0].criterion)
    kept = [row for row in rows if week_of(row[1].started_at, "UTC") in weeks]
    fails = [not evaluation.passed for evaluation, _ in kept]
    return MetricFrame(
        metrics={"rate": selection_rate, "n": count},
        y_true=fails,
        y_pred=fails,
        sensitive_features=[answer.segments["language"] for _, answer in kept],
    )


def groups_of(material: Material, criterion: str) -> dict[str, Group]:
    found = [group for group in find_groups(material) if group.criterion == criterion]
    return {group.where.value: group for group in found}


@pytest.mark.parametrize("criterion", RATES)
def test_rates_and_sizes_of_groups_equal_fairlearns(
    material: Material, frames: dict[str, MetricFrame], criterion: str
) -> None:
    expected = frames[criterion].by_group
    groups = groups_of(material, criterion)
    assert {name: one.share.n for name, one in groups.items()} == expected.n.to_dict()
    rates = {name: one.share.rate for name, one in groups.items()}
    assert rates == pytest.approx(expected.rate.to_dict())


@pytest.mark.parametrize("criterion", RATES)
def test_differences_and_ratios_equal_fairlearns(
    material: Material, frames: dict[str, MetricFrame], criterion: str
) -> None:
    frame, groups = frames[criterion], groups_of(material, criterion)
    largest = frame.by_group.n.idxmax()
    assert {one.reference.value for one in groups.values()} == {largest}
    rates = frame.by_group.rate
    for name, group in groups.items():
        if name == largest:
            assert group.comparison is None
            continue
        assert group.comparison is not None
        assert group.comparison.difference == pytest.approx(rates[name] - rates[largest])
        found = ratio_of(group.share, group.reference_share)
        assert (found is None) == (rates[largest] == 0)
        if found is not None:
            assert found[0] == pytest.approx(rates[name] / rates[largest])


def test_the_spread_of_our_rates_is_fairlearns_difference_and_ratio(
    material: Material, frames: dict[str, MetricFrame]
) -> None:
    rates = [one.share.rate or 0.0 for one in groups_of(material, "groundedness").values()]
    frame = frames["groundedness"]
    assert max(rates) - min(rates) == pytest.approx(frame.difference().rate)
    assert min(rates) / max(rates) == pytest.approx(frame.ratio().rate)


def test_the_group_that_fares_worse_is_named_and_the_weeks_of_others_are_not_counted(
    material: Material,
) -> None:
    groups = find_groups(material)
    held = [(one.criterion, one.where) for one in groups if one.holds]
    assert held == [("groundedness", Slice("language", "es"))]
    heading = section(material)["heading"]
    assert heading.startswith("Language es is flagged for more ungrounded answers than language en")
    assert heading.endswith("; too few labels to tell whether the evaluator errs")


@pytest.mark.parametrize(
    ("really", "heading"),
    [
        (True, "Language de gets more toxic answers than language en this week"),
        (False, "Language de is flagged for more toxic answers than language en"),
    ],
)
def test_a_gap_is_a_fact_about_the_answers_only_where_labels_confirm_it(
    criteria: Criteria, really: bool, heading: str
) -> None:
    material = made(criteria, [{"en": (40, 400), "de": (150, 300)}])
    labels = [
        a_label(value, number, really=really) for value in ("en", "de") for number in range(60)
    ]
    found = section(replace(material, labels=labels))["heading"]
    assert found.startswith(heading)


def a_label(language: str, number: int, *, really: bool) -> Label:
    """A label of a flagged or of another answer; what is flagged is bad in truth or never."""
    flagged = number % 3 == 0
    return Label(
        interaction_id=f"{language}{number}",
        criterion="toxicity",
        reviewer="ann",
        fails=flagged and really,
        flagged=flagged,
        inclusion_probability=0.1,
        failing_score=0.9 if flagged else 0.1,
        conversation=f"{language}{number}",
        week=0,
        changed=False,
        segments={"language": language},
    )


Counts = Mapping[str, tuple[int, int]]
"""Per group how many of how many answers of a week fail."""


def made(criteria: Criteria, weeks: list[Counts], key: str = "language") -> Material:
    """What is known of weeks whose answers all belong to one of the groups."""
    cells: dict[Slice, list[Tally]] = {}
    for number, week in enumerate(weeks):
        for value, (failing, n) in week.items():
            for part in (EVERYTHING, Slice(key, value)):
                series = cells.setdefault(part, [Tally()] * len(weeks))
                series[number] += Tally(failing, n)
    tallies = Tallies(
        tuple(f"2026-W{40 + number}" for number in range(len(weeks))),
        (100,) * len(weeks),
        {"toxicity": cells},
        {"toxicity": [JUDGED] * len(weeks)},
    )
    return Material(
        project="default",
        application=None,
        week=tallies.weeks[-1],
        time_zone="UTC",
        criteria=criteria,
        tallies=tallies,
        findings=find(tallies, ["toxicity"]),
    )


def holding(material: Material) -> set[str]:
    return {one.where.value for one in find_groups(material) if one.holds}


def test_small_groups_are_left_out_and_one_group_alone_is_not_compared(criteria: Criteria) -> None:
    week = {"en": (10, 300), "de": (5, LEAST_SCORED), "es": (9, LEAST_SCORED - 1)}
    assert [one.where.value for one in find_groups(made(criteria, [week]))] == ["en", "de"]
    alone = {"en": (10, 300), "es": (9, LEAST_SCORED - 1)}
    assert find_groups(made(criteria, [alone])) == []


def test_a_group_that_is_small_in_a_week_is_seen_over_some_weeks(criteria: Criteria) -> None:
    week = {"en": (10, 300), "es": (4, 20)}
    assert find_groups(made(criteria, [week] * 2)) == []
    assert [one.share for one in find_groups(made(criteria, [week] * 3))][1] == Share(12, 60)
    assert [one.share for one in find_groups(made(criteria, [week] * 9))][1] == Share(16, 80)


def test_segments_that_do_not_name_people_are_not_groups(criteria: Criteria) -> None:
    week = {"web": (10, 400), "app": (90, 300)}
    assert find_groups(made(criteria, [week], key="channel")) == []
    assert holding(made(criteria, [week], key="gender")) == {"app"}


def test_differences_have_the_sign_of_the_group_and_only_more_failures_are_named(
    criteria: Criteria,
) -> None:
    week = {"en": (80, 400), "de": (150, 300), "es": (10, 300)}
    groups = {one.where.value: one for one in find_groups(made(criteria, [week]))}
    worse, better = groups["de"].comparison, groups["es"].comparison
    assert worse is not None
    assert better is not None
    assert 0 < worse.interval.low < worse.difference < worse.interval.high
    assert better.interval.low < better.difference < better.interval.high < 0
    assert groups["en"].comparison is None
    assert {name for name, one in groups.items() if one.holds} == {"de"}


def test_a_gap_that_is_sure_and_small_is_not_named(criteria: Criteria) -> None:
    small = {"en": (1000, 20_000), "es": (1000, 20_000 // 2)}
    (_, group) = find_groups(made(criteria, [small]))
    assert group.comparison is not None
    assert group.comparison.difference == pytest.approx(LEAST_GAP)
    assert group.holds
    smaller = {"en": (1000, 20_000), "es": (980, 20_000 // 2)}
    assert holding(made(criteria, [smaller])) == set()


def test_a_gap_of_earlier_weeks_that_is_over_is_not_named(criteria: Criteria) -> None:
    gap, over = {"en": (20, 200), "es": (40, 200)}, {"en": (20, 200), "es": (22, 200)}
    assert holding(made(criteria, [gap] * 4)) == {"es"}
    assert holding(made(criteria, [gap, gap, gap, over])) == set()


def test_the_more_groups_are_compared_the_surer_a_gap_must_be(criteria: Criteria) -> None:
    pair = {"en": (40, 400), "es": (18, 100)}
    assert holding(made(criteria, [pair])) == {"es"}
    many = {**pair, **{f"x{number}": (10, 100) for number in range(8)}}
    assert holding(made(criteria, [many])) == set()


def test_an_unusual_week_of_a_group_is_left_out_of_what_is_put_together(
    criteria: Criteria,
) -> None:
    usual, bad = {"en": (20, 200), "es": (20, 200)}, {"en": (20, 200), "es": (150, 200)}
    groups = find_groups(made(criteria, [usual, usual, usual, usual, bad, usual]))
    assert Counter(one.share.failing for one in groups) == {80: 2}


def test_a_reference_without_failures_has_no_ratio_and_a_group_without_has_zero() -> None:
    assert ratio_of(Share(5, 100), Share(0, 100)) is None
    assert ratio_of(Share(0, 100), Share(0, 100)) is None
    found = ratio_of(Share(0, 100), Share(10, 100))
    assert found is not None
    ratio, interval = found
    assert (ratio, interval.low) == (0, 0)
    assert 0 < interval.high < 1
