"""Who says what feedback says, and under which application a trace is tallied."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

EMPTY = sa.text("interaction_count = 0")


def upgrade() -> None:
    with op.batch_alter_table("feedback") as batch_op:
        batch_op.add_column(sa.Column("source", sa.String(), nullable=False, server_default="user"))
    with op.batch_alter_table("trace") as batch_op:
        batch_op.add_column(sa.Column("tallied_as", sa.String(), nullable=False, server_default=""))
    op.create_index(
        "ix_trace_empty",
        "trace",
        ["project", "last_seen_at"],
        sqlite_where=EMPTY,
        postgresql_where=EMPTY,
    )


def downgrade() -> None:
    op.drop_index("ix_trace_empty", "trace")
    with op.batch_alter_table("trace") as batch_op:
        batch_op.drop_column("tallied_as")
    with op.batch_alter_table("feedback") as batch_op:
        batch_op.drop_column("source")
