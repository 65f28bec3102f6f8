"""Annotations are only ever added: once per delivery, and a correction replaces."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.criteria import Criteria
from app.database import transaction
from app.errors import Conflict, NotFound, UnknownField
from app.store.annotations import add_annotation, annotations_of, own_annotations
from app.tables import Annotation, Interaction
from tests.builders import an_interaction, save


@pytest.fixture
def interaction(engine: Engine) -> Interaction:
    row = an_interaction()
    save(engine, [row])
    return row


def a_label(interaction: Interaction, now: datetime, **changes: Any) -> Annotation:
    fields: dict[str, Any] = {
        "project": "default",
        "interaction_id": interaction.id,
        "criterion": "groundedness",
        "reviewer": "anna",
        "blind_label": "partly",
        "final_label": "partly",
        "guideline_version": "g1",
        "idempotency_key": "k1",
        "created_at": now,
        **changes,
    }
    return Annotation(**fields)


def count(session: Session) -> int:
    return len(list(session.exec(select(Annotation))))


def test_the_same_delivery_three_times_is_one_row(
    engine: Engine, interaction: Interaction, criteria: Criteria, now: datetime
) -> None:
    ids = set()
    for _ in range(3):
        with transaction(engine) as session:
            row = add_annotation(session, a_label(interaction, now), criteria=criteria)
            ids.add(row.id)
    with transaction(engine) as session:
        assert count(session) == len(ids) == 1


def test_a_key_that_was_used_for_something_else_is_a_conflict(
    engine: Engine, interaction: Interaction, criteria: Criteria, now: datetime
) -> None:
    with transaction(engine) as session:
        add_annotation(session, a_label(interaction, now), criteria=criteria)
    other = a_label(interaction, now, reviewer="ben")
    with pytest.raises(Conflict), transaction(engine) as session:
        add_annotation(session, other, criteria=criteria)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"final_label": "nice"}, UnknownField),
        ({"blind_label": "nice"}, UnknownField),
        ({"criterion": "tone"}, UnknownField),
        ({"interaction_id": "missing"}, NotFound),
        ({"project": "another"}, NotFound),
        ({"idempotency_key": ""}, UnknownField),
        ({"comment": "x" * 100_001}, UnknownField),
        ({"replaces_id": 4711}, NotFound),
    ],
)
def test_what_does_not_exist_cannot_be_annotated(
    engine: Engine,
    interaction: Interaction,
    criteria: Criteria,
    now: datetime,
    changes: dict[str, Any],
    error: type[Exception],
) -> None:
    with pytest.raises(error), transaction(engine) as session:
        add_annotation(session, a_label(interaction, now, **changes), criteria=criteria)
    with transaction(engine) as session:
        assert count(session) == 0


def test_a_correction_replaces_and_keeps_what_was_said_first(
    engine: Engine, interaction: Interaction, criteria: Criteria, now: datetime
) -> None:
    with transaction(engine) as session:
        first = add_annotation(session, a_label(interaction, now), criteria=criteria)
        changed = a_label(
            interaction,
            now,
            final_label="ungrounded",
            replaces_id=first.id,
            idempotency_key="k2",
        )
        add_annotation(session, changed, criteria=criteria)
        current = annotations_of(session, [interaction.id])[interaction.id]
        assert [(row.blind_label, row.final_label) for row in current] == [("partly", "ungrounded")]
        assert count(session) == 2


def test_nobody_replaces_what_another_said(
    engine: Engine, interaction: Interaction, criteria: Criteria, now: datetime
) -> None:
    with transaction(engine) as session:
        first = add_annotation(session, a_label(interaction, now), criteria=criteria)
    theft = a_label(interaction, now, reviewer="ben", replaces_id=first.id, idempotency_key="k2")
    with pytest.raises(Conflict), transaction(engine) as session:
        add_annotation(session, theft, criteria=criteria)


def test_each_reviewer_sees_their_own(
    engine: Engine, interaction: Interaction, criteria: Criteria, now: datetime
) -> None:
    with transaction(engine) as session:
        add_annotation(session, a_label(interaction, now), criteria=criteria)
        another = a_label(interaction, now, reviewer="ben", idempotency_key="k2")
        add_annotation(session, another, criteria=criteria)
        assert set(own_annotations(session, interaction.id, reviewer="anna")) == {"groundedness"}
        assert not own_annotations(session, interaction.id, reviewer="carla")
        assert not own_annotations(session, interaction.id, reviewer="anna", queue_id=1)
