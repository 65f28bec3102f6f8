"""Which interactions a report is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement
from sqlmodel import col

from app.reports.weeks import Period, as_periods
from app.tables import Interaction


@dataclass(frozen=True, slots=True)
class Scope:
    """The interactions of a project, or of one application, that started in a range of time."""

    project: str
    application: str | None
    from_at: datetime
    to_at: datetime
    time_zone: str = "UTC"

    def holds(self) -> list[ColumnElement[bool]]:
        """The conditions on Interaction, as SQL."""
        conditions = [
            col(Interaction.project) == self.project,
            col(Interaction.started_at) >= self.from_at,
            col(Interaction.started_at) < self.to_at,
        ]
        if self.application:
            conditions.append(col(Interaction.application) == self.application)
        return conditions


def scope_of(project: str, application: str | None, weeks: Sequence[str], time_zone: str) -> Scope:
    """The interactions of these weeks, oldest first."""
    return scope_over(project, application, as_periods(weeks, time_zone), time_zone)


def scope_over(
    project: str, application: str | None, periods: Sequence[Period], time_zone: str
) -> Scope:
    """The interactions of these periods, oldest first and without gaps."""
    return Scope(project, application, periods[0].from_at, periods[-1].to_at, time_zone)
