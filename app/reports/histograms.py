"""How the scores of each week are distributed, from the hourly counts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from app.reports.counted import rolled_up
from app.reports.scope import Scope
from app.reports.tallies import Tallies
from app.reports.weeks import Period
from app.tables import Rollup


def read_histograms(
    session: Session,
    scope: Scope,
    periods: Sequence[Period],
    chosen: Mapping[str, str],
    tallies: Tallies,
) -> dict[str, dict[int, list[int]]]:
    """Per criterion and week how many scores lie in each bin; weeks that another version or
    threshold judged are left out."""
    ends = [period.to_at for period in periods]
    found: dict[str, dict[int, list[int]]] = {}
    for criterion, evaluator in chosen.items():
        same, weeks = tallies.comparable(criterion), dict[int, list[list[int]]]()
        for at, histogram in _hourly(session, scope, criterion, evaluator):
            week = next(number for number, end in enumerate(ends) if at < end)
            if same[week]:
                weeks.setdefault(week, []).append(histogram)
        found[criterion] = {
            week: [sum(bin_) for bin_ in zip(*some, strict=True)] for week, some in weeks.items()
        }
    return found


def _hourly(
    session: Session, scope: Scope, criterion: str, evaluator: str
) -> Iterable[tuple[datetime, list[int]]]:
    """Per hour, application and version of the evaluator: the first moment, and the bins."""
    query = select(col(Rollup.bucket_at), col(Rollup.histogram)).where(
        *rolled_up(scope),
        col(Rollup.segment_key) == "",
        col(Rollup.criterion) == criterion,
        col(Rollup.source).startswith(f"{evaluator}@", autoescape=True),
        col(Rollup.n) > 0,
    )
    return ((at, bins) for at, bins in session.execute(query))
