"""What follows at the desk: the next item, blind, or the verdicts on the one just labelled."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from app.access import Caller
from app.criteria import Criteria
from app.store.annotations import annotations_of_turn
from app.store.evaluations import evaluations_of
from app.store.gold import feedback_on
from app.store.interactions import get_interaction
from app.store.preferences import preferences_of
from app.store.reviewing import stored_since
from app.store.reviews import ASSISTED, get_item, progress_of
from app.store.turns import claim_turn, history
from app.tables import Evaluation, ReviewItem, ReviewQueue, ReviewTurn
from feedback_ui.desk import asked, criteria_asked, screen, suggested
from feedback_ui.labelling import fields_of
from feedback_ui.masks import as_shown, visible


class View(NamedTuple):
    """A template and what it shows."""

    template: str
    shown: dict[str, Any]


def next_view(
    session: Session,
    caller: Caller,
    queue: ReviewQueue,
    criteria: Criteria,
    now: datetime,
    *,
    stored: int | None = None,
    changed: bool = False,
) -> View:
    """The next item, which the caller then holds; or why there is none.

    `stored` is the item labelled just before, `changed` whether the rules are new to the caller.
    """
    assert queue.id is not None
    turn = claim_turn(session, queue.id, reviewer=caller.name, now=now)
    shown = _around(session, caller, queue, now) | {"stored": stored, "changed": changed}
    if turn is None:
        return View("queue_done.html", shown | _ended(session, caller, queue, criteria, shown))
    item = get_item(session, queue.id, turn.item_id)
    row = visible(caller, get_interaction(session, caller.project, item.interaction_id))
    choices = preferences_of(session, caller.project, caller.name)
    shown["reveal"] = reveal_of(queue, choices)
    fields, evaluations = turn.draft, None
    if queue.kind == ASSISTED:
        evaluations = evaluations_of(session, [row.id]).get(row.id, [])
        fields = fields or suggested(criteria_asked(queue, criteria), evaluations, row)
    state = "blind" if evaluations is None else "assisted"
    words = screen(
        queue,
        turn,
        row,
        fields,
        criteria=criteria,
        choices=choices,
        evaluations=evaluations,
        state=state,
    )
    return View("review_item.html", words | shown)


def reveal_of(queue: ReviewQueue, choices: Mapping[str, Any]) -> str:
    """When to stop at the verdicts: as the queue says, unless it allows it and people chose."""
    return queue.reveal if queue.reveal == "never" else choices.get("reveal") or queue.reveal


def revealed_view(
    session: Session,
    caller: Caller,
    queue: ReviewQueue,
    item: ReviewItem,
    turn: ReviewTurn,
    criteria: Criteria,
    now: datetime,
) -> View:
    """An item that the caller has labelled, with what the evaluators say."""
    assert turn.id is not None
    row = get_interaction(session, caller.project, item.interaction_id)
    choices = preferences_of(session, caller.project, caller.name)
    words = screen(
        queue,
        turn,
        visible(caller, row),
        as_shown(caller, row, fields_of(annotations_of_turn(session, turn.id))),
        criteria=criteria,
        choices=choices,
        evaluations=_seen(session, queue, item, turn, now),
        state="revealed",
    )
    shown = _around(session, caller, queue, now) | {"stored": None, "changed": False}
    shown["reveal"] = reveal_of(queue, choices)
    return View("review_item.html", words | shown)


def stops_at_verdicts(
    session: Session,
    caller: Caller,
    queue: ReviewQueue,
    item: ReviewItem,
    turn: ReviewTurn,
    criteria: Criteria,
    now: datetime,
) -> bool:
    """Whether the reviewer is to look at the verdicts before the next item."""
    reveal = reveal_of(queue, preferences_of(session, caller.project, caller.name))
    if reveal == "never" or turn.id is None:
        return False
    evaluations = _seen(session, queue, item, turn, now)
    fields = fields_of(annotations_of_turn(session, turn.id))
    rows = asked(criteria_asked(queue, criteria), fields, evaluations)
    return reveal == "always" or any(one.differs for one in rows)


def _around(session: Session, caller: Caller, queue: ReviewQueue, now: datetime) -> dict[str, Any]:
    assert queue.id is not None
    finished = history(session, queue.id, reviewer=caller.name, limit=1)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "queue": queue,
        "progress": progress_of(session, queue.id, reviewer=caller.name, now=now),
        "last": finished[0] if finished else None,
        "today": stored_since(session, caller.project, caller.name, midnight),
    }


def _ended(
    session: Session, caller: Caller, queue: ReviewQueue, criteria: Criteria, shown: dict[str, Any]
) -> dict[str, Any]:
    """How a calibration round went, once the reviewer has labelled all of it."""
    progress, results = shown["progress"], dict[str, list[bool]]()
    turns: list[ReviewTurn] = []
    if queue.kind == "calibration" and progress.done >= progress.total:
        turns = history(session, queue.id or 0, reviewer=caller.name)
    for turn in turns:
        item = get_item(session, turn.queue_id, turn.item_id)
        right = feedback_on(item.gold or {}, annotations_of_turn(session, turn.id or 0))
        for name, agrees in right.items():
            results.setdefault(name, []).append(agrees)
    return {"results": results, "turns": turns, "criteria": criteria}


def _seen(
    session: Session, queue: ReviewQueue, item: ReviewItem, turn: ReviewTurn, now: datetime
) -> list[Evaluation]:
    """The verdicts, which the turn remembers were seen; none in a queue that never reveals."""
    if queue.reveal == "never":
        return []
    turn.revealed_at = turn.revealed_at or now
    session.add(turn)
    return evaluations_of(session, [item.interaction_id]).get(item.interaction_id, [])
