"""The hot reads use an index: on SQLite no plan scans a table or sorts more than equal keys."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlmodel import Session

from app.criteria import read_criteria
from app.database import open_database, reading
from app.reports import live
from app.reports.live import View
from app.reports.tallies import Slice
from app.store import saying
from app.store.evaluations import claim, coverage, evaluations_of
from app.store.interactions import (
    InteractionFilter,
    Page,
    applications,
    interactions_of_trace,
    list_interactions,
)
from app.store.rollups import counts_between
from app.tables import DailyRollup, Rollup
from benchmarks import reading as measured
from tests.builders import FAKE_EVALUATORS

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
SCANS = tuple(
    f"SCAN {name}"
    for name in ("interaction", "evaluation", "rollup", "span", "trace", "search_entry", "entry")
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A database large enough for the planner to prefer an index."""
    path: Path = tmp_path_factory.mktemp("plans") / "grown.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measured, "SEED_INTERACTIONS", 100)
        measured.grow(path, 4000)
    engine = open_database(f"sqlite:///{path}")
    yield engine
    engine.dispose()


def listed(**filters: Any) -> Callable[[Session], Page]:
    return lambda session: list_interactions(session, "default", InteractionFilter(**filters))


READS: dict[str, Callable[[Session], object]] = {
    "newest": listed(),
    "an application": listed(application="shop"),
    "a span of time": listed(from_at=NOON, to_at=NOON),
    "a label": listed(criterion="groundedness", label="ungrounded"),
    "a label of an application": listed(label="ungrounded", application="shop"),
    "a label nobody got": listed(label="no such label"),
    "failed": listed(status="failed"),
    "failed on a criterion": listed(status="failed", criterion="toxicity"),
    "scored": listed(status="scored"),
    "words": listed(text="warehouse"),
    "words that nobody said": listed(text="xylophone"),
    "words of an application": listed(text="warehouse", application="shop"),
    "a trace": lambda session: interactions_of_trace(session, "default", "0" * 32),
    "evaluations": lambda session: evaluations_of(session, ["a", "b"]),
    "applications": lambda session: applications(session, "default"),
    "coverage": lambda session: coverage(session, "default"),
    "claim": lambda session: claim(
        session,
        specs=[one.spec for one in FAKE_EVALUATORS],
        now=NOON,
        interactions=32,
        lease_seconds=60,
        max_attempts=3,
    ),
    "slices of a segment": lambda session: live.regressions(
        session,
        View("default", None, Slice("language", "de"), NOON.date(), NOON.date(), "UTC"),
        read_criteria(),
    ),
    "trend": lambda session: counts_between(session, DailyRollup, "default", "bias", from_at=NOON),
    "trend by segment": lambda session: counts_between(
        session, Rollup, "default", "bias", by="language"
    ),
}


@pytest.mark.parametrize("name", READS)
def test_a_hot_read_follows_an_index(engine: Engine, name: str) -> None:
    with reading(engine) as session, statements(engine) as seen:
        READS[name](session)
    assert seen
    for statement, values in seen:
        plan = plan_of(engine, statement, values)
        assert not [step for step in plan if step.startswith(SCANS)], (statement, plan)


@pytest.mark.parametrize("name", ["newest", "a label", "failed", "scored", "claim"])
def test_a_list_comes_out_of_its_index_in_order(engine: Engine, name: str) -> None:
    with reading(engine) as session, statements(engine) as seen:
        READS[name](session)
    plan = plan_of(engine, *seen[0])
    assert not [step for step in plan if "TEMP B-TREE" in step], plan


def test_words_that_many_say_are_looked_for_among_the_newest(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saying, "FEW", 10)
    monkeypatch.setattr(saying, "WINDOW", 100)
    with reading(engine) as session, statements(engine) as seen:
        page = listed(text="warehouse")(session)
    assert len(page.rows) == 50
    looked_at = [values[0] for statement, values in seen if "min(id)" in statement]
    assert len(looked_at) <= 2
    for statement, values in seen:
        plan = plan_of(engine, statement, values)
        assert not [step for step in plan if step.startswith(SCANS)], (statement, plan)


def test_a_label_pages_through_all_that_have_it(engine: Engine) -> None:
    filters = InteractionFilter(criterion="groundedness", label="ungrounded")
    found: list[str] = []
    cursor = None
    with reading(engine) as session:
        while cursor is not None or not found:
            page = list_interactions(session, "default", filters, cursor=cursor, limit=37)
            assert [(row.started_at, row.id) for row in page.rows] == sorted(
                ((row.started_at, row.id) for row in page.rows), reverse=True
            )
            found += [row.id for row in page.rows]
            cursor = page.next_cursor
            if cursor is None:
                break
    assert len(found) == len(set(found)) == 200


@contextmanager
def statements(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            seen.append((statement, values))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def plan_of(engine: Engine, statement: str, values: Any) -> list[str]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        return [row[3] for row in rows]
