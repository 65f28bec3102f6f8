"""How the scores of each week are distributed, from the counts."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlmodel import Session, col

from app.reports.counted import counts_in, ranges_of
from app.reports.pieces import pieces_of
from app.reports.rows import is_newest, of_hours
from app.reports.scope import Scope
from app.reports.tallies import Tallies
from app.reports.weeks import Period
from app.store.rollups import BINS
from app.tables import Counts, Evaluation, Interaction


def read_histograms(
    session: Session,
    scope: Scope,
    periods: Sequence[Period],
    chosen: Mapping[str, str],
    tallies: Tallies,
) -> dict[str, dict[int, list[int]]]:
    """Per criterion and week how many scores lie in each bin; weeks that another version or
    threshold judged are left out, and so are scores of a version that another one replaced."""
    ends = [period.to_at for period in periods]
    found: dict[str, dict[int, list[int]]] = {}
    for criterion in chosen:
        judges = tallies.sources.get(criterion, [frozenset()])[-1]
        sources = sorted({f"{one.evaluator}@{one.version}" for one in judges})
        same, weeks = tallies.comparable(criterion), dict[int, list[list[int]]]()
        for at, histogram in _binned(session, scope, ends, tallies.untold, criterion, sources):
            week = next(number for number, end in enumerate(ends) if at < end)
            if same[week]:
                weeks.setdefault(week, []).append(histogram)
        found[criterion] = {
            week: [sum(bin_) for bin_ in zip(*weeks[week], strict=True)] for week in sorted(weeks)
        }
    return found


def _binned(
    session: Session,
    scope: Scope,
    ends: Sequence[datetime],
    untold: Collection[datetime],
    criterion: str,
    sources: Sequence[str],
) -> Iterable[tuple[datetime, list[int]]]:
    """Per day or hour, application and source, or per score: a moment, and the bins."""

    def where(table: type[Counts]) -> list[ColumnElement[bool]]:
        return [
            *counts_in(scope, "")(table),
            col(table.criterion) == criterion,
            col(table.source).in_(sources),
            col(table.n) > 0,
        ]

    pieces = pieces_of(scope.from_at, scope.to_at, ends, untold)
    rows = session.execute(select(pieces.counts(("bucket_at", "histogram"), where)))
    yield from ((at, bins) for at, bins in rows)
    if untold:
        yield from _one_by_one(session, scope, untold, criterion, sources)


def _one_by_one(
    session: Session,
    scope: Scope,
    hours: Collection[datetime],
    criterion: str,
    sources: Sequence[str],
) -> Iterable[tuple[datetime, list[int]]]:
    """Per newest score of these hours: when its answer came, and the bins with that score alone."""
    query = select(col(Interaction.started_at), col(Evaluation.score))
    rows = session.execute(
        query.join_from(Interaction, Evaluation).where(
            *scope.holds(),
            of_hours(list(ranges_of(hours))),
            col(Evaluation.criterion) == criterion,
            (col(Evaluation.evaluator) + "@" + col(Evaluation.version)).in_(sources),
            col(Evaluation.status) == "scored",
            is_newest(),
        )
    )
    for at, score in rows:
        place = min(int(score * BINS), BINS - 1)
        yield at, [int(number == place) for number in range(BINS)]
