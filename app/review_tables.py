"""The tables of the review desk: labels, queues, turns, decisions, people."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, Text, UniqueConstraint
from sqlmodel import Field

from app.columns import Json, Table, at_column, json_column, text_column


class Annotation(Table, table=True):
    """One reviewer's label. Rows are added, never changed: a correction replaces an earlier row."""

    __table_args__ = (Index(None, "project", "interaction_id"),)

    id: int | None = Field(default=None, primary_key=True)
    project: str
    interaction_id: str = Field(foreign_key="interaction.id", index=True)
    criterion: str
    reviewer: str
    blind_label: str | None = None
    """What the reviewer chose before seeing any score; None when the scores were in view."""
    final_label: str
    comment: str | None = Field(default=None, sa_type=Text)
    corrected_response: str | None = Field(default=None, sa_type=Text)
    stratum: str | None = None
    inclusion_probability: float | None = None
    """How likely the sampling plan was to choose this interaction; None for a free choice."""
    guideline_version: str
    queue_id: int | None = Field(default=None, foreign_key="review_queue.id")
    replaces_id: int | None = Field(default=None, foreign_key="annotation.id")
    idempotency_key: str = Field(unique=True)
    seconds: float | None = None
    created_at: datetime = at_column()
    turn_id: int | None = Field(default=None, index=True)
    """The turn at a review item that it was given in."""
    occasion: int = 1
    """2 where the reviewer was asked the same again, which tells how steady they are."""
    is_extra: bool = False
    """Whether it came after its lease had ended and the item had enough labels without it."""
    is_withdrawn: bool = False
    """Whether this row takes back the one that it replaces."""
    details: dict[str, Any] = json_column()
    """`marks` of sentences with the place of their evidence, `groups` concerned, `words_in` and
    `words_out` of a correction, whether word `matching` was on, `assisted` where verdicts were
    filled in."""


class ReviewQueue(Table, table=True):
    """A sample of interactions that reviewers are asked to label."""

    __tablename__ = "review_queue"
    __table_args__ = (UniqueConstraint("project", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    project: str
    name: str
    criteria: list[str] = json_column(list)
    filters: dict[str, Any] = json_column()
    """How the sample was drawn: the filter, the seed, how many were eligible, the rates."""
    kind: str = "review"
    """`review`, `assisted` where the verdicts are filled in, or `calibration` for a round on items
    whose labels are known."""
    reveal: str = "differs"
    """When reviewers stop at the verdicts after they stored: `differs`, `always` or `never`."""
    created_by: str
    created_at: datetime = at_column()


class ReviewItem(Table, table=True):
    """One interaction in a queue, with the probability it was chosen with."""

    __tablename__ = "review_item"
    __table_args__ = (UniqueConstraint("queue_id", "interaction_id"),)

    id: int | None = Field(default=None, primary_key=True)
    queue_id: int = Field(foreign_key="review_queue.id")
    interaction_id: str = Field(foreign_key="interaction.id")
    position: int
    stratum: str
    inclusion_probability: float
    need: int = 1
    """How many different reviewers are asked."""
    repeats: bool = False
    """Whether each reviewer is asked a second time, a week later."""
    gold: dict[str, Any] | None = Field(default=None, sa_column=Column(Json, nullable=True))
    """The label that is known per criterion; in a calibration round only."""
    done_at: datetime | None = at_column(nullable=True)


class ReviewTurn(Table, table=True):
    """One reviewer's turn at an item: a lease first, then what became of it."""

    __tablename__ = "review_turn"
    __table_args__ = (
        UniqueConstraint("item_id", "reviewer", "occasion"),
        Index(None, "queue_id", "reviewer", "status"),
    )

    id: int | None = Field(default=None, primary_key=True)
    queue_id: int = Field(foreign_key="review_queue.id")
    item_id: int = Field(foreign_key="review_item.id")
    reviewer: str
    occasion: int = 1
    status: str = "held"
    """`held`, `stored`, `skipped` or `asked`."""
    until_at: datetime = at_column()
    """When the lease ends, of a turn that is held."""
    draft: dict[str, Any] = json_column()
    """The fields of the form as they stand, until they are stored."""
    reason: str | None = None
    """Why it was skipped, or what the lead was asked."""
    key: str | None = None
    """The idempotency key of the delivery that stored it."""
    seconds: float | None = None
    is_extra: bool = False
    started_at: datetime = at_column()
    finished_at: datetime | None = at_column(nullable=True)
    revealed_at: datetime | None = at_column(nullable=True)
    """When the reviewer first saw the verdicts."""


class Adjudication(Table, table=True):
    """What a lead decided where reviewers disagreed; their labels stay as they are."""

    __table_args__ = (UniqueConstraint("item_id", "criterion"),)

    id: int | None = Field(default=None, primary_key=True)
    project: str
    item_id: int = Field(foreign_key="review_item.id")
    interaction_id: str = Field(foreign_key="interaction.id", index=True)
    criterion: str
    label: str
    cause: str
    comment: str | None = Field(default=None, sa_type=Text)
    decided_by: str
    decided_at: datetime = at_column()


class Preference(Table, table=True):
    """What a person set for themselves: keys, and when to stop at verdicts."""

    project: str = Field(primary_key=True)
    reviewer: str = Field(primary_key=True)
    choices: dict[str, Any] = json_column()


class SavedView(Table, table=True):
    """A filter of the list of interactions under a name that the whole project sees."""

    __tablename__ = "saved_view"
    __table_args__ = (UniqueConstraint("project", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    project: str
    name: str
    query: str = text_column()
    created_by: str
    created_at: datetime = at_column()


class Reviewer(Table, table=True):
    """A person who may sign in; the role is reviewer, lead or admin."""

    id: int | None = Field(default=None, primary_key=True)
    project: str
    name: str = Field(unique=True)
    role: str = "reviewer"
    password_hash: str | None = None
    created_at: datetime = at_column()
    disabled_at: datetime | None = at_column(nullable=True)


class SignIn(Table, table=True):
    """A one-time link or a session, by the digest of its token."""

    __tablename__ = "sign_in"

    token_hash: str = Field(primary_key=True)
    kind: str
    """`link` or `session`."""
    reviewer_id: int = Field(foreign_key="reviewer.id", index=True)
    created_at: datetime = at_column()
    expires_at: datetime = at_column()
