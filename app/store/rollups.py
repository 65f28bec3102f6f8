"""Counts per hour, application, evaluator and segment, kept in step with the evaluations.

Beside the segments that senders name, the model is one; `@judge` counts by what decided (threshold,
digest of the weights, calibration) and `@reason` by why there is no score.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, tuple_
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from app.database import exclude_others, upsert
from app.tables import Evaluation, Interaction, Rollup

BINS = 20
COUNTED = ("scored", "abstained", "failed")
KEY = ("project", "bucket_at", "application", "criterion", "source", "segment_key", "segment_value")
JUDGE, REASON = "@judge", "@reason"
OWN_COLUMNS = ("application", "model")
"""Segments of these names are left out: the columns say it."""
LONGEST_REASON = 240
KEYS_PER_QUERY = 200
VALUES = ("n", "failing", "abstained", "failed", "total", "total_squared", "histogram")


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one evaluation adds to the counts (`sign` 1) or takes back (`sign` -1)."""

    interaction: Interaction
    evaluation: Evaluation
    sign: int = 1


class HourlyCount(NamedTuple):
    """The counts of one hour, application, source and segment."""

    bucket_at: datetime
    application: str
    source: str
    segment_key: str
    segment_value: str
    n: int
    failing: int
    abstained: int
    failed: int
    total: float


def roll_up(session: Session, contributions: Iterable[Contribution]) -> None:
    """Change the counts by the contributions; open evaluations contribute nothing."""
    changes: dict[tuple[Any, ...], Rollup] = {}
    for contribution in contributions:
        if contribution.evaluation.status in COUNTED:
            for key in _keys(contribution):
                if key not in changes:
                    changes[key] = _empty(key)
                _add(changes[key], contribution)
    if not changes:
        return
    exclude_others(session, "rollup")
    for stored in _stored(session, list(changes)):
        _merge(changes[_key(stored)], stored)
    upsert(session, Rollup, [row.model_dump() for row in changes.values()], keys=KEY, update=VALUES)


def rollup_points(session: Session, project: str, criterion: str) -> list[Rollup]:
    """The hourly counts of a criterion over all segments, with the scores in bins, oldest first."""
    query = select(Rollup).where(
        Rollup.project == project, Rollup.criterion == criterion, Rollup.segment_key == ""
    )
    order = (col(Rollup.bucket_at), col(Rollup.application))
    return list(session.exec(query.order_by(*order)))


def hourly_counts(
    session: Session,
    project: str,
    criterion: str,
    *,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    application: str | None = None,
    by: str = "",
    value: str | None = None,
) -> list[HourlyCount]:
    """The hourly counts of a criterion, oldest first; `by` names the segment key to split by, of
    which `value` is one."""
    query = select_columns(*(getattr(Rollup, name) for name in HourlyCount._fields)).where(
        *_within(project, criterion, application, by)
    )
    if value is not None:
        query = query.where(col(Rollup.segment_value) == value)
    if from_at is not None:
        query = query.where(col(Rollup.bucket_at) >= from_at)
    if to_at is not None:
        query = query.where(col(Rollup.bucket_at) < to_at)
    order = (col(Rollup.bucket_at), col(Rollup.application), col(Rollup.segment_value))
    return [HourlyCount(*row) for row in session.execute(query.order_by(*order))]


def newest_hour(
    session: Session, project: str, criterion: str, *, application: str | None, by: str
) -> datetime | None:
    """The newest hour that has counts."""
    query = select_columns(func.max(Rollup.bucket_at))
    return session.scalar(query.where(*_within(project, criterion, application, by)))


def _within(
    project: str, criterion: str, application: str | None, by: str
) -> list[ColumnElement[bool]]:
    conditions = [
        col(Rollup.project) == project,
        col(Rollup.criterion) == criterion,
        col(Rollup.segment_key) == by,
    ]
    if application is not None:
        conditions.append(col(Rollup.application) == application)
    return conditions


def rolled_up_totals(session: Session, project: str) -> dict[str, dict[str, int]]:
    """How many evaluations of each criterion were scored, abstained and failed, over all time."""
    query = (
        select(
            Rollup.criterion,
            func.sum(Rollup.n),
            func.sum(Rollup.abstained),
            func.sum(Rollup.failed),
        )
        .where(Rollup.project == project, Rollup.segment_key == "")
        .group_by(Rollup.criterion)
    )
    return {
        criterion: {"scored": int(n), "abstained": int(abstained), "failed": int(failed)}
        for criterion, n, abstained, failed in session.exec(query)
    }


def all_scores(session: Session) -> list[Rollup]:
    """The counts over all segments, of every project, hour and criterion."""
    return list(session.exec(select(Rollup).where(Rollup.segment_key == "")))


def hour_of(at: datetime) -> datetime:
    """The first moment of the hour, in UTC, as the counts are kept."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def judge_value(evaluation: Evaluation) -> str:
    """What decided, as the value of the segment `@judge`."""
    row = evaluation
    return json.dumps([row.threshold, row.weights_digest, row.calibration])


def reason_value(status: str, explanation: str | None) -> str:
    """Why there is no score, as the value of the segment `@reason`."""
    return f"{status} {explanation or ''}"[:LONGEST_REASON]


def _keys(contribution: Contribution) -> list[tuple[Any, ...]]:
    interaction, evaluation = contribution.interaction, contribution.evaluation
    source = f"{evaluation.evaluator}@{evaluation.version}"
    hour = hour_of(interaction.started_at)
    shared = (interaction.project, hour, interaction.application, evaluation.criterion, source)
    return [(*shared, key, value) for key, value in _segments(interaction, evaluation)]


def _segments(interaction: Interaction, evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    yield "", ""
    if interaction.model:
        yield "model", interaction.model
    for key, value in interaction.segments.items():
        if key not in OWN_COLUMNS and not key.startswith("@"):
            yield key, value
    if evaluation.status == "scored":
        yield JUDGE, judge_value(evaluation)
    else:
        yield REASON, reason_value(evaluation.status, evaluation.explanation)


def _empty(key: tuple[Any, ...]) -> Rollup:
    return Rollup(**dict(zip(KEY, key, strict=True)), histogram=[0] * BINS)


def _key(row: Rollup) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in KEY)


def _add(row: Rollup, contribution: Contribution) -> None:
    evaluation, sign = contribution.evaluation, contribution.sign
    row.abstained += sign * (evaluation.status == "abstained")
    row.failed += sign * (evaluation.status == "failed")
    if evaluation.status != "scored" or evaluation.score is None:
        return
    row.n += sign
    row.failing += sign * (evaluation.passed is False)
    row.total += sign * evaluation.score
    row.total_squared += sign * evaluation.score**2
    row.histogram[min(int(evaluation.score * BINS), BINS - 1)] += sign


def _merge(row: Rollup, stored: Rollup) -> None:
    for name in VALUES[:-1]:
        setattr(row, name, getattr(row, name) + getattr(stored, name))
    row.histogram = [sum(pair) for pair in zip(row.histogram, stored.histogram, strict=True)]


def _stored(session: Session, keys: Sequence[tuple[Any, ...]]) -> list[Rollup]:
    columns = tuple_(*(getattr(Rollup, name) for name in KEY))
    rows: list[Rollup] = []
    for start in range(0, len(keys), KEYS_PER_QUERY):
        wanted = keys[start : start + KEYS_PER_QUERY]
        found = list(session.exec(select(Rollup).where(columns.in_(wanted))))
        for row in found:
            session.expunge(row)
        rows.extend(found)
    return rows
