"""Evaluations tell in what they were computed; of older ones nobody knows."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COLUMNS = ("precision", "backend")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("evaluation", sa.Column(name, sa.String(), nullable=True))


def downgrade() -> None:
    for name in reversed(COLUMNS):
        op.drop_column("evaluation", name)
