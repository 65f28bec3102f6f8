"""What follows when a sender says something else of an interaction that is stored already.

A fuller trace changes words that were judged before; its verdicts are for the old words only. They
make way for new ones, and the audit log keeps how the old words were judged.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from app.store.audit import SERVER, note
from app.store.evaluations import reset, verdicts_told
from app.store.rollups import Contribution, roll_up
from app.store.search import date_words, forget_words, index_words
from app.tables import Evaluation, Interaction

CHANGED = "interaction.changed"
DIGITS = 12


class Overturned(NamedTuple):
    """An interaction whose words changed, the digest of the old ones, and how they were judged."""

    row: Interaction
    before: str
    verdicts: dict[str, dict[str, Any]]


def differs(new: Interaction, old: Interaction) -> bool:
    """Whether a sender says something else of an interaction than is stored."""
    return any(getattr(new, name) != getattr(old, name) for name in _told(new))


OURS = frozenset({"id", "received_at", "erased_at"})
CHANGING = tuple(name for name in Interaction.model_fields if name not in OURS)


def _told(row: Interaction) -> list[str]:
    """The columns that a sender can change; without a time of its own, the first arrival counts."""
    has_time = row.started_at != row.received_at
    return [name for name in CHANGING if has_time or name != "started_at"]


def change(
    session: Session, old: Interaction, new: Interaction, evaluations: Sequence[Evaluation]
) -> Overturned | None:
    """Store what a sender says now; the verdicts that are lost where the words are others."""
    roll_up(session, [Contribution(old, one, -1) for one in evaluations])
    before = old.content_hash
    lost = verdicts_told(evaluations) if before != new.content_hash else {}
    for name in _told(new):
        setattr(old, name, getattr(new, name))
    for evaluation in evaluations:
        evaluation.started_at = old.started_at
    date_words(session, old)
    if before == new.content_hash:
        roll_up(session, [Contribution(old, one) for one in evaluations])
        return None
    forget_words(session, [old.id])
    index_words(session, [old])
    reset(evaluations)
    return Overturned(old, before, lost) if lost else None


def note_changes(session: Session, changes: Iterable[Overturned], *, now: datetime) -> None:
    """Note in the audit log which verdicts were on other words than those that stand now."""
    for one in changes:
        words = [one.before[:DIGITS], one.row.content_hash[:DIGITS]]
        told = {"trace": one.row.trace_id, "words": words, "verdicts": one.verdicts}
        note(session, SERVER, CHANGED, now=now, project=one.row.project, about=one.row.id, **told)
