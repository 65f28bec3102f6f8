"""Turns at review items, adjudications, preferences, saved views; what a label says of itself."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
EMPTY = sa.text("'{}'")

STORED_TURNS = """
INSERT INTO review_turn
    (queue_id, item_id, reviewer, occasion, status, until_at, draft,
    is_extra, started_at, finished_at)
SELECT item.queue_id, item.id, annotation.reviewer, 1, 'stored', max(annotation.created_at), '{}',
    %(no)s, min(annotation.created_at), max(annotation.created_at)
FROM review_item AS item
JOIN annotation ON annotation.queue_id = item.queue_id
    AND annotation.interaction_id = item.interaction_id
GROUP BY item.queue_id, item.id, annotation.reviewer
"""
TURNS_OF_LABELS = """
UPDATE annotation SET turn_id = (
    SELECT turn.id FROM review_turn AS turn JOIN review_item AS item ON item.id = turn.item_id
    WHERE item.queue_id = annotation.queue_id AND item.interaction_id = annotation.interaction_id
        AND turn.reviewer = annotation.reviewer)
WHERE queue_id IS NOT NULL
"""


def upgrade() -> None:
    _create_review_turn()
    _create_adjudication()
    op.create_table(
        "preference",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("reviewer", sa.String(), nullable=False),
        sa.Column("choices", JSON, nullable=False),
        sa.PrimaryKeyConstraint("project", "reviewer", name=op.f("pk_preference")),
    )
    op.create_table(
        "saved_view",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_view")),
        sa.UniqueConstraint("project", "name", name=op.f("uq_saved_view_project_name")),
    )
    _add_columns()
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(sa.text(STORED_TURNS % {"no": "0" if is_sqlite else "false"}))
    op.execute(sa.text(TURNS_OF_LABELS))
    op.drop_column("review_item", "lease_reviewer")
    op.drop_column("review_item", "lease_until_at")


def downgrade() -> None:
    op.add_column("review_item", sa.Column("lease_reviewer", sa.String(), nullable=True))
    op.add_column(
        "review_item", sa.Column("lease_until_at", sa.DateTime(timezone=True), nullable=True)
    )
    for name in ("need", "repeats", "gold"):
        op.drop_column("review_item", name)
    for name in ("kind", "reveal"):
        op.drop_column("review_queue", name)
    op.drop_index(op.f("ix_annotation_turn_id"), table_name="annotation")
    for name in ("turn_id", "occasion", "is_extra", "is_withdrawn", "details"):
        op.drop_column("annotation", name)
    op.drop_table("saved_view")
    op.drop_table("preference")
    op.drop_index(op.f("ix_adjudication_interaction_id"), table_name="adjudication")
    op.drop_table("adjudication")
    op.drop_index(op.f("ix_review_turn_queue_id_reviewer_status"), table_name="review_turn")
    op.drop_table("review_turn")


def _create_review_turn() -> None:
    op.create_table(
        "review_turn",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("queue_id", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("reviewer", sa.String(), nullable=False),
        sa.Column("occasion", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("draft", JSON, nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("is_extra", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["queue_id"], ["review_queue.id"], name=op.f("fk_review_turn_queue_id")
        ),
        sa.ForeignKeyConstraint(
            ["item_id"], ["review_item.id"], name=op.f("fk_review_turn_item_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_turn")),
        sa.UniqueConstraint(
            "item_id", "reviewer", "occasion", name=op.f("uq_review_turn_item_id_reviewer_occasion")
        ),
    )
    op.create_index(
        op.f("ix_review_turn_queue_id_reviewer_status"),
        "review_turn",
        ["queue_id", "reviewer", "status"],
    )


def _create_adjudication() -> None:
    op.create_table(
        "adjudication",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("interaction_id", sa.String(), nullable=False),
        sa.Column("criterion", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["review_item.id"], name=op.f("fk_adjudication_item_id")
        ),
        sa.ForeignKeyConstraint(
            ["interaction_id"], ["interaction.id"], name=op.f("fk_adjudication_interaction_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjudication")),
        sa.UniqueConstraint("item_id", "criterion", name=op.f("uq_adjudication_item_id_criterion")),
    )
    op.create_index(op.f("ix_adjudication_interaction_id"), "adjudication", ["interaction_id"])


def _add_columns() -> None:
    added: dict[str, list[sa.Column[Any]]] = {
        "annotation": [
            sa.Column("turn_id", sa.Integer(), nullable=True),
            sa.Column("occasion", sa.Integer(), nullable=False, server_default="1"),
            sa.Column("is_extra", sa.Boolean(), nullable=False, server_default=sa.false()),
            sa.Column("is_withdrawn", sa.Boolean(), nullable=False, server_default=sa.false()),
            sa.Column("details", JSON, nullable=False, server_default=EMPTY),
        ],
        "review_queue": [
            sa.Column("kind", sa.String(), nullable=False, server_default="review"),
            sa.Column("reveal", sa.String(), nullable=False, server_default="differs"),
        ],
        "review_item": [
            sa.Column("need", sa.Integer(), nullable=False, server_default="1"),
            sa.Column("repeats", sa.Boolean(), nullable=False, server_default=sa.false()),
            sa.Column("gold", JSON, nullable=True),
        ],
    }
    for table, columns in added.items():
        for column in columns:
            op.add_column(table, column)
    op.create_index(op.f("ix_annotation_turn_id"), "annotation", ["turn_id"])
