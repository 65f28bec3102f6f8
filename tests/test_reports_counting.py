"""Report numbers from rollups equal those counted from the rows themselves."""

import random
from typing import Any

import pytest
from sqlalchemy import Engine, delete, update
from sqlmodel import Session, col, select

from app.database import reading, transaction
from app.migrate import migrate, migrate_down
from app.reports import rows
from app.reports.counting import (
    Count,
    count_periods,
    main_evaluators,
    of_row,
    with_combinations,
)
from app.reports.rows import MOST_SAMPLED, MOST_SAMPLED_WITHIN, of_sample, read_rows
from app.reports.scope import scope_of
from app.reports.tallies import Slice, Tallies, Tally
from app.reports.weeks import as_periods, week_bounds
from app.store.rollups import Contribution, roll_up
from app.tables import Evaluation, Interaction, Rollup
from tests.report_world import RATES, Plan, write_weeks

WEEKS = ["2026-W45", "2026-W46", "2026-W47"]
NEW_VERSION_EVERY = 3


@pytest.fixture(scope="module")
def weeks(engine_of_module: Engine) -> Engine:
    """The weeks for tests that only read them."""
    return written(engine_of_module)


@pytest.fixture
def own_weeks(engine: Engine) -> Engine:
    """The weeks for a test that changes them."""
    return written(engine)


def written(engine: Engine) -> Engine:
    """Three weeks with models, abstentions, open work, and a version that came in between."""
    plans = {
        WEEKS[0]: Plan(n=40, words={"model": "small"}),
        WEEKS[1]: Plan(n=40, abstains=lambda name, _: name == "bias", release="2.0"),
        WEEKS[2]: Plan(n=60, words={"model": "large", "response": "Another answer."}),
    }
    with transaction(engine) as session:
        _judge_again(session, write_weeks(session, plans, zone="Asia/Kolkata"))
        # On either side of a week's end in India, within one hour of UTC.
        for zone in ("Asia/Yangon", "Asia/Kathmandu"):
            write_weeks(session, {WEEKS[1]: Plan(n=1)}, zone=zone, seed=len(zone))
        late = (col(Evaluation.criterion) == "toxicity") & (col(Evaluation.version) == "2")
        session.execute(update(Evaluation).where(late).values(status="pending", score=None))
    return engine


def test_a_segment_whose_key_is_empty_counts_nothing_twice(engine: Engine) -> None:
    nameless = {"segments": {"": "shop", "language": "en"}}
    with transaction(engine) as session:
        write_weeks(session, {WEEKS[0]: Plan(n=20, words=nameless)})
    scope = scope_of("default", None, WEEKS[:1], "UTC")
    with reading(engine) as session:
        found, chosen = count_periods(session, scope, as_periods(WEEKS[:1], "UTC"), list(RATES))
        found = with_combinations(session, scope, found, chosen)
    assert found.of("bias")[-1].scored == 20
    keys = {part.key for part in found.by_criterion["bias"]}
    assert keys == {"", "application", "language", "model"}
    whole = {part for members in found.combinations["bias"] for part in members if not part.key}
    assert whole == {Slice("", "")}


def _judge_again(session: Session, written: list[Interaction]) -> None:
    rng = random.Random(3)
    for one in written[::NEW_VERSION_EVERY]:
        rows = session.exec(select(Evaluation).where(Evaluation.interaction_id == one.id)).all()
        for row in rows:
            again = Evaluation(**row.model_dump(exclude={"id"}))
            again.version, again.status, again.passed = "2", "scored", rng.random() < 0.5
            again.threshold, again.score, again.explanation = 0.4, rng.random(), None
            session.add(again)
            if row.criterion != "toxicity":
                roll_up(session, [Contribution(one, again)])


def from_rows(session: Session, zone: str, application: str | None) -> Tallies:
    scope = scope_of("default", application, WEEKS, zone)
    ends = [week_bounds(week, zone)[1] for week in WEEKS]
    since = week_bounds(WEEKS[-1], zone)[0]
    chosen = main_evaluators(session, scope, since=since, criteria=list(RATES))
    count = Count(len(WEEKS))
    for row in read_rows(session, scope, ends, chosen):
        count.add(of_row(row))
    return count.tallies(WEEKS, [0] * len(WEEKS))


def from_rollups(session: Session, zone: str, application: str | None) -> Tallies:
    scope, periods = scope_of("default", application, WEEKS, zone), as_periods(WEEKS, zone)
    return count_periods(session, scope, periods, list(RATES))[0]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
@pytest.mark.parametrize("application", [None, "shop"])
def test_tallies_from_rollups_equal_those_from_rows(
    weeks: Engine, zone: str, application: str | None
) -> None:
    with reading(weeks) as session:
        counted = from_rows(session, zone, application)
        found = from_rollups(session, zone, application)
    assert counted.by_criterion["groundedness"]
    assert found.by_criterion == counted.by_criterion
    assert found.sources == counted.sources
    assert found.judges == counted.judges
    assert found.reasons == counted.reasons


def test_verdicts_are_told_apart_by_the_precision_that_they_were_computed_in(weeks: Engine) -> None:
    with transaction(weeks) as session:
        old = select(Interaction, Evaluation).join(Evaluation).where(Evaluation.criterion == "bias")
        newest = old.where(Evaluation.version == "1").order_by(col(Interaction.started_at).desc())
        interaction, row = session.exec(newest).first() or (None, None)
        assert interaction is not None
        assert row is not None
        roll_up(session, [Contribution(interaction, row, -1)])
        row.precision = "int8"
        roll_up(session, [Contribution(interaction, row)])
        session.add(row)
        session.flush()
        found = from_rollups(session, "UTC", None).judges
        assert found == from_rows(session, "UTC", None).judges
    counted = {one.precision: one.n for one in found if one[:3] == ("bias", "bias-words", "1")}
    assert counted["int8"] == 1
    assert counted[None] > 1


def test_a_version_that_has_not_judged_yet_leaves_an_interaction_waiting(weeks: Engine) -> None:
    with reading(weeks) as session:
        found = from_rollups(session, "Asia/Kolkata", None)
    waiting = sum(tally.pending for tally in found.of("toxicity"))
    assert waiting == len(range(0, 140, NEW_VERSION_EVERY))
    assert sum(tally.scored for tally in found.of("toxicity")) == 142 - waiting


def test_what_was_received_stays_at_least_what_was_judged_when_rows_are_pruned(
    own_weeks: Engine,
) -> None:
    early = select(Interaction.id).where(
        col(Interaction.started_at) < week_bounds(WEEKS[1], "UTC")[0]
    )
    with transaction(own_weeks) as session:
        ids = list(session.exec(early))
        session.execute(delete(Evaluation).where(col(Evaluation.interaction_id).in_(ids)))
        session.execute(delete(Interaction).where(col(Interaction.id).in_(ids)))
        after = from_rollups(session, "UTC", None)
    assert ids
    assert after.received[0] >= after.of("bias")[0].judged > 0


def test_a_small_week_is_combined_whole_and_a_large_one_by_a_bound_on_the_digest() -> None:
    assert of_sample(MOST_SAMPLED) == []
    assert bound_of(4 * MOST_SAMPLED) == "40000000"
    assert of_sample(MOST_SAMPLED, within=MOST_SAMPLED_WITHIN) == []
    assert bound_of(4 * MOST_SAMPLED, within=10) == "40000000"
    assert bound_of(2000, within=2000) == ""
    assert bound_of(8 * MOST_SAMPLED_WITHIN, within=4 * MOST_SAMPLED_WITHIN) == "40000000"


def bound_of(received: int, within: int | None = None) -> str:
    """The digits that ids of the sample lie below, or none where all are read."""
    return "".join(
        str(one.compile(compile_kwargs={"literal_binds": True})).split("'")[1]
        for one in of_sample(received, within)
    )


def test_combinations_of_a_slice_are_those_of_everything_that_hold_it(weeks: Engine) -> None:
    parts = (Slice("language", "de"), Slice("application", "shop"), Slice("model", "large"))
    with reading(weeks) as session:
        everything, periods = scope_of("default", None, WEEKS, "UTC"), as_periods(WEEKS, "UTC")
        tallies, chosen = count_periods(session, everything, periods, list(RATES))
        scope = scope_of("default", None, WEEKS[-1:], "UTC")
        whole = with_combinations(session, scope, tallies, chosen)
        for part in parts:
            found = with_combinations(session, scope, tallies, chosen, part)
            assert judged_within(found, part) == judged_within(whole, part)
            assert found.combined == tallies.of("groundedness", part)[-1].judged > 0
    assert whole.combined == tallies.of("groundedness")[-1].judged
    assert whole.combined_of == 0


def judged_within(tallies: Tallies, part: Slice) -> dict[tuple[str, frozenset[Slice]], Tally]:
    return {
        (name, members): tally
        for name, known in tallies.combinations.items()
        for members, tally in known.items()
        if part in members
    }


def test_a_sample_says_how_many_it_was_drawn_from(
    weeks: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MOST_SAMPLED_WITHIN", 10)
    part = Slice("channel", "web")
    with reading(weeks) as session:
        scope = scope_of("default", None, WEEKS[-1:], "UTC")
        periods = as_periods(WEEKS[-1:], "UTC")
        tallies, chosen = count_periods(session, scope, periods, list(RATES))
        found = with_combinations(session, scope, tallies, chosen, part)
    assert 0 < found.combined < found.combined_of
    assert found.combined_of == max(tallies.of(name, part)[-1].judged for name in RATES)


def test_the_migration_counts_again_what_was_counted_before_it(own_weeks: Engine) -> None:
    before = own_rollups(own_weeks)
    migrate_down(own_weeks, "0008")
    assert {row[5] for row in own_rollups(own_weeks)} == {"model"}
    migrate(own_weeks)
    assert own_rollups(own_weeks) == before
    assert {row[5] for row in before} == {"@judge", "@reason", "model"}


def own_rollups(engine: Engine) -> list[tuple[Any, ...]]:
    """The counts by model, by what decided and by why there is no score, without the bins."""
    with reading(engine) as session:
        rows = session.exec(select(Rollup)).all()
    fields = ("bucket_at", "application", "criterion", "source", "n", "segment_key")
    more = ("segment_value", "failing", "abstained", "failed")
    return sorted(
        (*(getattr(row, name) for name in (*fields, *more)), round(row.total, 6))
        for row in rows
        if row.segment_key.startswith("@") or row.segment_key == "model"
    )
