"""Interactions whose words were erased, and whose labels stay."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("interaction", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    # In place: other tables point at the interactions, so that they cannot be copied and dropped.
    op.drop_column("interaction", "erased_at")
