"""Annotations: what reviewers say. Rows are only ever added; a correction replaces a row."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from app.criteria import Criteria
from app.database import upsert
from app.errors import Conflict, NotFound, UnknownField
from app.store.interactions import get_interaction
from app.tables import Annotation

IDS_PER_QUERY = 500
LONGEST_TEXT = 100_000
SAME_DELIVERY = ("project", "interaction_id", "criterion", "reviewer")


def add_annotation(session: Session, annotation: Annotation, *, criteria: Criteria) -> Annotation:
    """The stored annotation; a second delivery of the same idempotency key changes nothing."""
    (stored,) = add_annotations(session, [annotation], criteria=criteria)
    return stored


def add_annotations(
    session: Session, annotations: Sequence[Annotation], *, criteria: Criteria
) -> list[Annotation]:
    """The stored annotations, in order; what a key has stored before stays as it is."""
    for one in annotations:
        _check(session, one, criteria)
    rows = [one.model_dump(exclude={"id"}) for one in annotations]
    upsert(session, Annotation, rows, keys=["idempotency_key"], update=[])
    keys = [one.idempotency_key for one in annotations]
    query = select(Annotation).where(col(Annotation.idempotency_key).in_(keys))
    stored = {row.idempotency_key: row for row in session.exec(query)} if keys else {}
    for one in annotations:
        _check_same(stored[one.idempotency_key], one)
    return [stored[key] for key in keys]


def annotations_of(session: Session, interaction_ids: Sequence[str]) -> dict[str, list[Annotation]]:
    """The annotations of each interaction that stand, oldest first: not replaced, not withdrawn."""
    found: dict[str, list[Annotation]] = {}
    for start in range(0, len(interaction_ids), IDS_PER_QUERY):
        wanted = interaction_ids[start : start + IDS_PER_QUERY]
        query = select(Annotation).where(col(Annotation.interaction_id).in_(wanted))
        for row in _standing(session.exec(query.order_by(col(Annotation.id)))):
            found.setdefault(row.interaction_id, []).append(row)
    return found


def current_rows(
    session: Session, project: str, *, queue_id: int | None = None
) -> list[Annotation]:
    """All annotations of a project, or of one of its queues, that stand, oldest first."""
    query = select(Annotation).where(Annotation.project == project)
    if queue_id is not None:
        query = query.where(Annotation.queue_id == queue_id)
    return _standing(session.exec(query.order_by(col(Annotation.id))))


def own_annotations(
    session: Session, interaction_id: str, *, reviewer: str, queue_id: int | None = None
) -> dict[str, Annotation]:
    """A reviewer's current annotation of an interaction per criterion, of one queue or of all."""
    rows = annotations_of(session, [interaction_id]).get(interaction_id, [])
    return {
        row.criterion: row
        for row in rows
        if row.reviewer == reviewer and queue_id in (None, row.queue_id)
    }


def annotations_of_turn(
    session: Session, turn_id: int, *, withdrawn: bool = False
) -> dict[str, Annotation]:
    """What was said in a turn per criterion, newest; with `withdrawn` also what was taken back."""
    query = select(Annotation).where(Annotation.turn_id == turn_id).order_by(col(Annotation.id))
    newest = {row.criterion: row for row in session.exec(query)}
    return {name: row for name, row in newest.items() if withdrawn or not row.is_withdrawn}


def withdraw_turn(session: Session, turn_id: int, *, now: datetime) -> dict[str, Annotation]:
    """What stood of a turn, which is taken back by a row of its own per criterion."""
    taken = annotations_of_turn(session, turn_id)
    for row in taken.values():
        kept = row.model_dump(exclude={"id", "idempotency_key", "replaces_id", "created_at"})
        session.add(
            Annotation(
                **{**kept, "is_withdrawn": True},
                replaces_id=row.id,
                idempotency_key=f"withdraw.{row.id}",
                created_at=now,
            )
        )
    session.flush()
    return taken


def _standing(rows: Iterable[Annotation]) -> list[Annotation]:
    found = list(rows)
    replaced = {row.replaces_id for row in found}
    return [row for row in found if row.id not in replaced and not row.is_withdrawn]


def _check(session: Session, annotation: Annotation, criteria: Criteria) -> None:
    criterion = criteria.get(annotation.criterion)
    for label in (annotation.final_label, annotation.blind_label):
        if label is not None:
            criterion.label(label)
    if not annotation.idempotency_key or not annotation.reviewer:
        raise UnknownField("an annotation needs a reviewer and an idempotency key")
    for name in ("comment", "corrected_response"):
        if len(getattr(annotation, name) or "") > LONGEST_TEXT:
            raise UnknownField(f"{name} is longer than {LONGEST_TEXT} characters; shorten it")
    words = get_interaction(session, annotation.project, annotation.interaction_id, stays=True)
    if words.erased_at is not None:
        raise Conflict("the words of this answer were erased meanwhile; nothing was stored")
    if annotation.replaces_id is not None:
        _check_replaced(session, annotation)


def _check_same(stored: Annotation, annotation: Annotation) -> None:
    if any(getattr(stored, name) != getattr(annotation, name) for name in SAME_DELIVERY):
        raise Conflict(
            f"the idempotency key {annotation.idempotency_key!r} was used for another annotation; "
            "make a new key for every annotation"
        )


def _check_replaced(session: Session, annotation: Annotation) -> None:
    earlier = session.get(Annotation, annotation.replaces_id)
    if earlier is None or earlier.project != annotation.project:
        raise NotFound(f"there is no annotation {annotation.replaces_id} to replace")
    if any(getattr(earlier, name) != getattr(annotation, name) for name in SAME_DELIVERY):
        raise Conflict(
            f"annotation {earlier.id} is another reviewer's or about something else; "
            "only your own annotation of the same interaction and criterion can be replaced"
        )
