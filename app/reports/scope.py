"""Which interactions a report is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement
from sqlmodel import col

from app.reports.weeks import week_bounds
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
    from_at, _ = week_bounds(weeks[0], time_zone)
    _, to_at = week_bounds(weeks[-1], time_zone)
    return Scope(project, application, from_at, to_at, time_zone)
