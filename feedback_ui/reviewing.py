"""The review desk: queues, one item at a time, blind first, then the evaluators' verdicts.

A blind page is rendered without evaluations, without other people's labels, without the name of the
model and without segments: what is not in the page cannot sway anybody.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from sqlmodel import Session

from app.access import Caller, require
from app.criteria import Criteria, Criterion
from app.database import reading, transaction
from app.errors import Forbidden, TouchstoneError, UnknownField
from app.requests import current_time, refuse_nul
from app.store.annotations import add_annotation, own_annotations
from app.store.evaluations import evaluations_of
from app.store.interactions import get_interaction
from app.store.reviews import (
    claim_item,
    create_queue,
    finish_item,
    get_item,
    get_queue,
    list_queues,
    progress_of,
    skip_item,
    take_back_skipped,
)
from app.tables import Annotation, Evaluation, Interaction, ReviewItem, ReviewQueue
from feedback_ui.filters import filter_choices, filter_from
from feedback_ui.pages import all_posted, criteria_of, go_to, page, posted_form
from feedback_ui.passages import passages_of, sentence_evidence, sentences_of
from feedback_ui.verdicts import ShownVerdict, shown_verdict

USUAL_SIZE = "50"

router = APIRouter(include_in_schema=False, dependencies=[Depends(refuse_nul)])

Person = Annotated[Caller, Depends(require("review"))]
Form = Annotated[dict[str, str], Depends(posted_form)]
Now = Annotated[datetime, Depends(current_time)]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the form, what was answered, and once revealed what evaluators say."""

    criterion: Criterion
    mine: str | None = None
    verdicts: tuple[ShownVerdict, ...] = ()

    @property
    def differs(self) -> bool:
        return any(verdict.differs for verdict in self.verdicts)


@router.get("/review")
def queues(request: Request, caller: Person, now: Now) -> Response:
    """The queues with their progress, and a form to draw a new sample."""
    return _queue_list(request, caller, now, {})


@router.post("/review")
def create(request: Request, caller: Person, form: Form, now: Now) -> Response:
    """Draw a random sample of what passes the filter."""
    if not _may_create(caller):
        raise Forbidden("only a lead or an admin draws samples; ask one of them")
    criteria = criteria_of(request)
    try:
        with transaction(request.app.state.engine) as session:
            queue = create_queue(
                session,
                project=caller.project,
                name=form.get("name", ""),
                filters=filter_from(request, form),
                size=_size(form.get("size", USUAL_SIZE)),
                criteria=criteria,
                criterion_names=[name for name in criteria.by_name if f"ask.{name}" in form],
                created_by=caller.name,
                seed=secrets.randbits(32),
                now=now,
            )
    except TouchstoneError as error:
        return _queue_list(request, caller, now, form, problem=error)
    return go_to(f"/review/{queue.id}")


@router.get("/review/{queue_id}")
def next_item(
    request: Request, caller: Person, now: Now, queue_id: int, stored: int | None = None
) -> Response:
    """The next item to label, blind; or why there is none."""
    with transaction(request.app.state.engine) as session:
        queue = get_queue(session, caller.project, queue_id)
        item = claim_item(session, queue_id, reviewer=caller.name, now=now)
        progress = progress_of(session, queue_id, reviewer=caller.name, now=now)
        if item is not None:
            row = get_interaction(session, caller.project, item.interaction_id)
    shown: dict[str, Any] = {"queue": queue, "progress": progress, "stored": stored}
    if item is None:
        return page(request, "queue_done.html", caller, **shown)
    asked = [Asked(criterion) for criterion in _criteria(queue, criteria_of(request))]
    return page(
        request,
        "review_item.html",
        caller,
        revealed=False,
        held_until=item.lease_until_at,
        **_item_words(item, row, asked),
        **shown,
    )


@router.get("/review/{queue_id}/items/{item_id}")
def revealed_item(
    request: Request, caller: Person, now: Now, queue_id: int, item_id: int
) -> Response:
    """An item that the caller has labelled, with what the evaluators say."""
    with reading(request.app.state.engine) as session:
        queue = get_queue(session, caller.project, queue_id)
        item = get_item(session, queue_id, item_id)
        row = get_interaction(session, caller.project, item.interaction_id)
        mine = own_annotations(session, row.id, reviewer=caller.name, queue_id=queue_id)
        evaluations = evaluations_of(session, [row.id]).get(row.id, [])
        progress = progress_of(session, queue_id, reviewer=caller.name, now=now)
    asked = _asked(_criteria(queue, criteria_of(request)), mine, evaluations)
    if not all(one.mine for one in asked):
        return go_to(f"/review/{queue_id}")
    judged = sentence_evidence(evaluations)
    shown: dict[str, Any] = {"queue": queue, "progress": progress}
    words = _item_words(item, row, asked, judged=judged, mine=mine)
    return page(
        request,
        "review_item.html",
        caller,
        revealed=True,
        stored=None,
        held_until=None,
        **words,
        **shown,
    )


@router.post("/review/{queue_id}/items/{item_id}")
def label_item(
    request: Request, caller: Person, form: Form, now: Now, queue_id: int, item_id: int
) -> Response:
    """Store the labels; stop at the item only where an evaluator says otherwise."""
    criteria = criteria_of(request)
    with transaction(request.app.state.engine) as session:
        queue = get_queue(session, caller.project, queue_id)
        item = get_item(session, queue_id, item_id)
        asked_for = _criteria(queue, criteria)
        earlier = own_annotations(
            session, item.interaction_id, reviewer=caller.name, queue_id=queue_id
        )
        labels = _complete(asked_for, form)
        _store(session, caller, queue, item, labels, form, criteria=criteria, now=now)
        mine = own_annotations(
            session, item.interaction_id, reviewer=caller.name, queue_id=queue_id
        )
        finish_item(session, item, now=now)
        evaluations = evaluations_of(session, [item.interaction_id])
    asked = _asked(asked_for, mine, evaluations.get(item.interaction_id, []))
    if any(one.differs for one in asked) and not earlier:
        return go_to(f"/review/{queue_id}/items/{item_id}")
    return go_to(f"/review/{queue_id}", stored=item_id)


@router.post("/review/{queue_id}/items/{item_id}/skip")
def skip(request: Request, caller: Person, queue_id: int, item_id: int) -> Response:
    """Leave the item to others and go on."""
    with transaction(request.app.state.engine) as session:
        get_queue(session, caller.project, queue_id)
        skip_item(session, get_item(session, queue_id, item_id), reviewer=caller.name)
    return go_to(f"/review/{queue_id}")


@router.post("/review/{queue_id}/skipped")
def take_back(request: Request, caller: Person, queue_id: int) -> Response:
    """Put the items that the caller skipped back in the queue."""
    with transaction(request.app.state.engine) as session:
        get_queue(session, caller.project, queue_id)
        take_back_skipped(session, queue_id, reviewer=caller.name)
    return go_to(f"/review/{queue_id}")


def _queue_list(
    request: Request,
    caller: Caller,
    now: datetime,
    form: Mapping[str, str],
    problem: TouchstoneError | None = None,
) -> Response:
    with reading(request.app.state.engine) as session:
        rows = [
            {
                "queue": queue,
                "progress": progress_of(session, queue.id, reviewer=caller.name, now=now),
                "eligible": queue.filters.get("eligible", 0),
            }
            for queue in list_queues(session, caller.project)
            if queue.id is not None
        ]
        fields = {} if isinstance(problem, UnknownField) else form
        choices = filter_choices(session, caller.project, criteria_of(request), fields)
    return page(
        request,
        "queues.html",
        caller,
        status=problem.status_code if problem is not None else 200,
        problem=problem.detail if problem is not None else None,
        queues=rows,
        may_create=_may_create(caller),
        name=form.get("name", ""),
        size=form.get("size", USUAL_SIZE),
        **choices,
    )


def _item_words(
    item: ReviewItem,
    row: Interaction,
    asked: Sequence[Asked],
    *,
    judged: Evaluation | None = None,
    mine: Mapping[str, Annotation] | None = None,
) -> dict[str, Any]:
    first = next(iter((mine or {}).values()), None)
    return {
        "item_id": item.id,
        "application": row.application,
        "prompt": row.prompt,
        "sentences": sentences_of(row.response, judged),
        "passages": passages_of(row.contexts, row.response, judged),
        "asked": list(asked),
        "comment": (first.comment if first is not None else None) or "",
        "corrected": (first.corrected_response if first is not None else None) or row.response,
        "key": secrets.token_hex(16),
    }


def _criteria(queue: ReviewQueue, criteria: Criteria) -> list[Criterion]:
    return [criteria.by_name[name] for name in queue.criteria if name in criteria.by_name]


def _asked(
    asked_for: Sequence[Criterion],
    mine: Mapping[str, Annotation],
    evaluations: Sequence[Evaluation],
) -> list[Asked]:
    newest = {(row.criterion, row.evaluator): row for row in evaluations}
    rows = []
    for criterion in asked_for:
        label = mine[criterion.name].final_label if criterion.name in mine else None
        verdicts = (
            shown_verdict(row, criterion, label)
            for row in newest.values()
            if row.criterion == criterion.name
        )
        rows.append(Asked(criterion, label, tuple(verdicts)))
    return rows


def _complete(asked_for: Sequence[Criterion], form: Mapping[str, str]) -> dict[str, str]:
    labels = all_posted(form, "label.")
    missing = [one.title for one in asked_for if one.name not in labels]
    if missing:
        raise UnknownField(f"a label is missing for {', '.join(missing)}; go back and choose one")
    return {one.name: labels[one.name] for one in asked_for}


def _store(
    session: Session,
    caller: Caller,
    queue: ReviewQueue,
    item: ReviewItem,
    labels: Mapping[str, str],
    form: Mapping[str, str],
    *,
    criteria: Criteria,
    now: datetime,
) -> None:
    """Add an annotation per label; a label that was given before keeps its blind value."""
    row = get_interaction(session, caller.project, item.interaction_id)
    earlier = own_annotations(session, row.id, reviewer=caller.name, queue_id=queue.id)
    corrected = form.get("corrected_response", "")
    changed = corrected.strip() not in ("", row.response.replace("\r\n", "\n").strip())
    for position, (criterion, label) in enumerate(labels.items()):
        before = earlier.get(criterion)
        comment = (form.get("comment") or None) if position == 0 else None
        correction = corrected if changed and position == 0 else None
        if before is not None and _says(before) == (label, comment, correction):
            continue
        one = Annotation(
            project=caller.project,
            interaction_id=row.id,
            criterion=criterion,
            reviewer=caller.name,
            blind_label=before.blind_label if before is not None else label,
            final_label=label,
            stratum=item.stratum,
            inclusion_probability=item.inclusion_probability,
            guideline_version=criteria.digest,
            queue_id=queue.id,
            replaces_id=before.id if before is not None else None,
            idempotency_key=f"{form.get('key')}.{item.id}.{criterion}",
            seconds=_seconds(form.get("seconds")),
            comment=comment,
            corrected_response=correction,
            created_at=now,
        )
        add_annotation(session, one, criteria=criteria)


def _says(row: Annotation) -> tuple[str, str | None, str | None]:
    return row.final_label, row.comment, row.corrected_response


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "nan")
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86_400 else None


def _size(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UnknownField(f"the number of items must be a whole number, not {text!r}") from None


def _may_create(caller: Caller) -> bool:
    return caller.role in ("lead", "admin")
