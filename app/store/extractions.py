"""What was found in each trace, and how that adds up for each application and day."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlmodel import Session, and_, col, func, or_, select, tuple_

from app.database import upsert
from app.tables import ExtractionTally, Trace

DAYS = 7
COUNTS = ("traces", "empty_traces", "spans", "unmapped")


@dataclass(frozen=True, slots=True)
class Extraction:
    """What the extraction found in one trace."""

    project: str
    trace_id: str
    spans: int
    unmapped: int
    interactions: int
    extractor: str


class ApplicationTally(NamedTuple):
    """What was found in one application's traces since some day."""

    application: str
    traces: int
    empty_traces: int
    spans: int
    unmapped: int


def record_extractions(session: Session, found: Sequence[Extraction]) -> None:
    """Keep what was found in each trace, and correct the tallies by what changed."""
    rows = _traces(session, [(one.project, one.trace_id) for one in found])
    changes: dict[tuple[str, str, datetime], Counter[str]] = {}
    for one in found:
        row = rows.get((one.project, one.trace_id))
        if row is None:
            continue
        if row.tallied_at is not None:
            key = (row.project, row.tallied_as, row.tallied_at)
            changes.setdefault(key, Counter()).subtract(_counts(row))
        _remember(row, one)
        key = (row.project, row.tallied_as, _day_of(row.first_seen_at))
        changes.setdefault(key, Counter()).update(_counts(row))
    session.flush()
    _add(session, changes)


def tallies(session: Session, project: str, *, since: datetime) -> list[ApplicationTally]:
    """What was found since that day in the traces of each application, by name."""
    sums = (func.sum(getattr(ExtractionTally, name)) for name in COUNTS)
    query = (
        select(ExtractionTally.application, *sums)
        .where(ExtractionTally.project == project, ExtractionTally.day_at >= since)
        .group_by(ExtractionTally.application)
        .order_by(ExtractionTally.application)
    )
    return [ApplicationTally(*row) for row in session.exec(query) if row[1]]


def recent_tallies(session: Session, project: str, *, now: datetime) -> list[ApplicationTally]:
    """The tallies of the last days."""
    return tallies(session, project, since=_day_of(now - timedelta(days=DAYS)))


def empty_traces(session: Session, project: str, *, limit: int) -> list[Trace]:
    """The latest traces in which no interaction was found, newest first."""
    query = (
        select(Trace)
        .where(Trace.project == project, Trace.interaction_count == 0, Trace.extractor != "")
        .order_by(col(Trace.last_seen_at).desc())
    )
    return list(session.exec(query.limit(limit)))


def count_traces(session: Session, extractor: str, *, every: bool = False) -> int:
    """How many traces another version of the extraction assembled, or how many there are."""
    query = select(func.count()).select_from(Trace)
    if not every:
        query = query.where(Trace.extractor != extractor)
    return session.exec(query).one()


def outdated_traces(
    session: Session, extractor: str, *, after: tuple[str, str], limit: int, every: bool = False
) -> list[Trace]:
    """The next traces, by project and id, that another version of the extraction assembled."""
    project, trace_id = after
    same_project = and_(col(Trace.project) == project, col(Trace.trace_id) > trace_id)
    query = select(Trace).where(or_(col(Trace.project) > project, same_project))
    if not every:
        query = query.where(Trace.extractor != extractor)
    return list(session.exec(query.order_by(Trace.project, Trace.trace_id).limit(limit)))


def _day_of(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _traces(session: Session, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Trace]:
    columns = tuple_(col(Trace.project), col(Trace.trace_id))
    query = select(Trace).where(columns.in_(keys)).with_for_update()
    query = query.execution_options(populate_existing=True)
    return {(row.project, row.trace_id): row for row in session.exec(query)}


def _counts(row: Trace) -> dict[str, int]:
    return {
        "traces": 1,
        "empty_traces": int(row.interaction_count == 0),
        "spans": row.span_count,
        "unmapped": row.unmapped_count,
    }


def _remember(row: Trace, found: Extraction) -> None:
    row.span_count, row.unmapped_count = found.spans, found.unmapped
    row.interaction_count, row.extractor = found.interactions, found.extractor
    row.tallied_as = row.application
    row.tallied_at = _day_of(row.first_seen_at)


def _add(session: Session, changes: dict[tuple[str, str, datetime], Counter[str]]) -> None:
    rows = [
        {"project": project, "application": application, "day_at": day_at}
        | {name: counts[name] for name in COUNTS}
        for (project, application, day_at), counts in sorted(changes.items())
        if any(counts.values())
    ]
    upsert(
        session,
        ExtractionTally,
        rows,
        keys=("project", "application", "day_at"),
        update={name: lambda old, new: old + new for name in COUNTS},
    )
