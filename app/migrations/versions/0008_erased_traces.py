"""Traces that were forgotten and must not come back, and evaluators that take no work."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "erased_trace",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("trace_id", sa.String(), nullable=False),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("project", "trace_id", name=op.f("pk_erased_trace")),
    )
    with op.batch_alter_table("heartbeat") as heartbeat:
        heartbeat.add_column(
            sa.Column("troubles", JSON, nullable=False, server_default=sa.text("'{}'"))
        )


def downgrade() -> None:
    with op.batch_alter_table("heartbeat") as heartbeat:
        heartbeat.drop_column("troubles")
    op.drop_table("erased_trace")
