"""Review queues: a fair sample, one holder per item, nothing lost when a lease ends."""

import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from app.criteria import Criteria
from app.database import open_database, transaction
from app.errors import Busy, Conflict, NotFound, UnknownField
from app.store.interactions import InteractionFilter
from app.store.reviews import (
    LEASE,
    claim_item,
    create_queue,
    finish_item,
    get_item,
    get_queue,
    progress_of,
    skip_item,
    take_back_skipped,
)
from app.tables import ReviewItem, ReviewQueue
from tests.builders import save, some_interactions


def a_queue(
    engine: Engine, criteria: Criteria, now: datetime, *, n: int = 4, **changes: Any
) -> ReviewQueue:
    save(engine, some_interactions(n))
    fields: dict[str, Any] = {
        "project": "default",
        "name": "week 47",
        "filters": InteractionFilter(),
        "size": n,
        "criteria": criteria,
        "created_by": "lea",
        "seed": 1,
        "now": now,
        **changes,
    }
    with transaction(engine) as session:
        return create_queue(session, **fields)


def items_of(engine: Engine, queue: ReviewQueue) -> list[ReviewItem]:
    with transaction(engine) as session:
        query = select(ReviewItem).where(ReviewItem.queue_id == queue.id)
        return list(session.exec(query.order_by("position")))


def claim(engine: Engine, queue: ReviewQueue, reviewer: str, now: datetime) -> ReviewItem | None:
    assert queue.id is not None
    with transaction(engine) as session:
        return claim_item(session, queue.id, reviewer=reviewer, now=now)


def test_every_item_keeps_the_probability_it_was_drawn_with(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    queue = a_queue(engine, criteria, now, n=8, size=2)
    items = items_of(engine, queue)
    assert [item.inclusion_probability for item in items] == [0.25, 0.25]
    assert {item.stratum for item in items} == {"random"}
    assert queue.filters["eligible"] == 8
    assert queue.criteria == list(criteria.by_name)


def test_a_sample_is_repeated_by_its_seed_and_differs_between_seeds(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    drawn = [
        {
            item.interaction_id
            for item in items_of(
                engine, a_queue(engine, criteria, now, n=40, size=10, name=name, seed=seed)
            )
        }
        for name, seed in (("a", 7), ("b", 7), ("c", 8))
    ]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_the_filter_decides_who_is_eligible(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    save(engine, some_interactions(3, span_id="a" * 16, application="helpdesk"))
    filters = InteractionFilter(application="helpdesk", from_at=now - timedelta(days=1))
    queue = a_queue(engine, criteria, now, filters=filters, size=100)
    assert len(items_of(engine, queue)) == 3
    assert queue.filters["filter"]["application"] == "helpdesk"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"size": 0}, UnknownField),
        ({"name": " "}, UnknownField),
        ({"criterion_names": ["tone"]}, UnknownField),
        ({"filters": InteractionFilter(application="missing")}, UnknownField),
    ],
)
def test_a_queue_that_makes_no_sense_is_refused(
    engine: Engine, criteria: Criteria, now: datetime, changes: dict[str, Any], error: type
) -> None:
    with pytest.raises(error):
        a_queue(engine, criteria, now, **changes)


def test_two_queues_cannot_share_a_name(engine: Engine, criteria: Criteria, now: datetime) -> None:
    a_queue(engine, criteria, now)
    with pytest.raises(Conflict):
        a_queue(engine, criteria, now)


def test_a_queue_of_another_project_does_not_exist(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    queue = a_queue(engine, criteria, now)
    assert queue.id is not None
    item = items_of(engine, queue)[0]
    assert item.id is not None
    with transaction(engine) as session:
        with pytest.raises(NotFound):
            get_queue(session, "other", queue.id)
        with pytest.raises(NotFound):
            get_queue(session, "default", 2**63)
        with pytest.raises(NotFound):
            get_item(session, queue.id + 1, item.id)


def test_a_reload_gives_the_same_item_and_others_get_another(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    queue = a_queue(engine, criteria, now)
    first = claim(engine, queue, "anna", now)
    again = claim(engine, queue, "anna", now + timedelta(minutes=10))
    other = claim(engine, queue, "ben", now)
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.id == again.id != other.id


def test_a_lease_that_ended_frees_the_item_and_a_late_label_is_taken(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    queue = a_queue(engine, criteria, now, n=1)
    item = claim(engine, queue, "anna", now)
    assert item is not None
    assert claim(engine, queue, "ben", now) is None
    late = now + LEASE
    assert claim(engine, queue, "ben", late) is not None
    with transaction(engine) as session:
        finish_item(session, get_item(session, item.queue_id, item.id or 0), now=late)
    assert claim(engine, queue, "ben", late) is None
    assert items_of(engine, queue)[0].done_at == late


def test_a_skipped_item_goes_to_others_and_comes_back_on_request(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    queue = a_queue(engine, criteria, now, n=1)
    item = claim(engine, queue, "anna", now)
    assert item is not None
    with transaction(engine) as session:
        stored = get_item(session, item.queue_id, item.id or 0)
        skip_item(session, stored, reviewer="ben")
        assert stored.lease_until_at is not None
        skip_item(session, stored, reviewer="anna")
        assert progress_of(session, item.queue_id, reviewer="anna", now=now).skipped == 1
    assert claim(engine, queue, "anna", now) is None
    with transaction(engine) as session:
        take_back_skipped(session, item.queue_id, reviewer="anna")
    assert claim(engine, queue, "anna", now) is not None
    with transaction(engine) as session:
        skip_item(session, get_item(session, item.queue_id, item.id or 0), reviewer="anna")
    assert claim(engine, queue, "ben", now) is not None


def test_progress_says_why_nothing_is_free(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    queue = a_queue(engine, criteria, now, n=3)
    assert queue.id is not None
    mine = claim(engine, queue, "anna", now)
    claim(engine, queue, "ben", now)
    assert mine is not None
    with transaction(engine) as session:
        finish_item(session, get_item(session, queue.id, mine.id or 0), now=now)
        progress = progress_of(session, queue.id, reviewer="anna", now=now)
    assert (progress.total, progress.done, progress.held, progress.skipped) == (3, 1, 1, 0)
    assert progress.next_free_at == now + LEASE


def test_many_reviewers_at_once_never_hold_or_label_the_same_item(
    engine: Engine, database_url: str, criteria: Criteria, now: datetime
) -> None:
    queue = a_queue(engine, criteria, now, n=60)
    held: list[tuple[str, int]] = []
    workers = [
        threading.Thread(target=label_all, args=(database_url, queue.id, f"r{index}", now, held))
        for index in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert Counter(item for _, item in held).most_common(1)[0][1] == 1
    assert len(held) == 60
    assert all(item.done_at is not None for item in items_of(engine, queue))


def label_all(
    url: str, queue_id: int, reviewer: str, now: datetime, held: list[tuple[str, int]]
) -> None:
    engine = open_database(url)
    while True:
        try:
            with transaction(engine) as session:
                item = claim_item(session, queue_id, reviewer=reviewer, now=now)
            if item is None:
                break
            held.append((reviewer, item.id or 0))
            with transaction(engine) as session:
                finish_item(session, get_item(session, queue_id, item.id or 0), now=now)
        except Busy:
            continue
    engine.dispose()
