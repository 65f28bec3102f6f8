"""The turn to issue a week's report, what a worker found in a week's texts, and deliveries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "report_turn",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("week", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("lease_until_at", MOMENT, nullable=False),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("project", "week", name="pk_report_turn"),
    )
    op.create_table(
        "study",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("week", sa.String(), nullable=False),
        sa.Column("application", sa.String(), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("project", "week", "application", name="pk_study"),
    )
    op.create_table(
        "delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("report_id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name="fk_delivery_report_id_report"),
        sa.UniqueConstraint("report_id", "channel", name="uq_delivery_report_id_channel"),
    )


def downgrade() -> None:
    op.drop_table("delivery")
    op.drop_table("study")
    op.drop_table("report_turn")
