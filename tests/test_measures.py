"""Measures: agreement of people with each other, themselves, the evaluators; blind labels only."""

from collections.abc import Sequence
from datetime import datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from starlette.testclient import TestClient

from app.criteria import Criteria
from app.database import transaction
from app.measures import Measures, Said, measure, measures_of
from app.pace import Item, pace_of, ranges_of, timed_items
from app.settings import Settings
from app.statistics.agreement import cohen_kappa, krippendorff_alpha
from app.statistics.reliability import (
    effective_size,
    negative_share,
    nominal_alpha,
    pair_table,
    patterns_of,
    positive_share,
)
from app.store.annotations import add_annotation
from app.tables import Annotation
from tests.builders import save, score_all, some_interactions

LABELS = st.lists(st.lists(st.sampled_from("abc"), max_size=4), max_size=20)


@given(LABELS)
def test_alpha_of_patterns_equals_alpha_of_the_answers(units: list[list[str]]) -> None:
    expected = krippendorff_alpha(units)
    found = nominal_alpha(patterns_of(units))
    assert found == (expected if expected is None else pytest.approx(expected))


def test_the_table_of_pairs_counts_every_answer_once() -> None:
    units = [[True, True], [False, False, False], [True, False], [True, False, False]]
    table = pair_table(patterns_of(units))
    assert table.total == pytest.approx(4)
    assert table.both == pytest.approx(1)
    assert table.neither == pytest.approx(1 + 1 / 3)
    assert positive_share(table) == pytest.approx(2 / (2 + 1 + 2 / 3))
    assert negative_share(table) == pytest.approx(2 * (4 / 3) / (8 / 3 + 5 / 3))


def test_weights_cost_effective_labels() -> None:
    assert effective_size([2.0] * 10) == pytest.approx(10)
    assert effective_size([1.0] * 9 + [9.0]) == pytest.approx(3.6)
    assert effective_size([]) == 0.0


def said(number: int, reviewer: str = "anna", fails: bool | None = False, **changes: Any) -> Said:
    label = {True: "ungrounded", False: "grounded", None: "unsure"}[fails]
    fields: dict[str, Any] = {
        "interaction_id": f"i{number}",
        "conversation": f"c{number}",
        "reviewer": reviewer,
        "label": label,
        "fails": fails,
        "changed": False,
        "inclusion_probability": 1.0,
        "flags": {"judge": False},
        **changes,
    }
    return Said(**fields)


def measured(criteria: Criteria, rows: Sequence[Said]) -> Measures:
    return measures_of(criteria.get("groundedness"), rows)


def test_reviewers_are_compared_on_what_two_of_them_labelled(criteria: Criteria) -> None:
    random = Random(1)
    rows, pairs = [], []
    for number in range(60):
        truth = random.random() < 0.3
        other = truth if random.random() < 0.85 else not truth
        rows += [said(number, "anna", truth), said(number, "ben", other)]
        pairs.append((truth, other))
    rows += [said(100, "anna", True), said(101, "ben", None), said(101, "anna", True)]
    between = measured(criteria, rows).between
    assert between.answers == 60
    assert between.observed.value == pytest.approx(sum(a == b for a, b in pairs) / 60)
    assert between.kappa.value == pytest.approx(cohen_kappa(pairs), abs=0.02)
    assert between.alpha.interval is not None
    assert between.alpha.interval.holds(between.alpha.value or 0)
    assert [(one, other) for one, other, _ in between.pairs] == [("anna", "ben")]


def test_an_evaluator_is_measured_on_all_answers_not_on_the_sample(criteria: Criteria) -> None:
    """Nine easy answers stand for ninety, ten hard ones for themselves: recall is 5/15, not 5/6."""
    easy = [said(n, fails=n == 0, inclusion_probability=0.1) for n in range(9)]
    hard = [
        said(20 + n, fails=n < 5, flags={"judge": n < 5}, inclusion_probability=1.0)
        for n in range(10)
    ]
    free = [said(50, fails=True, inclusion_probability=None)]
    found = measured(criteria, [*easy, *hard, *free])
    (judge,) = found.judged
    assert judge.recall.value == pytest.approx(5 / 15)
    assert judge.precision.value == pytest.approx(1)
    assert judge.labels == 19
    assert judge.effective < 19
    assert found.unweighted == 1


def test_the_second_label_of_a_reviewer_measures_only_themselves(criteria: Criteria) -> None:
    rows = [said(1, fails=True), said(2, fails=False), said(1, fails=True), said(2, fails=True)]
    found = measured(criteria, rows)
    assert found.labels == 2
    assert (found.repeated.some, found.repeated.n) == (1, 2)
    assert found.between.answers == 0
    assert found.judged[0].labels == 2


def test_what_cannot_be_told_is_missing_and_changes_are_counted(criteria: Criteria) -> None:
    rows = [said(1, fails=None), said(1, "ben", True), said(2, changed=True)]
    found = measured(criteria, rows)
    assert (found.unsure.some, found.unsure.n) == (1, 3)
    assert (found.changed.some, found.changed.n) == (1, 3)
    assert found.between.alpha.value is None


def test_answers_that_are_all_alike_have_no_interval(criteria: Criteria) -> None:
    rows = [said(n, who, fails=False) for n in range(40) for who in ("anna", "ben")]
    between = measured(criteria, rows).between
    assert between.observed == (1.0, None)
    assert between.kappa == (None, None)


def label_all(
    engine: Engine, criteria: Criteria, settings: Settings, now: datetime, **changes: Any
) -> None:
    """Three answers, all labelled blind by two reviewers who agree on two of them."""
    made = some_interactions(3, response="It was invented.")
    save(engine, made)
    score_all(engine, criteria, settings)
    with transaction(engine) as session:
        for number, row in enumerate(made):
            for reviewer in ("anna", "ben"):
                differs = number == 2 and reviewer == "ben"
                label = "grounded" if differs else "ungrounded"
                one = Annotation(
                    project="default",
                    interaction_id=row.id,
                    criterion="groundedness",
                    reviewer=reviewer,
                    blind_label=label,
                    final_label=label,
                    inclusion_probability=0.5,
                    guideline_version="g",
                    idempotency_key=f"{reviewer}{number}",
                    seconds=20.0 + number,
                    created_at=now,
                )
                add_annotation(session, one, criteria=criteria)
            shown = Annotation(
                project="default",
                interaction_id=row.id,
                criterion="toxicity",
                reviewer="carla",
                final_label="none",
                guideline_version="g",
                idempotency_key=f"seen{number}",
                created_at=now,
            )
            add_annotation(session, shown, criteria=criteria)


def test_stored_labels_are_measured_and_those_given_with_scores_in_view_are_not(
    engine: Engine, criteria: Criteria, settings: Settings, now: datetime
) -> None:
    label_all(engine, criteria, settings, now)
    with transaction(engine) as session:
        (found,) = measure(session, "default", criteria)
        assert measure(session, "other", criteria) == []
        items = timed_items(session, "default", reviewer="anna")
    assert found.criterion.name == "groundedness"
    assert found.labels == 6
    assert found.between.answers == 3
    assert found.between.observed.value == pytest.approx(2 / 3)
    assert [one.evaluator for one in found.judged] == ["groundedness-words"]
    assert found.judged[0].recall.value == pytest.approx(1)
    assert sorted(item.seconds for item in items) == [20.0, 21.0, 22.0]


def test_pace_is_a_median_and_ranges_need_three_people() -> None:
    items = [Item("anna", seconds, 100) for seconds in (2.0, 30.0, 40.0)]
    pace = pace_of(items)
    assert pace is not None
    assert (pace.median_seconds, pace.fast) == (30.0, 1)
    assert pace.items_per_hour == pytest.approx(150)
    assert pace_of([]) is None
    others = [Item("ben", 10.0, 1), Item("carla", 50.0, 1)]
    assert ranges_of([*items, others[0]]) is None
    found = ranges_of([*items, *others])
    assert found is not None
    assert (found.people, found.least_seconds, found.most_seconds) == (3, 10.0, 50.0)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_page_says_what_is_known_and_names_nobody(
    client: TestClient, engine: Engine, criteria: Criteria, settings: Settings, now: datetime
) -> None:
    assert "There is no blind label yet" in client.get("/measures").text
    label_all(engine, criteria, settings, now)
    html = client.get("/measures").text
    assert "How far the labels can be trusted" in html
    assert "66.7\u202f%" in html
    assert "reviewer A and reviewer B" in html
    main = html.split("<main", 1)[1]
    assert not any(name in main for name in ("anna", "ben", "carla"))
    assert client.get("/measures?queue=99").status_code == 404
    state = client.app.state  # type: ignore[attr-defined]
    state.settings = settings.model_copy(update={"pace_per_person": True})
    told = client.get("/measures").text
    assert all(f'<th scope="row">{name}</th>' in told for name in ("anna", "ben"))
    assert "leads see your median" in told
