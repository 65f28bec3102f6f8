"""What was imported after a sample was drawn had no chance to be in it, whenever it was said."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlmodel import Session, col

from app.criteria import Criteria
from app.database import reading, transaction
from app.reports.judgement import corrected
from app.reports.material import read_material
from app.reports.weeks import week_bounds
from app.statistics.corrected_rate import CorrectedRate
from app.tables import Evaluation, Interaction, ReviewQueue
from tests.report_world import RATES, Plan, World, a_label

WEEKS = [f"2026-W{number}" for number in range(33, 45)]
WEEK = WEEKS[0]
DRAWN_AT, IMPORTED_AT, DRAWN_AGAIN_AT = (
    datetime(2026, 11, day, 6, tzinfo=UTC) for day in (16, 17, 18)
)
LABELS = 80


@pytest.fixture
def world(engine: Engine, criteria: Criteria, now: datetime) -> World:
    return World(engine, criteria, now)


def flagging(n: int, **changes: Any) -> Plan:
    """Answers of which the evaluator flags a quarter."""
    rate = {**RATES, "groundedness": 0.25}
    return Plan(n=n, rate=lambda name, _: rate[name], criteria=("groundedness",), **changes)


def late(n: int) -> Plan:
    return flagging(n, words={"received_at": IMPORTED_AT})


def draw(
    session: Session, rows: Sequence[Interaction], failing: set[str], at: datetime, seed: int = 0
) -> None:
    """A random sample of the rows, drawn at a moment and labelled by what is true."""
    queue = ReviewQueue(
        project="default",
        name=f"{at:%d} {rows[0].id}",
        criteria=["groundedness"],
        filters={"filter": {}},
        created_by="ann",
        created_at=at,
    )
    session.add(queue)
    session.flush()
    for one in random.Random(seed).sample(list(rows), LABELS):
        label = a_label(one, 0 if one.id in failing else 1)
        label.queue_id, label.idempotency_key = queue.id, f"{queue.id}.{one.id}"
        label.inclusion_probability = LABELS / len(rows)
        session.add(label)


def corrected_in(world: World, week: str) -> CorrectedRate | None:
    with reading(world.engine) as session:
        material = read_material(
            session,
            project="default",
            criteria=world.criteria,
            week=week,
            application=None,
            time_zone="UTC",
        )
    return corrected(material, "groundedness")


@pytest.mark.parametrize(("n_late", "n"), [(1, LABELS), (3, LABELS), (60, None)])
def test_a_sample_speaks_for_a_week_unless_many_answers_of_it_came_after_it_was_drawn(
    world: World, n_late: int, n: int | None
) -> None:
    rows = world.write({WEEK: flagging(180)})
    world.write({WEEK: late(n_late)}, seed=2)
    with transaction(world.engine) as session:
        draw(session, rows, set(), DRAWN_AT)
    found = corrected_in(world, WEEK)
    assert (found and found.labels) == n


def test_a_sample_that_was_drawn_after_an_import_speaks_for_all_and_an_earlier_one_for_nothing(
    world: World,
) -> None:
    early = world.write({WEEK: flagging(180)})
    both = [*early, *world.write({WEEK: late(60)}, seed=2)]
    with transaction(world.engine) as session:
        draw(session, early, {one.id for one in early}, DRAWN_AT)
        draw(session, both, set(), DRAWN_AGAIN_AT, seed=3)
    found = corrected_in(world, WEEK)
    assert found is not None
    assert (found.labels, found.rate) == (LABELS, 0.0)


def test_two_samples_of_a_week_count_together_where_nothing_came_late(world: World) -> None:
    rows = world.write({WEEK: flagging(240)})
    with transaction(world.engine) as session:
        draw(session, rows[:120], set(), DRAWN_AT)
        draw(session, rows[120:], set(), DRAWN_AGAIN_AT)
    found = corrected_in(world, WEEK)
    assert found is not None
    assert found.labels == 2 * LABELS


def test_the_interval_holds_the_truth_of_weeks_whose_late_answers_fail_unseen(
    world: World,
) -> None:
    """Late answers fail in a third of those that the evaluator passes, others in one of fifty."""
    generator, truths = random.Random(5), {}
    early, everything = {}, {}
    failing: set[str] = set()
    for number, week in enumerate(WEEKS):
        early[week] = world.write({week: flagging(180)}, seed=2 * number)
        imported = world.write({week: late(120)}, seed=2 * number + 1)
        everything[week] = [*early[week], *imported]
        flagged = flagged_of(world.engine, everything[week])
        for one in everything[week]:
            missed = 0.02 if one.received_at < DRAWN_AT else 0.33
            if generator.random() < (0.8 if one.id in flagged else missed):
                failing.add(one.id)
        truths[week] = sum(one.id in failing for one in everything[week]) / len(everything[week])
        with transaction(world.engine) as session:
            draw(session, early[week], failing, DRAWN_AT, number)
    assert not any(corrected_in(world, week) for week in WEEKS)
    with transaction(world.engine) as session:
        for number, week in enumerate(WEEKS):
            draw(session, everything[week], failing, DRAWN_AGAIN_AT, number + 100)
    pairs = [(truths[week], corrected_in(world, week)) for week in WEEKS]
    held = [one.interval.low <= truth <= one.interval.high for truth, one in pairs if one]
    assert len(held) == len(WEEKS)
    assert sum(held) >= len(WEEKS) - 2


def flagged_of(engine: Engine, rows: Sequence[Interaction]) -> set[str]:
    with transaction(engine) as session:
        ids = [one.id for one in rows]
        query = select(Evaluation.interaction_id).where(col(Evaluation.interaction_id).in_(ids))
        return set(session.scalars(query.where(col(Evaluation.passed).is_(False))))


def test_the_weeks_of_these_tests_end_before_the_samples_are_drawn() -> None:
    assert week_bounds(WEEKS[-1], "UTC")[1] + timedelta(days=1) < DRAWN_AT
