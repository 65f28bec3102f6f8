"""Rollups also count by model, by what decided, and by why there is no score.

What was counted before is counted again by these three from the evaluations that are still there;
hours whose interactions were pruned have no such counts.
"""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ROWS = 2000
ROLLUP = sa.table(
    "rollup",
    *(sa.column(name) for name in ("project", "bucket_at", "application", "criterion", "source")),
    *(sa.column(name) for name in ("segment_key", "segment_value", "n", "failing", "abstained")),
    *(sa.column(name) for name in ("failed", "total", "total_squared")),
    sa.column("histogram", sa.JSON().with_variant(JSONB(), "postgresql")),
)
COUNTED = """
SELECT i.project, {hour} AS hour, i.application, e.criterion, e.evaluator, e.version, i.model,
    e.status, e.threshold, e.weights_digest, e.calibration,
    CASE WHEN e.status = 'scored' THEN NULL ELSE e.explanation END AS explanation,
    count(*) AS number, sum(CASE WHEN e.passed THEN 0 ELSE 1 END) AS failing,
    sum(e.score) AS total, sum(e.score * e.score) AS squared
FROM evaluation AS e JOIN interaction AS i ON i.id = e.interaction_id
WHERE e.status IN ('scored', 'abstained', 'failed')
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
"""
HOURS = {
    "sqlite": "substr(i.started_at, 1, 13) || ':00:00.000000'",
    "postgresql": "date_trunc('hour', i.started_at)",
}


def upgrade() -> None:
    connection = op.get_bind()
    connection.execute(sa.text("DELETE FROM rollup WHERE segment_key = 'model'"))
    counted = COUNTED.format(hour=HOURS[connection.dialect.name])
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in connection.execute(sa.text(counted)).mappings():
        for key in _keys(row):
            _add(sums.setdefault(key, dict.fromkeys(VALUES, 0)), row)
    rows = [_stored(key, values) for key, values in sums.items()]
    for start in range(0, len(rows), ROWS):
        connection.execute(sa.insert(ROLLUP), rows[start : start + ROWS])


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM rollup WHERE segment_key IN ('@judge', '@reason')"))


VALUES = ("n", "failing", "abstained", "failed", "total", "total_squared")


def _keys(row: Any) -> Iterator[tuple[Any, ...]]:
    source = f"{row['evaluator']}@{row['version']}"
    shared = (row["project"], row["hour"], row["application"], row["criterion"], source)
    if row["status"] == "scored":
        decided = [row["threshold"], row["weights_digest"], row["calibration"]]
        yield (*shared, "@judge", json.dumps(decided))
    else:
        yield (*shared, "@reason", f"{row['status']} {row['explanation'] or ''}"[:240])
    if row["model"]:
        yield (*shared, "model", row["model"])


def _add(values: dict[str, Any], row: Any) -> None:
    if row["status"] == "scored":
        values["n"] += row["number"]
        values["failing"] += row["failing"]
        values["total"] += row["total"] or 0
        values["total_squared"] += row["squared"] or 0
    else:
        values[row["status"]] += row["number"]


def _stored(key: tuple[Any, ...], values: dict[str, Any]) -> dict[str, Any]:
    names = ("project", "bucket_at", "application", "criterion", "source", "segment_key")
    place = dict(zip((*names, "segment_value"), key, strict=True))
    return {**place, **values, "histogram": [0] * 20}
