"""The index of words knows when an interaction started, so that it gives the newest first."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

INDEX = "ix_search_entry_project_started_at_interaction_id"
COLUMNS = ("project", "started_at")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        return
    op.add_column("search_entry", sa.Column("project", sa.String(), nullable=True))
    moment = sa.DateTime(timezone=True)
    op.add_column("search_entry", sa.Column("started_at", moment, nullable=True))
    op.execute(
        "UPDATE search_entry SET (project, started_at) = (SELECT project, started_at "
        "FROM interaction WHERE interaction.id = search_entry.interaction_id)"
    )
    op.create_index(INDEX, "search_entry", [*COLUMNS, "interaction_id"])


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        return
    op.drop_index(INDEX, "search_entry")
    for name in reversed(COLUMNS):
        op.drop_column("search_entry", name)
