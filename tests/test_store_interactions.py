"""Interactions: stored once, found again, judged again only when their words change."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from app.criteria import Criteria
from app.database import reading, transaction
from app.errors import BadRequest, NotFound
from app.settings import Settings
from app.store.evaluations import evaluations_of
from app.store.interactions import (
    InteractionFilter,
    Saved,
    drop_interactions,
    get_interaction,
    list_interactions,
)
from app.store.rollups import counts_between, rollup_points
from app.tables import Annotation, Evaluation, Interaction, ReviewItem, ReviewQueue, Rollup
from tests.builders import an_interaction, save, score_all, some_interactions


def found(engine: Engine, **filters: object) -> list[str]:
    with reading(engine) as session:
        chosen = InteractionFilter(**filters)  # type: ignore[arg-type]
        return [row.prompt for row in list_interactions(session, "default", chosen).rows]


def statuses(engine: Engine, row: Interaction) -> dict[str, str]:
    with reading(engine) as session:
        rows = evaluations_of(session, [row.id])[row.id]
        return {one.criterion: one.status for one in rows}


def test_saving_again_changes_nothing(engine: Engine) -> None:
    assert save(engine, some_interactions(3)) == Saved(created=3, changed=0, unchanged=0)
    assert save(engine, some_interactions(3)) == Saved(created=0, changed=0, unchanged=3)


def test_every_evaluator_gets_a_row_for_every_interaction(engine: Engine) -> None:
    save(engine, [an_interaction()])
    assert set(statuses(engine, an_interaction()).values()) == {"pending"}
    assert len(statuses(engine, an_interaction())) == 5


def test_an_interaction_without_contexts_is_born_abstained_where_they_are_needed(
    engine: Engine,
) -> None:
    row = an_interaction(contexts=[])
    save(engine, [row])
    with reading(engine) as session:
        (one,) = [
            e for e in evaluations_of(session, [row.id])[row.id] if e.criterion == "groundedness"
        ]
    assert (one.status, one.score, one.passed) == ("abstained", None, None)
    assert one.explanation == "Not judged: there are no contexts."


def test_changed_words_are_judged_again_and_the_counts_follow(
    engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    save(engine, [an_interaction(response="You idiot.")])
    score_all(engine, criteria, settings)
    assert save(engine, [an_interaction(response="Good morning.")]).changed == 1
    assert statuses(engine, an_interaction())["toxicity"] == "pending"
    with reading(engine) as session:
        assert sum(row.n for row in rollup_points(session, "default", "toxicity")) == 0
    score_all(engine, criteria, settings)
    with reading(engine) as session:
        (point,) = rollup_points(session, "default", "toxicity")
    assert (point.n, point.failing) == (1, 0)


def test_a_changed_segment_moves_the_counts_without_a_new_verdict(
    engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    save(engine, [an_interaction(response="You idiot.")])
    score_all(engine, criteria, settings)
    save(engine, [an_interaction(response="You idiot.", segments={"language": "de"})])
    assert statuses(engine, an_interaction())["toxicity"] == "scored"
    with reading(engine) as session:
        points = counts_between(session, Rollup, "default", "toxicity", by="language")
    assert {row.segment_value: row.n for row in points} == {"en": 0, "de": 1}


def test_the_counts_equal_what_the_evaluations_say(
    engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    rows = [*some_interactions(7), an_interaction(trace_id="f" * 32, response="You idiot.")]
    save(engine, rows)
    score_all(engine, criteria, settings)
    with reading(engine) as session:
        scored = list(session.exec(select(Evaluation).where(Evaluation.criterion == "toxicity")))
        query = select(Rollup).where(Rollup.criterion == "toxicity", Rollup.segment_key == "")
        (point,) = session.exec(query)
        (day,) = rollup_points(session, "default", "toxicity")
    assert day.model_dump(exclude={"bucket_at"}) == point.model_dump(exclude={"bucket_at"})
    assert point.n == len(scored) == sum(point.histogram) == 8
    assert point.failing == sum(one.passed is False for one in scored) == 1
    assert point.total == pytest.approx(sum(one.score or 0 for one in scored))


def test_lists_filter_and_page_newest_first(engine: Engine, now: datetime) -> None:
    rows = [
        an_interaction(trace_id=f"{n:032x}", prompt=f"p{n}", started_at=now + timedelta(minutes=n))
        for n in range(1, 6)
    ]
    save(engine, rows)
    with reading(engine) as session:
        first = list_interactions(session, "default", InteractionFilter(), limit=3)
        second = list_interactions(
            session, "default", InteractionFilter(), limit=3, cursor=first.next_cursor
        )
    assert [row.prompt for row in first.rows + second.rows] == ["p5", "p4", "p3", "p2", "p1"]
    assert second.next_cursor is None


def test_filters_restrict(engine: Engine, criteria: Criteria, settings: Settings) -> None:
    save(
        engine,
        [
            an_interaction(trace_id="1" * 32, prompt="a", application="one"),
            an_interaction(trace_id="2" * 32, prompt="b", segments={"language": "de"}),
            an_interaction(trace_id="3" * 32, prompt="100 % sure?", response="You idiot."),
        ],
    )
    score_all(engine, criteria, settings)
    assert found(engine, application="one") == ["a"]
    assert found(engine, segments={"language": "de"}) == ["b"]
    assert found(engine, criterion="toxicity", label="toxic") == ["100 % sure?"]
    assert found(engine, text="100 %") == ["100 % sure?"]
    assert found(engine, text="no such words") == []


def test_a_made_up_cursor_is_refused(engine: Engine) -> None:
    with reading(engine) as session, pytest.raises(BadRequest, match="cursor"):
        list_interactions(session, "default", InteractionFilter(), cursor="nonsense")


def test_another_projects_interaction_is_not_found(engine: Engine) -> None:
    row = an_interaction(project="other")
    save(engine, [row])
    with reading(engine) as session, pytest.raises(NotFound):
        get_interaction(session, "default", row.id)


def test_an_annotated_interaction_is_never_dropped(engine: Engine, now: datetime) -> None:
    kept, dropped = some_interactions(2)
    save(engine, [kept, dropped])
    with transaction(engine) as session:
        session.add(
            Annotation(
                project="default",
                interaction_id=kept.id,
                criterion="toxicity",
                reviewer="ada",
                final_label="none",
                guideline_version="1",
                idempotency_key="k",
                created_at=now,
            )
        )
    with transaction(engine) as session:
        drop_interactions(session, [kept, dropped])
    with reading(engine) as session:
        assert [row.id for row in session.exec(select(Interaction))] == [kept.id]


def test_an_interaction_in_a_review_queue_is_never_dropped(engine: Engine, now: datetime) -> None:
    kept, dropped = some_interactions(2)
    save(engine, [kept, dropped])
    with transaction(engine) as session:
        queue = ReviewQueue(project="default", name="q", created_by="ada", created_at=now)
        session.add(queue)
        session.flush()
        session.add(
            ReviewItem(
                queue_id=queue.id,
                interaction_id=kept.id,
                position=1,
                stratum="",
                inclusion_probability=1.0,
            )
        )
    with transaction(engine) as session:
        drop_interactions(session, [kept, dropped])
    with reading(engine) as session:
        assert [row.id for row in session.exec(select(Interaction))] == [kept.id]
