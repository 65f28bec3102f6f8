"""Which guidelines reviewers went by, and when: from the versions that their labels carry."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select
from sqlmodel import Session, col

from app.database import hour_text
from app.reports.weeks import Period
from app.tables import Annotation

Bucket = TypeVar("Bucket")


def read_guidelines(
    session: Session, project: str, periods: Sequence[Period]
) -> dict[str, list[frozenset[str]]]:
    """Per criterion and period, in which labels were given, the versions that they carry; for all
    applications, because the guidelines are the same for all."""

    def place_of(at: datetime) -> int:
        return next(place for place, period in enumerate(periods) if at < period.to_at)

    bounds = periods[0].from_at, periods[-1].to_at
    found = guidelines_by(session, project, bounds, place_of)
    return {
        criterion: [versions.get(place, frozenset()) for place in range(len(periods))]
        for criterion, versions in found.items()
    }


def guidelines_by(
    session: Session,
    project: str,
    bounds: tuple[datetime | None, datetime | None],
    bucket_of: Callable[[datetime], Bucket],
) -> dict[str, Mapping[Bucket, frozenset[str]]]:
    """Per criterion and bucket the versions of the labels that were given between the bounds; an
    hour counts for the bucket in which it begins.

    A version that labels of several criteria carry is left out: it is the digest of a whole file,
    as it was once stored, and another file need not be another guideline.
    """
    hour = hour_text(session, col(Annotation.created_at))
    query = select(col(Annotation.criterion), col(Annotation.guideline_version), hour)
    from_at, to_at = bounds
    query = query.where(col(Annotation.project) == project)
    if from_at is not None:
        query = query.where(col(Annotation.created_at) >= from_at)
    if to_at is not None:
        query = query.where(col(Annotation.created_at) < to_at)
    found: dict[str, dict[Bucket, set[str]]] = defaultdict(lambda: defaultdict(set))
    rows = session.execute(query.distinct()).all()
    whose: dict[str, set[str]] = defaultdict(set)
    for criterion, version, _ in rows:
        whose[version].add(criterion)
    for criterion, version, text in rows:
        if len(whose[version]) > 1:
            continue
        at = datetime.fromisoformat(f"{text}:00:00+00:00")
        found[criterion][bucket_of(at)].add(version)
    return {
        criterion: {bucket: frozenset(some) for bucket, some in versions.items()}
        for criterion, versions in found.items()
    }
