"""Labels correct what their sample was drawn from: a place, or everything, and nothing twice."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from app.criteria import Criteria
from app.database import transaction
from app.reports.labels import Label
from app.reports.tallies import Slice
from app.tables import Interaction, ReviewQueue
from tests.report_world import RATES, Plan, World, a_label, section

WEEK = "2026-W46"
APPLICATIONS = ("shop", "city", "health")
Filter = Mapping[str, Any]


@pytest.fixture
def world(engine: Engine, criteria: Criteria, now: datetime) -> World:
    return World(engine, criteria, now)


def labelled(
    world: World, filters: Sequence[Filter], made_at: datetime | None = None
) -> list[Interaction]:
    """A week in which two answers in five are flagged, and a sample for each of the filters."""
    many = Plan(n=240, rate=lambda name, _: 0.4 if name == "groundedness" else RATES[name])
    rows = world.write({WEEK: many})
    with transaction(world.engine) as session:
        for number, asked in enumerate(filters):
            queue = ReviewQueue(
                project="default",
                name=f"queue {number}",
                criteria=["groundedness"],
                filters={"filter": dict(asked)},
                created_by="ann",
                created_at=made_at or world.now,
            )
            session.add(queue)
            session.flush()
            passing = [one for one in rows[number::4] if passes(one, asked)]
            for place, one in enumerate(passing):
                label = a_label(one, place)
                label.queue_id, label.idempotency_key = queue.id, f"{number}.{one.id}"
                session.add(label)
    return rows


def passes(one: Interaction, asked: Filter) -> bool:
    segments = asked.get("segments", {})
    here = asked.get("application") in (None, one.application)
    first, last = asked.get("from_at", ""), asked.get("to_at", "9999")
    here = here and first <= one.started_at.isoformat() < last
    return here and all(one.segments.get(key) == value for key, value in segments.items())


def corrected_from(world: World, **options: Any) -> int | None:
    """How many labels correct the rate of groundedness; None where it is not corrected."""
    rates = section(world.report(WEEK, **options), "trust")["blocks"][0]
    cell = dict(zip(rates["columns"], rates["rows"][0], strict=True))["Corrected rate"]
    return cell["n"] if cell["cell"] == "estimate" else None


def test_a_sample_of_one_application_corrects_its_report_and_not_that_of_all(world: World) -> None:
    labelled(world, [{"application": "shop"}])
    assert corrected_from(world) is None
    assert corrected_from(world, application="shop") == 20


def test_a_sample_of_each_application_is_one_of_all(world: World) -> None:
    labelled(world, [{"application": name} for name in APPLICATIONS])
    assert corrected_from(world) == 60


def test_a_label_that_no_sample_asked_for_leaves_the_samples_of_each_application_whole(
    world: World,
) -> None:
    rows = labelled(world, [{"application": name} for name in APPLICATIONS])
    with transaction(world.engine) as session:
        label = a_label(rows[-1], 0)
        label.inclusion_probability, label.idempotency_key = None, "by the way"
        session.add(label)
    assert corrected_from(world) == 60


TUESDAY, THURSDAY, SATURDAY = (f"2026-11-{day}T00:00:00+00:00" for day in (10, 12, 14))


@pytest.mark.parametrize(
    ("filters", "labels"),
    [
        ([{"to_at": THURSDAY}], None),
        ([{"to_at": THURSDAY}, {"from_at": THURSDAY}], 60),
        ([{"to_at": THURSDAY}, {"from_at": TUESDAY, "to_at": SATURDAY}], None),
        ([{"to_at": THURSDAY}, {"from_at": TUESDAY}], 60),
        ([{}, {"to_at": THURSDAY}], 60),
        ([{"from_at": "2026-11-01T00:00:00+00:00"}], 60),
    ],
)
def test_samples_of_some_days_correct_a_week_only_together_and_count_no_day_twice(
    world: World, filters: Sequence[Filter], labels: int | None
) -> None:
    labelled(world, filters)
    assert corrected_from(world) == labels


@pytest.mark.parametrize(("made_at", "labels"), [(THURSDAY, None), ("2026-11-16T06:00:00Z", 60)])
def test_a_sample_that_was_drawn_before_answers_came_does_not_speak_for_them(
    world: World, made_at: str, labels: int | None
) -> None:
    labelled(world, [{}], datetime.fromisoformat(made_at))
    assert corrected_from(world) == labels


def test_beside_a_sample_of_all_one_of_a_place_does_not_count_the_place_twice(
    world: World,
) -> None:
    labelled(world, [{}, {"application": "shop"}, {"segments": {"channel": "web"}}])
    assert corrected_from(world) == 60


def test_a_label_counts_where_only_the_place_of_its_sample_is_looked_at() -> None:
    german, shop = Slice("language", "de"), Slice("application", "shop")
    label = Label(*("i", "toxicity", "ann", True, True, 0.5, 0.9, "c", 0, False, {}), (german,))
    assert not label.is_drawn
    assert not label.within(shop).is_drawn
    assert label.within(german).is_drawn
