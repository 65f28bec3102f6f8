"""Interactions: the words that are judged, who can find them, and what follows when they change."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, delete, func, or_, text
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.database import exclude_others, is_sqlite
from app.errors import BadRequest, NotFound
from app.store.changing import change, differs, note_changes
from app.store.complaints import has_feedback, has_feedback_below
from app.store.erased import let_nothing_be_erased, parted_by_erasure
from app.store.evaluations import enqueue, evaluations_of
from app.store.missing import missing
from app.store.rollups import Contribution, roll_up
from app.store.saying import Place, few_say, that_say
from app.store.search import (
    forget_words,
    index_words,
    indexed_terms,
    words_condition,
)
from app.tables import Annotation, Evaluation, Interaction, ReviewItem
from evaluators.protocol import EvaluatorSpec

IDS_PER_QUERY = 500
APPLICATIONS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Saved:
    """How many interactions were new, had changed, or were there already."""

    created: int
    changed: int
    unchanged: int
    refused: tuple[Interaction, ...] = ()
    """Those on traces that were erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionFilter:
    """Which interactions to list; a field that is None or empty does not restrict."""

    application: str | None = None
    criterion: str | None = None
    label: str | None = None
    status: str | None = None
    segments: Mapping[str, str] = field(default_factory=dict)
    from_at: datetime | None = None
    to_at: datetime | None = None
    text: str | None = None
    model: str | None = None
    feedback: str | None = None
    """A key of `complaints.FEEDBACK`."""
    feedback_below: float | None = None
    topic: str | None = None
    """The key of a topic of a report …"""
    ids: tuple[str, ...] | None = None
    """… and its interactions."""

    @property
    def asks_for_verdicts(self) -> bool:
        return bool(self.criterion or self.label or self.status)

    @property
    def by_verdict(self) -> bool:
        """Whether few interactions pass the filters on verdicts, so that those come first."""
        return bool(self.label) or self.status not in (None, "", "scored")

    @property
    def on_words_or_origin(self) -> bool:
        given = (self.application, self.segments, self.from_at, self.to_at, self.text, self.model)
        return any(bool(one) for one in given) or self.on_feedback or self.ids is not None

    @property
    def on_feedback(self) -> bool:
        return bool(self.feedback) or self.feedback_below is not None


@dataclass(frozen=True, slots=True)
class Page:
    """Some interactions, newest first, and where the next ones begin."""

    rows: list[Interaction]
    next_cursor: str | None


def interaction_id(project: str, trace_id: str, span_id: str) -> str:
    """The id of the interaction of that span: the same for the same span, for ever."""
    return _digest(project, trace_id, span_id)[:32]


def content_hash(prompt: str, response: str, contexts: Sequence[str]) -> str:
    """A digest of exactly the words that evaluators see."""
    return _digest(prompt, response, *contexts)


def hash_user(project: str, user: str) -> str:
    """A pseudonym that joins one user's interactions within a project."""
    return _digest("user", project, user)[:16]


def save_interactions(
    session: Session,
    rows: Sequence[Interaction],
    *,
    specs: Sequence[EvaluatorSpec],
    now: datetime,
) -> Saved:
    """Store interactions and enqueue what must be judged; only changed words are judged again.

    Those on traces that were erased are left out and returned.
    """
    let_nothing_be_erased(session)
    exclude_others(session, "interactions")
    rows, refused = parted_by_erasure(session, rows)
    newest = {row.id: row for row in rows}
    stored = _stored(session, list(newest))
    evaluations = evaluations_of(session, list(stored))
    changed = [row for key, row in newest.items() if key in stored and differs(row, stored[key])]
    overturned = [
        change(session, stored[row.id], row, evaluations.get(row.id, [])) for row in changed
    ]
    created = [row for key, row in newest.items() if key not in stored]
    session.add_all(created)
    session.flush()
    index_words(session, created)
    current = [stored.get(key, row) for key, row in newest.items()]
    enqueue(session, current, evaluations, specs=specs, now=now)
    note_changes(session, filter(None, overturned), now=now)
    unchanged = len(rows) - len(created) - len(changed)
    return Saved(len(created), len(changed), unchanged, tuple(refused))


def drop_interactions(session: Session, rows: Sequence[Interaction]) -> None:
    """Forget interactions that a fuller trace replaced, but none that was given to a person."""
    if not rows:
        return
    exclude_others(session, "interactions")
    ids = [row.id for row in rows]
    # Held, so that nobody labels one between the question and its end.
    session.exec(select(Interaction.id).where(col(Interaction.id).in_(ids)).with_for_update())
    given = {
        one
        for table in (Annotation, ReviewItem)
        for one in session.exec(
            select(table.interaction_id).where(col(table.interaction_id).in_(ids))
        )
    }
    gone = [row for row in rows if row.id not in given]
    evaluations = evaluations_of(session, [row.id for row in gone])
    roll_up(
        session,
        [Contribution(row, one, -1) for row in gone for one in evaluations.get(row.id, [])],
    )
    gone_ids = [row.id for row in gone]
    forget_words(session, gone_ids)
    session.execute(delete(Evaluation).where(col(Evaluation.interaction_id).in_(gone_ids)))
    session.execute(delete(Interaction).where(col(Interaction.id).in_(gone_ids)))


def get_interaction(
    session: Session, project: str, wanted_id: str, *, stays: bool = False
) -> Interaction:
    """The interaction of that id, or NotFound when this project has none.

    With `stays` nobody erases it until this transaction ends.
    """
    hold = {"read": True, "key_share": True} if stays else None
    row = session.get(Interaction, wanted_id, with_for_update=hold)
    if row is None or row.project != project:
        raise NotFound(missing(session, project, wanted_id))
    return row


def interactions_of_trace(session: Session, project: str, trace_id: str) -> list[Interaction]:
    """The interactions of a trace, oldest first."""
    query = select(Interaction).where(
        Interaction.project == project, Interaction.trace_id == trace_id
    )
    return list(session.exec(query.order_by(col(Interaction.started_at), col(Interaction.id))))


def interactions_of_conversation(
    session: Session, project: str, conversation_id: str, *, limit: int
) -> list[Interaction]:
    """The first interactions of a conversation in the order in which they happened."""
    query = select(Interaction).where(
        Interaction.project == project, Interaction.conversation_id == conversation_id
    )
    in_order = (col(Interaction.started_at), col(Interaction.id))
    return list(session.exec(query.order_by(*in_order).limit(limit)))


def list_interactions(
    session: Session,
    project: str,
    filters: InteractionFilter,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page:
    """The next `limit` interactions that pass the filters, newest first."""
    after = None if cursor is None else _read_cursor(cursor)
    if filters.by_verdict:
        ids = session.exec(_ids_by_verdict(project, filters, after).limit(limit + 1))
        found = _stored(session, [one for one, _ in ids])
        rows = sorted(found.values(), key=lambda row: (row.started_at, row.id), reverse=True)
    elif _leads(session, filters):
        rows = _saying(session, project, filters, after, limit + 1)
    else:
        query = _older(matching(project, filters), Interaction.started_at, Interaction.id, after)
        newest_first = (col(Interaction.started_at).desc(), col(Interaction.id).desc())
        rows = list(session.exec(query.order_by(*newest_first).limit(limit + 1)))
    more = len(rows) > limit
    return Page(rows[:limit], _cursor(rows[limit - 1]) if more else None)


def _leads(session: Session, filters: InteractionFilter) -> bool:
    """Whether the words are looked for first, and what says them is held against the other filters.

    Not where many say it and few pass the others.
    """
    terms = indexed_terms(filters.text or "")
    if not terms or not is_sqlite(session):
        return False
    return replace(filters, text=None) == InteractionFilter() or few_say(session, terms)


def _saying(
    session: Session, project: str, filters: InteractionFilter, after: Place | None, most: int
) -> list[Interaction]:
    """The newest interactions that say it and pass the other filters."""
    query = matching(project, replace(filters, text=None))
    found: list[Interaction] = []
    for ids in that_say(session, project, indexed_terms(filters.text or ""), after):
        size = most
        left = list(ids)
        while left and len(found) < most:
            some, left = left[:size], left[size:]
            size = IDS_PER_QUERY
            rows = session.exec(query.where(col(Interaction.id).in_(some)))
            found += sorted(rows, key=lambda row: (row.started_at, row.id), reverse=True)
        if len(found) >= most:
            break
    return found[:most]


def matching(project: str, filters: InteractionFilter) -> SelectOfScalar[Interaction]:
    """The query for all interactions that pass the filters."""
    query: SelectOfScalar[Interaction] = _restricted(
        select(Interaction).where(Interaction.project == project), filters
    )
    if not filters.asks_for_verdicts:
        return query
    judged: Any = select(Evaluation.id).where(Evaluation.interaction_id == Interaction.id)
    judged = _verdicts(judged, project, filters)
    return query.where(judged.exists())


def _restricted(query: Any, filters: InteractionFilter) -> Any:
    """A query on interactions, restricted by all filters but those on verdicts."""
    if filters.application:
        query = query.where(Interaction.application == filters.application)
    if filters.from_at:
        query = query.where(Interaction.started_at >= filters.from_at)
    if filters.to_at:
        query = query.where(Interaction.started_at < filters.to_at)
    if filters.model:
        query = query.where(Interaction.model == filters.model)
    if filters.ids is not None:
        query = query.where(col(Interaction.id).in_(filters.ids))
    if filters.feedback:
        query = query.where(has_feedback(filters.feedback))
    if filters.feedback_below is not None:
        query = query.where(has_feedback_below(filters.feedback_below))
    for key, value in filters.segments.items():
        query = query.where(col(Interaction.segments)[key].as_string() == value)
    if filters.text:
        query = query.where(words_condition(filters.text))
    return query


def applications(session: Session, project: str) -> list[str]:
    """The names of the applications that sent interactions, in order.

    Each is found by one step in the index: DISTINCT would read every interaction.
    """
    names: list[str] = []
    query = select(func.min(Interaction.application)).where(Interaction.project == project)
    following = session.exec(query).one()
    while following is not None and len(names) < APPLICATIONS_SHOWN:
        names.append(following)
        following = session.exec(query.where(col(Interaction.application) > following)).one()
    return names


def _ids_by_verdict(
    project: str, filters: InteractionFilter, after: tuple[datetime, str] | None
) -> Any:
    """Ids and times of interactions with such a verdict, newest first, led by the evaluations."""
    place = (col(Evaluation.started_at), col(Evaluation.interaction_id))
    query = select(Evaluation.interaction_id, Evaluation.started_at)
    query = _verdicts(query, project, filters)
    if filters.on_words_or_origin:
        query = _restricted(query.join(Interaction), filters)
    query = _older(query, *place, after)
    return query.group_by(*place).order_by(*(column.desc() for column in place))


def _verdicts(query: Any, project: str, filters: InteractionFilter) -> Any:
    query = query.where(Evaluation.project == project)
    if filters.criterion:
        query = query.where(Evaluation.criterion == filters.criterion)
    if filters.label:
        query = query.where(Evaluation.label == filters.label)
    if filters.status:
        query = query.where(Evaluation.status == filters.status)
    if filters.status and filters.status != "scored":
        # Says to the databases that the index of unscored evaluations holds all of them.
        query = query.where(text("evaluation.status <> 'scored'"))
    return query


def _older(query: Any, started_at: Any, row_id: Any, after: tuple[datetime, str] | None) -> Any:
    """Only what comes behind a place in a list that shows the newest first."""
    if after is None:
        return query
    same_time = and_(started_at == after[0], row_id < after[1])
    return query.where(started_at <= after[0]).where(or_(started_at < after[0], same_time))


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()


def _stored(session: Session, ids: Sequence[str]) -> dict[str, Interaction]:
    stored: dict[str, Interaction] = {}
    for start in range(0, len(ids), IDS_PER_QUERY):
        wanted = ids[start : start + IDS_PER_QUERY]
        for row in session.exec(select(Interaction).where(col(Interaction.id).in_(wanted))):
            stored[row.id] = row
    return stored


def _cursor(row: Interaction) -> str:
    return base64.urlsafe_b64encode(f"{row.started_at.isoformat()}|{row.id}".encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        started_at, _, last_id = base64.urlsafe_b64decode(cursor).decode().partition("|")
        return datetime.fromisoformat(started_at).astimezone(UTC), last_id
    except (binascii.Error, ValueError, OverflowError):
        raise BadRequest("this cursor is not one that a list returned; leave it out") from None
