"""What users of a chatbot thought of its answers: conditions on interactions by their feedback."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, and_, exists, func, or_
from sqlmodel import col

from app.errors import UnknownField
from app.tables import Feedback, Interaction

UNHAPPY = ("false", "down", "thumbs_down", "thumbs-down", "negative", "dislike", "bad", "no")
FLAGS = ("flag", "complaint", "report")
FEEDBACK: Mapping[str, str] = {
    "unhappy": "thumbs down or a complaint",
    "given": "any feedback",
}
"""What a filter can ask of the feedback on an interaction."""


def is_complaint() -> ColumnElement[bool]:
    """Whether a piece of feedback says that the user was not content."""
    unhappy = or_(
        col(Feedback.value) <= 0,
        and_(col(Feedback.value).is_(None), func.lower(col(Feedback.label)).in_(UNHAPPY)),
    )
    return or_(and_(~_is_flag(), unhappy), and_(_is_flag(), func.coalesce(Feedback.value, 1) > 0))


def has_feedback(kind: str) -> ColumnElement[bool]:
    """Whether an interaction has feedback of that kind, or UnknownField."""
    if kind not in FEEDBACK:
        raise UnknownField(f"feedback is one of {', '.join(FEEDBACK)}, not {kind!r}")
    return _about(is_complaint()) if kind == "unhappy" else _about()


def has_feedback_below(limit: float) -> ColumnElement[bool]:
    """Whether a user gave an interaction a number below the limit; a flag is no such number."""
    return _about(~_is_flag(), col(Feedback.value) < limit)


def _is_flag() -> ColumnElement[bool]:
    return func.lower(col(Feedback.name)).in_(FLAGS)


def _about(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether there is such feedback on the interaction, or on its trace as a whole."""
    return exists().where(
        col(Feedback.project) == col(Interaction.project),
        col(Feedback.trace_id) == col(Interaction.trace_id),
        or_(col(Feedback.span_id).is_(None), col(Feedback.span_id) == col(Interaction.span_id)),
        *conditions,
    )
