"""Adjudication: a lead decides where reviewers disagree or asked; their labels stay as they are."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from app.criteria import Criteria
from app.database import upsert
from app.errors import UnknownField
from app.store.annotations import annotations_of
from app.tables import Adjudication, Annotation, Interaction, ReviewItem, ReviewQueue, ReviewTurn

CAUSES: Mapping[str, str] = {
    "ambiguous": "The text is ambiguous",
    "guideline": "The rule has a gap",
    "slip": "One label was a slip",
    "edge": "An edge case",
    "taste": "A matter of taste",
}
QUESTIONS: Mapping[str, str] = {
    "guideline": "The rule does not say",
    "expert": "It needs an expert",
    "privacy": "It holds personal data",
    "broken": "The trace is broken",
}


@dataclass(frozen=True, slots=True)
class Case:
    """An item that waits for a lead: what reviewers said of each criterion, and what they asked."""

    item: ReviewItem
    disputed: dict[str, list[Annotation]]
    """The current blind labels of the criteria on which they differ."""
    asked: list[ReviewTurn]
    notes: list[Annotation]
    """Labels that carry a comment or a corrected answer."""


def open_cases(session: Session, queue: ReviewQueue) -> list[Case]:
    """The items of a queue that no lead has decided yet, in the order of the queue."""
    items = select(ReviewItem).join(Interaction).where(ReviewItem.queue_id == queue.id)
    items = items.where(col(Interaction.erased_at).is_(None))
    rows = list(session.exec(items.order_by(col(ReviewItem.position))))
    labels = annotations_of(session, [row.interaction_id for row in rows])
    decided = _decided(session, [row.id for row in rows if row.id is not None])
    asked = _asked(session, queue)
    found = []
    for row in rows:
        assert row.id is not None
        case = _case(queue, row, labels.get(row.interaction_id, []), asked.get(row.id, []))
        left = set(case.disputed) or (set(queue.criteria) if case.asked else set())
        if left - decided.get(row.id, set()):
            found.append(case)
    return found


def case_of(session: Session, queue: ReviewQueue, item: ReviewItem) -> Case:
    """An item as a case, whether or not it is decided."""
    assert item.id is not None
    labels = annotations_of(session, [item.interaction_id]).get(item.interaction_id, [])
    return _case(queue, item, labels, _asked(session, queue).get(item.id, []))


def decisions_on(session: Session, item: ReviewItem) -> dict[str, Adjudication]:
    """What was decided about an item, per criterion."""
    query = select(Adjudication).where(Adjudication.item_id == item.id)
    return {row.criterion: row for row in session.exec(query)}


def decide(
    session: Session,
    queue: ReviewQueue,
    item: ReviewItem,
    labels: Mapping[str, str],
    *,
    cause: str,
    comment: str | None,
    criteria: Criteria,
    decided_by: str,
    now: datetime,
) -> None:
    """Store the lead's label per criterion; deciding again replaces the decision."""
    if cause not in CAUSES:
        raise UnknownField("choose a cause: why did the labels differ?")
    if not labels:
        raise UnknownField("choose a label for each criterion that is disputed")
    for name, label in labels.items():
        criteria.get(name).label(label)
    rows = [
        {
            "project": queue.project,
            "item_id": item.id,
            "interaction_id": item.interaction_id,
            "criterion": name,
            "label": label,
            "cause": cause,
            "comment": comment or None,
            "decided_by": decided_by,
            "decided_at": now,
        }
        for name, label in labels.items()
    ]
    changing = ["label", "cause", "comment", "decided_by", "decided_at"]
    upsert(session, Adjudication, rows, keys=["item_id", "criterion"], update=changing)


def _case(
    queue: ReviewQueue, item: ReviewItem, rows: list[Annotation], asked: list[ReviewTurn]
) -> Case:
    said: dict[str, list[Annotation]] = defaultdict(list)
    for row in rows:
        if row.queue_id == queue.id and row.blind_label is not None and row.occasion == 1:
            said[row.criterion].append(row)
    disputed = {
        name: said[name]
        for name in queue.criteria
        if len({row.blind_label for row in said.get(name, [])}) > 1
    }
    notes = [
        row for row in rows if row.queue_id == queue.id and (row.comment or row.corrected_response)
    ]
    return Case(item, disputed, asked, notes)


def _decided(session: Session, item_ids: list[int]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for start in range(0, len(item_ids), 500):
        wanted = col(Adjudication.item_id).in_(item_ids[start : start + 500])
        for row in session.exec(select(Adjudication).where(wanted)):
            found[row.item_id].add(row.criterion)
    return found


def _asked(session: Session, queue: ReviewQueue) -> dict[int, list[ReviewTurn]]:
    found: dict[int, list[ReviewTurn]] = defaultdict(list)
    query = select(ReviewTurn).where(ReviewTurn.queue_id == queue.id, ReviewTurn.status == "asked")
    for turn in session.exec(query.order_by(col(ReviewTurn.id))):
        found[turn.item_id].append(turn)
    return found
