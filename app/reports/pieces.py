"""What a range is added up from: the counts of whole days, and of hours where a day is cut.

Days are counted in UTC. A day in which a period begins or ends, or of which an hour must not be
counted, is read hour by hour.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Subquery, select, union_all
from sqlmodel import col

from app.store.rollups import day_of, hour_of
from app.tables import Counts, DailyRollup, Rollup

Where = Callable[[type[Counts]], list[ColumnElement[bool]]]


@dataclass(frozen=True, slots=True)
class Pieces:
    """The days of a range but for those that are cut, and hours of the latter."""

    from_at: datetime
    to_at: datetime
    cut: tuple[datetime, ...]
    hours: tuple[datetime, ...]

    def counts(self, names: Collection[str], where: Where) -> Subquery:
        """The named columns of the counts that `where` chooses, as one table."""
        days = select(*(getattr(DailyRollup, name) for name in names)).where(
            *where(DailyRollup),
            col(DailyRollup.bucket_at) >= day_of(self.from_at),
            col(DailyRollup.bucket_at) < self.to_at,
            col(DailyRollup.bucket_at).not_in(self.cut),
        )
        hours = select(*(getattr(Rollup, name) for name in names)).where(
            *where(Rollup), col(Rollup.bucket_at).in_(self.hours)
        )
        return union_all(days, hours).subquery()


def pieces_of(
    from_at: datetime,
    to_at: datetime,
    edges: Collection[datetime] = (),
    without: Collection[datetime] = (),
) -> Pieces:
    """The pieces of a range whose periods end at the edges; the hours `without` are left out."""
    cut = {day_of(edge) for edge in (from_at, to_at, *edges) if edge != day_of(edge)}
    cut |= {day_of(hour) for hour in without}
    hours = [
        hour
        for day in sorted(cut)
        for hour in (day + timedelta(hours=number) for number in range(24))
        if hour_of(from_at) <= hour < to_at and hour not in without
    ]
    return Pieces(from_at, to_at, tuple(sorted(cut)), tuple(hours))
