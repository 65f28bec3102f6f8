"""Counts per hour and per day, application, evaluator and segment, in step with the evaluations.

Beside the segments that senders name, the model is one; `@judge` counts by what decided (threshold,
digest of the weights, calibration, precision) and `@reason` by why there is no score.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, tuple_
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from app.database import exclude_others, upsert
from app.tables import Counts, DailyRollup, Evaluation, Interaction, Rollup

BINS = 20
COUNTED = ("scored", "abstained", "failed")
KEY = ("project", "bucket_at", "application", "criterion", "source", "segment_key", "segment_value")
JUDGE, REASON = "@judge", "@reason"
OWN_COLUMNS = ("application", "model")
"""Segments of these names are left out: the columns say it."""
LONGEST_REASON = 240
KEYS_PER_QUERY = 200
Key = tuple[Any, ...]
VALUES = ("n", "failing", "abstained", "failed", "total", "total_squared", "histogram")


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one evaluation adds to the counts (`sign` 1) or takes back (`sign` -1)."""

    interaction: Interaction
    evaluation: Evaluation
    sign: int = 1


@dataclass(slots=True)
class Sums:
    """The counts of one key as they grow."""

    n: int = 0
    failing: int = 0
    abstained: int = 0
    failed: int = 0
    total: float = 0.0
    total_squared: float = 0.0
    histogram: list[int] = field(default_factory=lambda: [0] * BINS)

    def add(self, evaluation: Evaluation, sign: int) -> None:
        """Count an evaluation, or take it back."""
        self.abstained += sign * (evaluation.status == "abstained")
        self.failed += sign * (evaluation.status == "failed")
        if evaluation.status != "scored" or evaluation.score is None:
            return
        self.n += sign
        self.failing += sign * (evaluation.passed is False)
        self.total += sign * evaluation.score
        self.total_squared += sign * evaluation.score**2
        self.histogram[min(int(evaluation.score * BINS), BINS - 1)] += sign

    def merge(self, other: "Sums") -> None:
        """Add what another one counted."""
        for name in VALUES[:-1]:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.histogram = [sum(pair) for pair in zip(self.histogram, other.histogram, strict=True)]

    def values(self) -> dict[str, Any]:
        """The counts by name; `asdict` would copy each bin, which costs more than storing it."""
        return {name: getattr(self, name) for name in VALUES}


class Count(NamedTuple):
    """The counts of one hour or day, application, source and segment."""

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
    hours: dict[Key, Sums] = defaultdict(Sums)
    for contribution in contributions:
        if contribution.evaluation.status in COUNTED:
            for key in _keys(contribution):
                hours[key].add(contribution.evaluation, contribution.sign)
    if not hours:
        return
    days: dict[Key, Sums] = defaultdict(Sums)
    for (project, hour, *rest), sums in hours.items():
        days[project, day_of(hour), *rest].merge(sums)
    exclude_others(session, "rollup")
    _store(session, Rollup, hours)
    _store(session, DailyRollup, days)


def rollup_points(session: Session, project: str, criterion: str) -> list[DailyRollup]:
    """The daily counts of a criterion over all segments, with the scores in bins, oldest first."""
    query = select(DailyRollup).where(
        DailyRollup.project == project,
        DailyRollup.criterion == criterion,
        DailyRollup.segment_key == "",
    )
    order = (col(DailyRollup.bucket_at), col(DailyRollup.application))
    return list(session.exec(query.order_by(*order)))


def counts_between(
    session: Session,
    table: type[Counts],
    project: str,
    criterion: str,
    *,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    application: str | None = None,
    by: str = "",
    value: str | None = None,
    among: Sequence[datetime] | None = None,
) -> list[Count]:
    """The counts of a criterion per hour or day, oldest first; `by` names the segment key to split
    by, of which `value` is one, and `among` the first moments of those wanted."""
    query = select_columns(*(getattr(table, name) for name in Count._fields)).where(
        *_within(table, project, criterion, application, by)
    )
    if value is not None:
        query = query.where(col(table.segment_value) == value)
    if from_at is not None:
        query = query.where(col(table.bucket_at) >= from_at)
    if to_at is not None:
        query = query.where(col(table.bucket_at) < to_at)
    if among is not None:
        query = query.where(col(table.bucket_at).in_(among))
    order = (col(table.bucket_at), col(table.application), col(table.segment_value))
    return [Count(*row) for row in session.execute(query.order_by(*order))]


def newest_hour(
    session: Session, project: str, criterion: str, *, application: str | None, by: str
) -> datetime | None:
    """The newest hour that has counts."""
    query = select_columns(func.max(Rollup.bucket_at))
    return session.scalar(query.where(*_within(Rollup, project, criterion, application, by)))


def _within(
    table: type[Counts], project: str, criterion: str, application: str | None, by: str
) -> list[ColumnElement[bool]]:
    conditions = [
        col(table.project) == project,
        col(table.criterion) == criterion,
        col(table.segment_key) == by,
    ]
    if application is not None:
        conditions.append(col(table.application) == application)
    return conditions


def rolled_up_totals(session: Session, project: str) -> dict[str, dict[str, int]]:
    """How many evaluations of each criterion were scored, abstained and failed, over all time."""
    query = (
        select(
            DailyRollup.criterion,
            func.sum(DailyRollup.n),
            func.sum(DailyRollup.abstained),
            func.sum(DailyRollup.failed),
        )
        .where(DailyRollup.project == project, DailyRollup.segment_key == "")
        .group_by(DailyRollup.criterion)
    )
    return {
        criterion: {"scored": int(n), "abstained": int(abstained), "failed": int(failed)}
        for criterion, n, abstained, failed in session.exec(query)
    }


def hour_of(at: datetime) -> datetime:
    """The first moment of the hour, in UTC, as the counts are kept."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(at: datetime) -> datetime:
    """The first moment of the day in UTC."""
    return hour_of(at).replace(hour=0)


def judge_value(evaluation: Evaluation) -> str:
    """What decided, as the value of the segment `@judge`."""
    row = evaluation
    # What does not tell a precision is counted with what was counted before precisions were told.
    told = [] if row.precision is None else [row.precision]
    return json.dumps([row.threshold, row.weights_digest, row.calibration, *told])


def reason_value(status: str, explanation: str | None) -> str:
    """Why there is no score, as the value of the segment `@reason`."""
    return f"{status} {explanation or ''}"[:LONGEST_REASON]


def _keys(contribution: Contribution) -> list[Key]:
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
        # A key without characters would count again what the whole counts.
        if key and key not in OWN_COLUMNS and not key.startswith("@"):
            yield key, value
    if evaluation.status == "scored":
        yield JUDGE, judge_value(evaluation)
    else:
        yield REASON, reason_value(evaluation.status, evaluation.explanation)


def _store(session: Session, table: type[Counts], changes: Mapping[Key, Sums]) -> None:
    """Add the changes to what is stored."""
    for key, stored in _stored(session, table, list(changes)):
        changes[key].merge(stored)
    rows = [dict(zip(KEY, key, strict=True)) | sums.values() for key, sums in changes.items()]
    upsert(session, table, rows, keys=KEY, update=VALUES)


def _stored(
    session: Session, table: type[Counts], keys: Sequence[Key]
) -> Iterator[tuple[Key, Sums]]:
    places = [getattr(table, name) for name in KEY]
    values = [getattr(table, name) for name in VALUES]
    for start in range(0, len(keys), KEYS_PER_QUERY):
        wanted = tuple_(*places).in_(keys[start : start + KEYS_PER_QUERY])
        for row in session.execute(select_columns(*places, *values).where(wanted)):
            yield tuple(row[: len(KEY)]), Sums(*row[len(KEY) :])
