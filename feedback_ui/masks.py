"""What a caller sees: words as they are or with personal data masked, verdicts or not yet."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlmodel import Session

from app.access import Caller
from app.masking import hidden_again, masked, masked_words
from app.store.audit import note
from app.store.blindness import awaited
from app.tables import Interaction


def visible(caller: Caller, row: Interaction) -> Interaction:
    """The interaction as this caller sees it."""
    return masked_words(row) if caller.masked else row


def all_visible(caller: Caller, rows: Sequence[Interaction]) -> list[Interaction]:
    """Interactions as this caller sees them."""
    return [visible(caller, row) for row in rows]


def as_shown(caller: Caller, row: Interaction, fields: dict[str, str]) -> dict[str, str]:
    """The form of a stored label as this caller sees it: a correction hides what the answer hides.

    What they wrote themselves stays, so that storing it again loses nothing.
    """
    text = fields.get("corrected_response")
    if text is None:
        return fields
    shown = visible(caller, row).response
    return fields | {"corrected_response": hidden_again(text, shown, row.response)}


def awaited_by(session: Session, caller: Caller, ids: Sequence[str]) -> set[str]:
    """The interactions whose verdicts a reviewer must not see yet; leads and admins see all."""
    if caller.role != "reviewer":
        return set()
    return awaited(session, caller.project, caller.name, ids)


def mask_for(caller: Caller | None) -> Callable[[object], str]:
    """What a template puts around other words that may hold personal data."""
    return (lambda value: masked(str(value))) if caller is not None and caller.masked else str


def may_unmask(caller: Caller) -> bool:
    """Whether the caller may look behind the tokens, which is noted in the audit log."""
    return caller.masked and caller.role in ("lead", "admin")


def note_unmasked(
    session: Session, caller: Caller, interaction_id: str, now: datetime, **details: object
) -> None:
    """Note in the audit log who looked at the personal data in an interaction."""
    note(
        session,
        caller.actor,
        "text.unmasked",
        now=now,
        project=caller.project,
        about=interaction_id,
        **details,
    )
