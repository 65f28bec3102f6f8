"""How the scores of each week are distributed, from the hourly counts."""

from collections.abc import Mapping

from sqlmodel import Session

from app.reports.tallies import Scope, Tallies
from app.reports.trends import counted_once
from app.reports.weeks import week_bounds
from app.store.rollups import rollup_points


def read_histograms(
    session: Session, scope: Scope, chosen: Mapping[str, str], tallies: Tallies
) -> dict[str, dict[int, list[int]]]:
    """Per criterion and week how many scores lie in each bin; weeks that another version or
    threshold judged are left out."""
    ends = [week_bounds(week, scope.time_zone)[1] for week in tallies.weeks]
    found: dict[str, dict[int, list[int]]] = {}
    for criterion in chosen:
        rows = rollup_points(
            session,
            scope.project,
            criterion,
            from_at=scope.from_at,
            to_at=scope.to_at,
            application=scope.application,
        )
        same = tallies.comparable(criterion)
        weeks = found.setdefault(criterion, {})
        for row in counted_once(rows):
            week = next(number for number, end in enumerate(ends) if row.bucket_at < end)
            if same[week]:
                bins = weeks.setdefault(week, [0] * len(row.histogram))
                weeks[week] = [sum(pair) for pair in zip(bins, row.histogram, strict=True)]
    return found
