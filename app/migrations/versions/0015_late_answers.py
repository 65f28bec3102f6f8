"""The indexes of answers by time know when each was received, to count late ones fast."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

INDEXES = (("project", "started_at", "id"), ("project", "application", "started_at"))
RECEIVED = "received_at"


def upgrade() -> None:
    for columns in INDEXES:
        _replace(columns, (*columns, RECEIVED))


def downgrade() -> None:
    for columns in INDEXES:
        _replace((*columns, RECEIVED), columns)


def _replace(old: tuple[str, ...], new: tuple[str, ...]) -> None:
    op.drop_index(_name(old), "interaction")
    op.create_index(_name(new), "interaction", list(new))


def _name(columns: tuple[str, ...]) -> str:
    return op.f(f"ix_interaction_{'_'.join(columns)}")
