"""Review queues: a fair sample, one holder per item, nothing lost when a lease ends."""

import multiprocessing
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import select
from starlette.testclient import TestClient

from app.criteria import Criteria
from app.database import transaction
from app.errors import Conflict, NotFound, UnknownField
from app.settings import Settings
from app.store.interactions import InteractionFilter
from app.store.reviewers import add_reviewer
from app.store.reviews import Plan, create_queue, get_item, get_queue, progress_of
from app.store.turns import (
    LEASE,
    REPEAT_AFTER,
    claim_turn,
    finish_turn,
    history,
    keep_draft,
    release_turn,
    renew_turn,
    reopen_turn,
    take_back_skipped,
    turn_of,
)
from app.tables import ReviewItem, ReviewQueue, ReviewTurn
from tests.builders import save, score_all, some_interactions
from tests.claim_until_empty import claim_until_empty
from tests.clients import an_app

MINUTE = timedelta(minutes=1)


def a_queue(
    engine: Engine, criteria: Criteria, now: datetime, *, n: int = 4, **changes: Any
) -> ReviewQueue:
    save(engine, some_interactions(n))
    plan = {name: changes.pop(name) for name in list(changes) if name in Plan.__slots__}
    fields: dict[str, Any] = {
        "project": "default",
        "name": "week 47",
        "filters": InteractionFilter(),
        "plan": Plan(**{"size": n, "seed": 1, **plan}),
        "criteria": criteria,
        "created_by": "lea",
        "now": now,
        **changes,
    }
    with transaction(engine) as session:
        return create_queue(session, **fields)


def items_of(engine: Engine, queue: ReviewQueue) -> list[ReviewItem]:
    with transaction(engine) as session:
        query = select(ReviewItem).where(ReviewItem.queue_id == queue.id)
        return list(session.exec(query.order_by("position")))


def claim(engine: Engine, queue: ReviewQueue, reviewer: str, now: datetime) -> ReviewTurn | None:
    assert queue.id is not None
    with transaction(engine) as session:
        return claim_turn(session, queue.id, reviewer=reviewer, now=now)


def claimed(engine: Engine, queue: ReviewQueue, reviewer: str, now: datetime) -> ReviewTurn:
    turn = claim(engine, queue, reviewer, now)
    assert turn is not None
    return turn


def finish(
    engine: Engine, turn: ReviewTurn, now: datetime, *, status: str = "stored", **more: Any
) -> ReviewTurn:
    with transaction(engine) as session:
        item = get_item(session, turn.queue_id, turn.item_id)
        return finish_turn(session, item, reviewer=turn.reviewer, status=status, now=now, **more)


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
    first, again = claimed(engine, queue, "anna", now), claimed(engine, queue, "anna", now + MINUTE)
    other = claimed(engine, queue, "ben", now)
    assert first.item_id == again.item_id != other.item_id
    assert again.until_at == now + MINUTE + LEASE


def test_a_lease_ends_by_itself_is_renewed_and_given_back(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    queue = a_queue(engine, criteria, now, n=1)
    turn = claimed(engine, queue, "anna", now)
    assert claim(engine, queue, "ben", now + LEASE - MINUTE) is None
    with transaction(engine) as session:
        stored = session.get_one(ReviewTurn, turn.id)
        assert renew_turn(session, stored, now=now + LEASE - MINUTE)
    assert claim(engine, queue, "ben", now + LEASE + MINUTE) is None
    with transaction(engine) as session:
        stored = session.get_one(ReviewTurn, turn.id)
        release_turn(session, stored, until_at=turn.until_at, now=now)
        assert stored.until_at == now + 2 * LEASE - MINUTE
        release_turn(session, stored, until_at=stored.until_at, now=now)
    assert claimed(engine, queue, "ben", now).item_id == turn.item_id
    with transaction(engine) as session:
        assert not renew_turn(session, session.get_one(ReviewTurn, turn.id), now=now + MINUTE)


def test_a_late_label_is_kept_and_flagged_only_where_it_is_one_too_many(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    queue = a_queue(engine, criteria, now, n=2)
    first, second = claimed(engine, queue, "anna", now), claimed(engine, queue, "ben", now)
    late = now + LEASE + MINUTE
    assert not finish(engine, second, late).is_extra
    taken = claimed(engine, queue, "ben", late)
    assert taken.item_id == first.item_id
    assert not finish(engine, taken, late).is_extra
    assert finish(engine, first, late).is_extra
    statuses = Counter((turn.item_id, turn.status) for turn in turns_of(engine))
    assert statuses[first.item_id, "stored"] == 2


def turns_of(engine: Engine) -> list[ReviewTurn]:
    with transaction(engine) as session:
        return list(session.exec(select(ReviewTurn)))


def test_overlapping_items_go_to_two_reviewers_and_to_nobody_twice(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    queue = a_queue(engine, criteria, now, n=20, overlap_rate=0.25)
    assert Counter(item.need for item in items_of(engine, queue)) == {1: 15, 2: 5}
    seen: dict[str, list[int]] = {"anna": [], "ben": [], "carla": []}
    waiting = list(seen)
    while waiting:
        reviewer = waiting.pop(0)
        turn = claim(engine, queue, reviewer, now)
        if turn is not None:
            finish(engine, turn, now)
            seen[reviewer].append(turn.item_id)
            waiting.append(reviewer)
    assert all(len(items) == len(set(items)) for items in seen.values())
    labels = Counter(item for items in seen.values() for item in items)
    assert {item.id: item.need for item in items_of(engine, queue)} == labels


def test_an_item_to_be_repeated_comes_back_a_week_later_to_who_labelled_it(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    queue = a_queue(engine, criteria, now, n=1, repeat_rate=1.0)
    finish(engine, claimed(engine, queue, "anna", now), now)
    assert claim(engine, queue, "anna", now + REPEAT_AFTER - MINUTE) is None
    later = now + REPEAT_AFTER
    assert claim(engine, queue, "ben", later) is None
    again = claimed(engine, queue, "anna", later)
    assert again.occasion == 2
    finish(engine, again, later)
    assert claim(engine, queue, "anna", later + REPEAT_AFTER) is None


def test_what_i_skip_goes_to_others_until_i_take_it_back(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    queue = a_queue(engine, criteria, now, n=1)
    assert queue.id is not None
    finish(engine, claimed(engine, queue, "anna", now), now, status="skipped", reason="x")
    assert claim(engine, queue, "anna", now) is None
    with transaction(engine) as session:
        assert progress_of(session, queue.id, reviewer="anna", now=now).skipped == 1
        take_back_skipped(session, queue.id, reviewer="anna")
    assert claim(engine, queue, "anna", now) is not None


def test_a_question_to_the_lead_takes_the_item_out_of_the_queue(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    queue = a_queue(engine, criteria, now, n=1, need=3)
    finish(engine, claimed(engine, queue, "anna", now), now, status="asked", reason="privacy")
    assert claim(engine, queue, "ben", now) is None
    assert items_of(engine, queue)[0].done_at == now


def test_what_is_taken_back_opens_again_with_its_answers_before_anything_else(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    queue = a_queue(engine, criteria, now, n=3)
    first = claimed(engine, queue, "anna", now)
    finish(engine, first, now)
    held = claimed(engine, queue, "anna", now)
    with transaction(engine) as session:
        keep_draft(session, session.get_one(ReviewTurn, held.id), {"comment": "half"})
        reopen_turn(
            session, session.get_one(ReviewTurn, first.id), {"comment": "hm"}, now=now + MINUTE
        )
    assert items_of(engine, queue)[0].done_at is None
    again = claimed(engine, queue, "anna", now + MINUTE)
    assert (again.item_id, again.draft) == (first.item_id, {"comment": "hm"})
    finish(engine, again, now + MINUTE)
    assert claimed(engine, queue, "anna", now + MINUTE).draft == {"comment": "half"}
    with transaction(engine) as session:
        assert queue.id is not None
        assert [one.id for one in history(session, queue.id, reviewer="anna")] == [first.id]


def test_progress_says_why_nothing_is_free(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    queue = a_queue(engine, criteria, now, n=3)
    assert queue.id is not None
    mine = claimed(engine, queue, "anna", now)
    claim(engine, queue, "ben", now)
    finish(engine, mine, now)
    with transaction(engine) as session:
        progress = progress_of(session, queue.id, reviewer="anna", now=now)
        assert turn_of(session, mine.item_id, reviewer="ben") is None
    assert (progress.total, progress.done, progress.held, progress.skipped) == (3, 1, 1, 0)
    assert progress.next_free_at == now + LEASE


def test_eight_processes_never_give_an_item_to_more_than_it_needs_or_to_anybody_twice(
    engine: Engine, database_url: str, criteria: Criteria, now: datetime
) -> None:
    size = int(os.environ.get("TOUCHSTONE_TEST_CLAIMS", "40"))
    queue = a_queue(engine, criteria, now, n=size, overlap_rate=0.2)
    # The modules are imported once, in the process that all others are forked from.
    apart = multiprocessing.get_context("forkserver")
    apart.set_forkserver_preload(["tests.claim_until_empty"])
    claimers = [
        apart.Process(target=claim_until_empty, args=(database_url, queue.id, f"reviewer {n}"))
        for n in range(8)
    ]
    for one in claimers:
        one.start()
    for one in claimers:
        one.join()
    assert [one.exitcode for one in claimers] == [0] * 8
    turns = turns_of(engine)
    assert all(turn.status == "stored" and not turn.is_extra for turn in turns)
    labels = Counter(turn.item_id for turn in turns)
    assert labels == {item.id: item.need for item in items_of(engine, queue)}
    assert len({(turn.item_id, turn.reviewer) for turn in turns}) == len(turns)


def test_who_saw_the_verdicts_on_an_answer_gets_it_in_no_blind_queue(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    blind = a_queue(engine, criteria, now, n=4)
    assisted = a_queue(engine, criteria, now, n=4, name="triage", size=2, kind="assisted")
    calibration = a_queue(engine, criteria, now, n=4, name="practice")
    with transaction(engine) as session:
        session.get_one(ReviewQueue, calibration.id).kind = "calibration"
    seen = {claimed(engine, assisted, "anna", now).item_id}
    finish(engine, claimed(engine, assisted, "anna", now), now, status="skipped")
    second = claimed(engine, assisted, "anna", now)
    seen.add(second.item_id)
    finish(engine, second, now, status="skipped")
    with transaction(engine) as session:
        assert assisted.id is not None
        take_back_skipped(session, assisted.id, reviewer="anna")
    known = {one.interaction_id for one in items_of(engine, assisted) if one.id in seen}
    assert len(known) == 2
    for reviewer, queue, n in (("anna", blind, 2), ("anna", calibration, 4), ("ben", blind, 2)):
        got = [one.interaction_id for one in labelled_by(engine, queue, reviewer, now)]
        assert len(got) == n
        if (reviewer, queue) == ("anna", blind):
            assert not known & set(got)
    assert claimed(engine, assisted, "anna", now).item_id in seen


def labelled_by(
    engine: Engine, queue: ReviewQueue, reviewer: str, now: datetime
) -> list[ReviewItem]:
    """The items that somebody gets who labels until nothing is left."""
    items = {one.id: one for one in items_of(engine, queue)}
    found = []
    while (turn := claim(engine, queue, reviewer, now)) is not None:
        finish(engine, turn, now)
        found.append(items[turn.item_id])
    return found


def test_a_reviewer_sees_no_verdict_on_what_waits_for_their_blind_label(
    engine: Engine, criteria: Criteria, settings: Settings, now: datetime
) -> None:
    rows = some_interactions(2, response="an idiot")
    queue = a_queue(engine, criteria, now, n=1)
    save(engine, rows)
    score_all(engine, criteria, settings)
    with transaction(engine) as session:
        token = add_reviewer(session, name="anna", now=datetime.now(UTC))
        lead = add_reviewer(session, name="lea", role="lead", now=datetime.now(UTC))
    app = an_app(settings, criteria, open_access=False)
    sites = {"Sec-Fetch-Site": "same-origin"}
    paths = ("/interactions", f"/interactions/{rows[0].id}", "/conversation?id=c1")

    def pages(client: TestClient) -> list[int]:
        return [client.get(path).text.count('class="tag fail"') for path in paths]

    with TestClient(app) as client, TestClient(app) as other:
        for one, link in ((client, token), (other, lead)):
            form = {"link": link, "password": "some unrelated words"}
            one.post("/sign-in", data=form, headers=sites)
        everything = pages(other)
        assert "perhaps yours" in client.get(paths[1]).text
        hidden = pages(client)
        assert all(mine < all_ for mine, all_ in zip(hidden, everything, strict=True))
        finish(engine, claimed(engine, queue, "anna", now), now)
        assert pages(client) == everything
