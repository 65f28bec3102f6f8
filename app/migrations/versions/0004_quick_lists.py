"""What lists of verdicts, coverage and trends need so that they do not grow with the history."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UNSCORED = sa.text("status <> 'scored'")
STARTED_AT = """
    UPDATE evaluation SET started_at =
        (SELECT interaction.started_at FROM interaction WHERE interaction.id = interaction_id)
"""


def upgrade() -> None:
    with op.batch_alter_table("evaluation") as batch_op:
        batch_op.add_column(sa.Column("started_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.drop_index("ix_evaluation_project_criterion_status")
    op.execute(STARTED_AT)
    with op.batch_alter_table("evaluation") as batch_op:
        batch_op.alter_column("started_at", nullable=False)
    op.create_index(
        "ix_evaluation_project_label_started_at_interaction_id",
        "evaluation",
        ["project", "label", "started_at", "interaction_id"],
    )
    op.create_index(
        "ix_evaluation_unscored",
        "evaluation",
        ["project", "status", "started_at", "interaction_id", "criterion", "created_at"],
        sqlite_where=UNSCORED,
        postgresql_where=UNSCORED,
    )
    op.create_index(
        "ix_rollup_project_segment_key_criterion_bucket_at",
        "rollup",
        ["project", "segment_key", "criterion", "bucket_at"],
    )


def downgrade() -> None:
    op.drop_index("ix_rollup_project_segment_key_criterion_bucket_at", "rollup")
    op.drop_index("ix_evaluation_unscored", "evaluation")
    op.drop_index("ix_evaluation_project_label_started_at_interaction_id", "evaluation")
    with op.batch_alter_table("evaluation") as batch_op:
        batch_op.drop_column("started_at")
        batch_op.create_index(
            "ix_evaluation_project_criterion_status", ["project", "criterion", "status"]
        )
