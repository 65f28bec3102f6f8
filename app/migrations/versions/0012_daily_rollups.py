"""Rollups per day beside those per hour, so that long ranges read few rows.

What was counted before is added up from the hours.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ROWS = 2000
KEY = ("project", "bucket_at", "application", "criterion", "source", "segment_key", "segment_value")
NUMBERS = ("n", "failing", "abstained", "failed", "total", "total_squared")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def _columns() -> list[Any]:
    moment = sa.DateTime(timezone=True)
    kinds: dict[str, Any] = {
        "bucket_at": moment,
        "total": sa.Float(),
        "total_squared": sa.Float(),
    }
    keys = [sa.Column(name, kinds.get(name, sa.String()), nullable=False) for name in KEY]
    numbers: list[Any] = [
        sa.Column(name, kinds.get(name, sa.Integer()), nullable=False) for name in NUMBERS
    ]
    return [*keys, *numbers, sa.Column("histogram", JSON, nullable=False)]


def upgrade() -> None:
    key = sa.PrimaryKeyConstraint(*KEY, name=op.f("pk_daily_rollup"))
    daily = op.create_table("daily_rollup", *_columns(), key)
    op.create_index(
        op.f("ix_daily_rollup_project_segment_key_criterion_bucket_at"),
        "daily_rollup",
        ["project", "segment_key", "criterion", "bucket_at"],
    )
    hourly = sa.Table("rollup", sa.MetaData(), *_columns())
    sums: dict[tuple[Any, ...], list[Any]] = {}
    for row in op.get_bind().execute(sa.select(hourly)):
        day = _utc(row.bucket_at).replace(hour=0)
        own = sums.setdefault((row.project, day, *row[2:7]), [0, 0, 0, 0, 0.0, 0.0, [0] * 20])
        own[:6] = [known + more for known, more in zip(own, row[7:13], strict=False)]
        own[6] = [known + more for known, more in zip(own[6], row.histogram, strict=True)]
    names = (*KEY, *NUMBERS, "histogram")
    rows = [dict(zip(names, (*key, *values), strict=True)) for key, values in sums.items()]
    for start in range(0, len(rows), ROWS):
        op.get_bind().execute(sa.insert(daily), rows[start : start + ROWS])


def _utc(at: datetime) -> datetime:
    """The moment in UTC: PostgreSQL tells it in the zone of the connection, SQLite in none."""
    return at.astimezone(UTC) if at.tzinfo is not None else at


def downgrade() -> None:
    op.drop_table("daily_rollup")
