"""Which days a sample speaks for, and whether some samples together speak for a whole period."""

from collections.abc import Iterable, Set
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, case, func, or_, select
from sqlmodel import Session, col

from app.reports.scope import Scope
from app.reports.weeks import Period
from app.tables import Interaction, ReviewQueue

MOST_LEFT_OUT = 0.02
"""Days are whole with fewer answers outside: that an evaluator errs by 20 points more there moves a
corrected rate by less than half a point."""


class Days(NamedTuple):
    """The part of a period that a sample was drawn from."""

    from_at: datetime
    to_at: datetime

    def hold(self, at: datetime) -> bool:
        return self.from_at <= at < self.to_at


def days_in(period: Period, queue: ReviewQueue | None) -> Days:
    """What a queue could draw of a period: what its filter leaves of it, up to its making."""
    if queue is None:
        return Days(period.from_at, period.to_at)
    asked = queue.filters.get("filter", {})
    first, last = asked.get("from_at"), asked.get("to_at")
    end = min(period.to_at, queue.created_at)
    return Days(
        max(period.from_at, datetime.fromisoformat(first)) if first else period.from_at,
        min(end, datetime.fromisoformat(last)) if last else end,
    )


def speaker_for(at: datetime, samples: Iterable[Days]) -> Days | None:
    """The sample whose labels count for a moment, so that none counts twice: the longest."""
    longest = sorted(samples, key=lambda days: (days.from_at - days.to_at, days.from_at))
    return next((days for days in longest if days.hold(at)), None)


def are_whole(session: Session, scope: Scope, period: Period, samples: Set[Days]) -> bool:
    """Whether hardly any answer of a period lies outside all of its samples."""
    if Days(period.from_at, period.to_at) in samples:
        return True
    at = col(Interaction.started_at)
    inside = or_(*(and_(at >= days.from_at, at < days.to_at) for days in samples))
    of_period = replace(scope, from_at=period.from_at, to_at=period.to_at)
    counts = select(func.count(), func.count(case((inside, 1)))).where(*of_period.holds())
    total, held = session.execute(counts).one()
    return bool(total - held <= MOST_LEFT_OUT * total)
