"""Actions blame only what the numbers single out, and name the same answers once."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from app.criteria import Criteria
from tests.report_world import RATES, Plan, World, section

WEEKS = [f"2026-W{number}" for number in range(42, 47)]
THIS = WEEKS[-1]
ALONE = ("shop",)
ITS_OWN = {"city": "7.1"}


@pytest.fixture
def world(engine: Engine, criteria: Criteria, now: datetime) -> World:
    return World(engine, criteria, now)


def toxic_city(criterion: str, known: Mapping[str, str]) -> float:
    hit = criterion == "toxicity" and known["application"] == "city"
    return 0.6 if hit else RATES[criterion]


def toxic(criterion: str, _: Mapping[str, str]) -> float:
    return 0.3 if criterion == "toxicity" else RATES[criterion]


def reported(world: World, usual: Plan, now: Plan) -> tuple[dict[str, Any], str]:
    """What to do first after some usual weeks and another one, and the heading of the slices."""
    world.write({**dict.fromkeys(WEEKS[:-1], usual), THIS: now})
    report = world.report(THIS)
    return report["actions"][0], section(report, "slices")["heading"]


def test_what_is_new_everywhere_is_not_blamed_for_what_happens_in_one_place(world: World) -> None:
    first, heading = reported(world, Plan(), Plan(rate=toxic_city, release="2.0"))
    assert first["what"].startswith("Read the examples of toxic answers in application city")
    assert first["owner"] == "city team"
    assert heading.startswith("The rise of toxic answers sits in application city")
    assert "2.0" not in heading


def test_what_is_new_everywhere_is_looked_at_where_no_place_stands_out(world: World) -> None:
    now = Plan(rate=toxic, release="2.0", applications=ALONE)
    first, heading = reported(world, Plan(applications=ALONE), now)
    assert first["what"] == "Check release 2.0, and roll it back if it is the cause"
    assert first["why"].endswith("it is new, and all answers are of it.")
    assert heading == "The rise of toxic answers sits in no single slice"


def test_a_new_release_of_one_application_is_named_and_its_application_not_again(
    world: World,
) -> None:
    now = Plan(rate=toxic_city, releases={"city": "2.0"})
    first, heading = reported(world, Plan(), now)
    assert first["what"] == "Check release 2.0, and roll it back if it is the cause"
    assert first["why"].endswith("it is new and stands out.")
    assert "application city" not in heading


def test_an_application_and_its_only_release_are_one_thing_to_read(world: World) -> None:
    usual, now = Plan(releases=ITS_OWN), Plan(rate=toxic_city, releases=ITS_OWN)
    world.write({**dict.fromkeys(WEEKS[:-1], usual), THIS: now})
    what = [one["what"] for one in world.report(THIS)["actions"]]
    assert any("application city" in words for words in what)
    assert not any("7.1" in words for words in what)


def toxic_german_city(criterion: str, known: Mapping[str, str]) -> float:
    if criterion != "toxicity" or known["application"] != "city":
        return RATES[criterion]
    return 0.9 if known["language"] == "de" else 0.4


def test_a_slice_that_rose_only_with_the_answers_of_another_is_no_place_of_its_own(
    world: World,
) -> None:
    first, heading = reported(world, Plan(n=400), Plan(n=400, rate=toxic_german_city))
    assert "in application city and find" in first["what"]
    assert heading == (
        "The rise of toxic answers sits in application city, most of all in language de"
    )


@pytest.mark.parametrize("in_german", [0.55, 0.7])
def test_a_place_that_had_more_all_along_is_not_where_a_rise_of_everything_sits(
    world: World, in_german: float
) -> None:
    usual = Plan(n=300, rate=toxic_at(german=0.5, others=0.1), applications=ALONE)
    now = Plan(
        n=300,
        rate=toxic_at(german=in_german, others=0.3),
        release="2.0",
        applications=ALONE,
    )
    first, heading = reported(world, usual, now)
    assert first["what"] == "Check release 2.0, and roll it back if it is the cause"
    assert heading == "The rise of toxic answers sits in no single slice"


def toxic_at(*, german: float, others: float) -> Callable[[str, Mapping[str, str]], float]:
    def rate(criterion: str, known: Mapping[str, str]) -> float:
        here = german if known["language"] == "de" else others
        return here if criterion == "toxicity" else RATES[criterion]

    return rate


def test_a_new_release_of_nearly_all_answers_is_not_said_to_be_that_of_all(world: World) -> None:
    world.write({**dict.fromkeys(WEEKS[:-1], Plan(applications=ALONE)), THIS: Plan(n=3)})
    world.write({THIS: Plan(rate=toxic, release="2.0", applications=ALONE)}, seed=2)
    first = world.report(THIS)["actions"][0]
    assert first["what"] == "Check release 2.0, and roll it back if it is the cause"
    assert first["why"].endswith("it is new, and all but 3 answers are of it.")
