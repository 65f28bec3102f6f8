"""The clearest failures are found without reading all of them, whatever has become of the first."""

from datetime import datetime

import pytest
from sqlalchemy import Engine, event
from sqlmodel import Session, col, select

from app.criteria import Criteria
from app.database import transaction
from app.reports.failures import EXAMPLES_READ, TRIED_FIRST, clearest_failures
from app.reports.scope import scope_of
from app.tables import Evaluation, Interaction
from tests.report_world import Plan, write_weeks

WEEK = "2026-W40"
SHOWN = EXAMPLES_READ


def failures_by_score(session: Session, criteria: Criteria) -> list[Evaluation]:
    """A week of failures, each a little less clear than the one before."""
    write_weeks(session, {WEEK: Plan(n=160, rate=lambda name, _: 0.5)})
    criterion = criteria.get("groundedness")
    query = select(Evaluation).where(Evaluation.label == criterion.failing)
    rows = list(session.exec(query.order_by(Evaluation.interaction_id)))
    for place, row in enumerate(rows):
        row.score = place / 1000
    session.flush()
    return rows


def shown(session: Session, criteria: Criteria, application: str | None = None) -> list[str]:
    scope = scope_of("default", application, [WEEK], "UTC")
    criterion = criteria.get("groundedness")
    found = clearest_failures(session, scope, "groundedness-words", criterion)
    return [interaction.id for _, interaction in found]


@pytest.mark.parametrize("gone", [0, 5, SHOWN, TRIED_FIRST + 3, 78])
def test_the_clearest_failures_are_those_that_can_still_be_read(
    engine: Engine, criteria: Criteria, now: datetime, gone: int
) -> None:
    with transaction(engine) as session:
        rows = failures_by_score(session, criteria)
        ids = [one.interaction_id for one in rows]
        erased = col(Interaction.id).in_(ids[:gone])
        for interaction in session.exec(select(Interaction).where(erased)):
            interaction.erased_at = now
        session.flush()
        assert shown(session, criteria) == ids[gone : gone + SHOWN]


def test_a_failure_that_a_newer_version_judged_anew_is_not_shown(
    engine: Engine, criteria: Criteria
) -> None:
    with transaction(engine) as session:
        rows = failures_by_score(session, criteria)
        for row in rows[:40]:
            passing = {"version": "2", "score": 0.9, "label": "grounded", "passed": True}
            session.add(Evaluation(**(row.model_dump(exclude={"id"}) | passing)))
        session.flush()
        assert shown(session, criteria) == [one.interaction_id for one in rows[40 : 40 + SHOWN]]


def test_those_of_one_application_are_its_own(engine: Engine, criteria: Criteria) -> None:
    with transaction(engine) as session:
        ids = [one.interaction_id for one in failures_by_score(session, criteria)]
        own = set(session.exec(select(Interaction.id).where(Interaction.application == "city")))
        assert shown(session, criteria, "city") == [one for one in ids if one in own][:SHOWN]


def test_words_are_read_of_a_few_failures_only(engine: Engine, criteria: Criteria) -> None:
    with transaction(engine) as session:
        failures_by_score(session, criteria)
        session.expunge_all()
        loaded: list[str] = []
        event.listen(
            session, "loaded_as_persistent", lambda _, one: loaded.append(type(one).__name__)
        )
        assert len(shown(session, criteria)) == SHOWN
    assert loaded.count("Interaction") == TRIED_FIRST
