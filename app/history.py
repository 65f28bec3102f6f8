"""Who decided about an answer: every verdict, every label and every decision, the oldest first.

This is what to show when somebody asks in a year which version of which evaluator judged an answer,
and who overruled it.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session, col, select

from app.criteria import Criteria
from app.store.audit import entries
from app.store.changing import CHANGED
from app.store.evaluations import evaluations_of
from app.store.interactions import get_interaction
from app.tables import Adjudication, Annotation, AuditEntry, Evaluation, Interaction

KINDS = (
    "changed the words",
    "judged",
    "labelled",
    "changed a label",
    "withdrew a label",
    "decided",
)


class Event(NamedTuple):
    """One thing that was said about an answer."""

    at: datetime
    who: str
    what: str
    """One of KINDS."""
    criterion: str
    label: str
    overrules: tuple[str, ...]
    """The verdicts, as `evaluator@version`, that it says the opposite of."""
    details: dict[str, Any]

    @property
    def sentence(self) -> str:
        """Who said what, in words."""
        label = f": {self.label}" if self.label else ""
        against = f", overrules {' and '.join(self.overrules)}" if self.overrules else ""
        told = [
            f"{name.replace('_', ' ')} {value}"
            for name, value in self.details.items()
            if value not in (None, False, "")
        ]
        more = f" ({', '.join(told)})" if told else ""
        about = f", {self.criterion}" if self.criterion else ""
        return f"{self.who} {self.what}{about}{label}{against}{more}"


class History(NamedTuple):
    """An answer, what was said about it, and the entries of the audit log that name it."""

    interaction: Interaction
    events: list[Event]
    acts: list[dict[str, Any]]


def history_of(session: Session, project: str, interaction_id: str, criteria: Criteria) -> History:
    """The history of an answer, or NotFound."""
    row = get_interaction(session, project, interaction_id)
    verdicts = [one for one in evaluations_of(session, [row.id]).get(row.id, []) if one.finished_at]
    labels = select(Annotation).where(Annotation.interaction_id == row.id)
    decided = select(Adjudication).where(Adjudication.interaction_id == row.id)
    events = [
        *map(_judged, verdicts),
        *_labelled(session.exec(labels.order_by(col(Annotation.id))).all(), verdicts, criteria),
        *(_decided(one, verdicts, criteria) for one in session.exec(decided)),
    ]
    noted = list(entries(session, about=row.id))
    events += [_changed(one) for one in noted if one.action == CHANGED]
    acts = [one.model_dump(mode="json", exclude={"previous"}) for one in noted]
    return History(row, sorted(events, key=lambda one: (one.at, KINDS.index(one.what))), acts)


def _changed(entry: AuditEntry) -> Event:
    """New words, after which the verdicts on the old ones stand no more."""
    told = json.loads(entry.details)
    lost = {
        name: f"{one['label']} {one['score']} against {one['threshold']}"
        for name, one in told["verdicts"].items()
    }
    words = {"from": told["words"][0], "to": told["words"][1]}
    return Event(entry.at, "the sender", "changed the words", "", "", (), {**words, **lost})


def _judged(row: Evaluation) -> Event:
    decided = ("status", "score", "passed", "threshold")
    names = (*decided, "weights_digest", "calibration", "precision", "backend")
    details = {name: getattr(row, name) for name in names} | {"words": row.input_hash[:12]}
    who = f"{row.evaluator}@{row.version}"
    assert row.finished_at is not None
    return Event(row.finished_at, who, "judged", row.criterion, row.label or "", (), details)


def _labelled(
    rows: Sequence[Annotation], verdicts: Sequence[Evaluation], criteria: Criteria
) -> Iterator[Event]:
    for row in rows:
        what = "labelled" if row.replaces_id is None else "changed a label"
        what = "withdrew a label" if row.is_withdrawn else what
        label = row.final_label
        opposed = () if row.is_withdrawn else _opposed(criteria, row.criterion, label, verdicts)
        details = {
            "blind_label": row.blind_label,
            "guideline": row.guideline_version[:12],
            "queue": row.queue_id,
            "assisted": bool(row.details.get("assisted")),
        }
        yield Event(row.created_at, row.reviewer, what, row.criterion, label, opposed, details)


def _decided(row: Adjudication, verdicts: Sequence[Evaluation], criteria: Criteria) -> Event:
    opposed = _opposed(criteria, row.criterion, row.label, verdicts)
    said = {"cause": row.cause}
    return Event(row.decided_at, row.decided_by, "decided", row.criterion, row.label, opposed, said)


def _opposed(
    criteria: Criteria, name: str, label: str, verdicts: Sequence[Evaluation]
) -> tuple[str, ...]:
    """The verdicts on a criterion that say the opposite of a person's label."""
    criterion = criteria.by_name.get(name)
    known = {one.name: one.fails for one in criterion.labels} if criterion is not None else {}
    fails = known.get(label)
    return tuple(
        f"{one.evaluator}@{one.version}"
        for one in verdicts
        if fails is not None and one.criterion == name and one.passed is fails
    )
