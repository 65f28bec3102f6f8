"""Review queues: samples of interactions, drawn so that an estimate can be weighted back.

The inclusion probability is fixed when the sample is drawn and stored with every item. Which items
two reviewers are asked, and which the same reviewer is asked again, is drawn at random then, too.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, case, exists, func, or_
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from app.criteria import Criteria
from app.errors import Conflict, NotFound, UnknownField
from app.statistics.sampling import Drawn, stratified_sample
from app.store.gold import CALIBRATION, gold_labels
from app.store.interactions import InteractionFilter
from app.store.naming import checked_name
from app.store.strata import strata_of
from app.tables import ReviewItem, ReviewQueue, ReviewTurn

LARGEST_SAMPLE = 10_000
LEAST_GOLD = 20
REVEALS = ("differs", "always", "never")
OVERLAP_NEED = 2
REVIEW, ASSISTED = "review", "assisted"
"""The kinds of a queue that is drawn: blind, or with the verdicts filled in."""
BY_OUTCOME = frozenset({"label", "status", "text", "feedback", "feedback_below", "topic"})
"""Filters that leave answers out by how they turned out, or by what they say."""
EVERYBODY = 0
"""The need of an item that every reviewer is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to draw a sample and how often to ask."""

    size: int
    shares: Mapping[str, float] = field(default_factory=dict)
    """The parts that go to strata beyond the random part; empty for a simple random sample."""
    need: int = 1
    """How many reviewers label an ordinary item."""
    overlap_rate: float = 0.0
    """The part of the items that at least two reviewers label."""
    repeat_rate: float = 0.0
    """The part of the items that a reviewer labels again a week later."""
    reveal: str = "differs"
    kind: str = REVIEW
    seed: int = 0


class Progress(NamedTuple):
    """Where the items of a queue are at a moment."""

    total: int
    done: int
    held: int
    skipped: int
    behind: int
    """Done, or labelled by this reviewer though others are still to come."""
    next_free_at: datetime | None
    """When the first lease of an item that others hold ends."""


def create_queue(
    session: Session,
    *,
    project: str,
    name: str,
    filters: InteractionFilter,
    plan: Plan,
    criteria: Criteria,
    criterion_names: Sequence[str] = (),
    created_by: str,
    now: datetime,
) -> ReviewQueue:
    """A queue with a sample of at most `plan.size` interactions that pass the filters.

    `criterion_names` are the questions reviewers are asked; none means all.
    """
    _check_queue(session, project, name, plan)
    names = [criteria.get(one).name for one in criterion_names or criteria.by_name]
    strata = strata_of(session, project, filters, names)
    if not plan.shares:
        strata = {"random": [one for members in strata.values() for one in members]}
    eligible = sum(map(len, strata.values()))
    if not eligible:
        raise UnknownField("no interaction passes these filters; widen them")
    generator = random.Random(plan.seed)
    drawn = stratified_sample(strata, plan.size, plan.shares, generator)
    settings = {"filter": _plain(filters), "eligible": eligible, "plan": _plan_json(plan)}
    queue = _add_queue(
        session,
        project,
        name,
        names,
        settings,
        created_by=created_by,
        now=now,
        kind=plan.kind,
        reveal="never" if plan.kind == ASSISTED else plan.reveal,
    )
    session.add_all(_items(queue, drawn, plan, generator))
    session.flush()
    return queue


def speaks_of_all(queue: ReviewQueue) -> bool:
    """Whether its labels can be weighted back to all answers of its days and places.

    What a filter by outcome left out had no chance to be drawn, which no weight makes good.
    """
    return BY_OUTCOME.isdisjoint(queue.filters.get("filter", {}))


def create_calibration(
    session: Session,
    *,
    project: str,
    name: str,
    size: int,
    criteria: Criteria,
    created_by: str,
    seed: int,
    now: datetime,
) -> ReviewQueue:
    """A round of items whose labels are known, for every reviewer to measure themselves by."""
    _check_queue(session, project, name, Plan(size=size))
    known = gold_labels(session, project, criteria)
    if len(known) < LEAST_GOLD:
        raise UnknownField(
            f"a calibration round needs {LEAST_GOLD} items on which two reviewers agree or a lead "
            f"has decided; there are {len(known)} so far"
        )
    chosen = random.Random(seed).sample(sorted(known), min(max(size, LEAST_GOLD), len(known)))
    names = [one for one in criteria.by_name if any(one in known[item] for item in chosen)]
    queue = _add_queue(
        session,
        project,
        name,
        names,
        {"filter": {}, "eligible": len(known)},
        created_by=created_by,
        now=now,
        kind="calibration",
        reveal="never",
    )
    assert queue.id is not None
    for position, interaction_id in enumerate(chosen):
        item = ReviewItem(
            queue_id=queue.id,
            interaction_id=interaction_id,
            position=position,
            stratum=CALIBRATION,
            inclusion_probability=1.0,
            need=EVERYBODY,
            gold=known[interaction_id],
        )
        session.add(item)
    session.flush()
    return queue


def list_queues(session: Session, project: str) -> list[ReviewQueue]:
    """The queues of a project, newest first."""
    query = select(ReviewQueue).where(ReviewQueue.project == project)
    return list(session.exec(query.order_by(col(ReviewQueue.id).desc())))


def get_queue(session: Session, project: str, queue_id: int) -> ReviewQueue:
    """The queue of that id, or NotFound when this project has none."""
    queue = session.get(ReviewQueue, queue_id) if queue_id < 2**31 else None
    if queue is None or queue.project != project:
        raise NotFound(f"there is no review queue {queue_id} in this project")
    return queue


def get_item(session: Session, queue_id: int, item_id: int) -> ReviewItem:
    """The item of that id, or NotFound when this queue has none."""
    item = session.get(ReviewItem, item_id) if item_id < 2**31 else None
    if item is None or item.queue_id != queue_id:
        raise NotFound(f"there is no item {item_id} in review queue {queue_id}")
    return item


def progress_of(session: Session, queue_id: int, *, reviewer: str, now: datetime) -> Progress:
    """Where the items of a queue are; `held` counts others', `skipped` this reviewer's own.

    In a calibration round `done` counts what this reviewer has labelled.
    """
    turns = (col(ReviewTurn.item_id) == col(ReviewItem.id), col(ReviewTurn.occasion) == 1)
    mine = col(ReviewTurn.reviewer) == reviewer
    my_stored = exists().where(*turns, mine, col(ReviewTurn.status) == "stored")
    my_skipped = exists().where(*turns, mine, col(ReviewTurn.status) == "skipped")
    held = and_(~mine, col(ReviewTurn.status) == "held", col(ReviewTurn.until_at) > now)
    open_ = and_(col(ReviewItem.done_at).is_(None), ~my_stored)
    is_done = case(
        (col(ReviewItem.need) == EVERYBODY, case((my_stored, 1))),
        else_=case((col(ReviewItem.done_at).is_not(None), 1)),
    )
    query = select_columns(
        func.count(),
        func.count(is_done),
        func.count(case((and_(open_, exists().where(*turns, held)), 1))),
        func.count(case((and_(open_, my_skipped), 1))),
        func.count(case((or_(my_stored, is_done.is_not(None)), 1))),
    )
    counts = session.execute(query.where(col(ReviewItem.queue_id) == queue_id)).one()
    until = select_columns(func.min(ReviewTurn.until_at)).join(
        ReviewItem, col(ReviewItem.id) == col(ReviewTurn.item_id)
    )
    until = until.where(
        col(ReviewTurn.queue_id) == queue_id, held, col(ReviewItem.done_at).is_(None)
    )
    total, done, others, skipped, behind = counts
    return Progress(total, done, others, skipped, behind, session.execute(until).scalar())


def _add_queue(
    session: Session,
    project: str,
    name: str,
    names: Sequence[str],
    settings: Mapping[str, object],
    *,
    created_by: str,
    now: datetime,
    reveal: str,
    kind: str = REVIEW,
) -> ReviewQueue:
    queue = ReviewQueue(
        project=project,
        name=name.strip(),
        criteria=list(names),
        filters=dict(settings),
        kind=kind,
        reveal=reveal,
        created_by=created_by,
        created_at=now,
    )
    session.add(queue)
    session.flush()
    return queue


def _items(
    queue: ReviewQueue, drawn: Sequence[Drawn], plan: Plan, generator: random.Random
) -> list[ReviewItem]:
    assert queue.id is not None
    places = range(len(drawn))
    twice = set(generator.sample(places, round(plan.overlap_rate * len(drawn))))
    again = set(generator.sample(places, round(plan.repeat_rate * len(drawn))))
    return [
        ReviewItem(
            queue_id=queue.id,
            interaction_id=one.member,
            position=position,
            stratum=one.stratum,
            inclusion_probability=one.inclusion_probability,
            need=max(plan.need, OVERLAP_NEED if position in twice else 1),
            repeats=position in again,
        )
        for position, one in enumerate(drawn)
    ]


def _check_queue(session: Session, project: str, name: str, plan: Plan) -> None:
    checked_name("queue", name)
    if not 0 < plan.size <= LARGEST_SAMPLE:
        raise UnknownField(f"a queue holds 1 to {LARGEST_SAMPLE} items, not {plan.size}")
    if not 1 <= plan.need <= 5:
        raise UnknownField(f"1 to 5 reviewers can label an item, not {plan.need}")
    if not (0 <= plan.overlap_rate <= 1 and 0 <= plan.repeat_rate <= 1):
        raise UnknownField("the parts labelled twice and asked again lie between 0 and 100 %")
    if plan.reveal not in REVEALS:
        raise UnknownField(f"verdicts are revealed {', '.join(REVEALS)}, not {plan.reveal!r}")
    if plan.kind not in (REVIEW, ASSISTED):
        raise UnknownField(f"a queue is of the kind {REVIEW} or {ASSISTED}, not {plan.kind!r}")
    same_name = select(ReviewQueue).where(
        ReviewQueue.project == project, ReviewQueue.name == name.strip()
    )
    if session.exec(same_name).first():
        raise Conflict(f"there is a queue {name.strip()!r} already; choose another name")


def _plan_json(plan: Plan) -> dict[str, object]:
    return {**asdict(plan), "shares": dict(plan.shares)}


def _plain(filters: InteractionFilter) -> dict[str, object]:
    values = {**asdict(filters), "segments": dict(filters.segments)}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
        if value and name != "ids"
    }
