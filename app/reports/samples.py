"""Which days a sample speaks for, and whether some samples together speak for a whole period."""

from collections.abc import Iterable, Set
from dataclasses import replace
from datetime import datetime, timedelta
from math import inf
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, or_, select, true
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
    drawn_at: datetime | None = None
    """When it was drawn, where more than hardly any answer of these days was stored after that."""

    def hold(self, at: datetime, received_at: datetime) -> bool:
        """Whether an answer could be drawn that came at one moment and was received at another."""
        was_here = self.drawn_at is None or received_at < self.drawn_at
        return self.from_at <= at < self.to_at and was_here

    def holds(self) -> ColumnElement[bool]:
        """The same of Interaction, as SQL."""
        at, received_at = col(Interaction.started_at), col(Interaction.received_at)
        was_here = true() if self.drawn_at is None else received_at < self.drawn_at
        return and_(at >= self.from_at, at < self.to_at, was_here)


def days_in(session: Session, scope: Scope, period: Period, queue: ReviewQueue | None) -> Days:
    """What a queue could draw of a period: what its filter leaves of it, up to its making, of the
    answers that were here by then."""
    if queue is None:
        return Days(period.from_at, period.to_at)
    asked = queue.filters.get("filter", {})
    first, last = asked.get("from_at"), asked.get("to_at")
    end = min(period.to_at, queue.created_at)
    days = Days(
        max(period.from_at, datetime.fromisoformat(first)) if first else period.from_at,
        min(end, datetime.fromisoformat(last)) if last else end,
    )
    came_late = _many_came_late(session, scope, days, queue.created_at)
    return days._replace(drawn_at=queue.created_at) if came_late else days


def speaker_for(at: datetime, received_at: datetime, samples: Iterable[Days]) -> Days | None:
    """The sample whose labels count for an answer, so that none counts twice: the longest, of two
    as long the one that was drawn when more answers were here."""
    holding = [days for days in samples if days.hold(at, received_at)]
    return min(holding, key=_rank) if holding else None


def are_whole(session: Session, scope: Scope, period: Period, samples: Set[Days]) -> bool:
    """Whether hardly any answer of a period lies outside all of its samples."""
    if Days(period.from_at, period.to_at) in samples:
        return True
    inside = or_(*(days.holds() for days in samples))
    of_period = replace(scope, from_at=period.from_at, to_at=period.to_at)
    counts = select(func.count(), func.count(case((inside, 1)))).where(*of_period.holds())
    total, held = session.execute(counts).one()
    return bool(total - held <= MOST_LEFT_OUT * total)


def _many_came_late(session: Session, scope: Scope, days: Days, drawn_at: datetime) -> bool:
    counted = select(func.count()).where(
        *replace(scope, from_at=days.from_at, to_at=days.to_at).holds()
    )
    late = session.scalar(counted.where(col(Interaction.received_at) >= drawn_at)) or 0
    return bool(late) and late > MOST_LEFT_OUT * (session.scalar(counted) or 0)


def _rank(days: Days) -> tuple[timedelta, datetime, float]:
    drawn = inf if days.drawn_at is None else days.drawn_at.timestamp()
    return days.from_at - days.to_at, days.from_at, -drawn
