"""What workers say of themselves: that they live, what they can judge, and what is in trouble."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlmodel import Session, col, func, select

from app.database import upsert
from app.tables import Heartbeat

FRESH = timedelta(seconds=60)


def beat(
    session: Session,
    worker: str,
    evaluators: Sequence[str],
    troubles: Mapping[str, str],
    *,
    now: datetime,
) -> None:
    """Say that this worker is alive, what it can judge, and which evaluators take no work."""
    row = {
        "worker": worker,
        "seen_at": now,
        "evaluators": list(evaluators),
        "troubles": dict(troubles),
    }
    changing = ("seen_at", "evaluators", "troubles")
    upsert(session, Heartbeat, [row], keys=("worker",), update=changing)


def living_evaluators(session: Session, now: datetime) -> set[str]:
    """What workers that live can judge, as `name@version`."""
    query = select(Heartbeat).where(col(Heartbeat.seen_at) >= now - FRESH)
    return {label for row in session.exec(query) for label in row.evaluators}


def last_seen(session: Session) -> datetime | None:
    """When any worker said last that it lives."""
    return session.exec(select(func.max(Heartbeat.seen_at))).one()


def contested_evaluators(session: Session, now: datetime) -> dict[str, list[str]]:
    """The evaluators that living workers run in several versions, with these versions."""
    versions: dict[str, list[str]] = {}
    for label in sorted(living_evaluators(session, now)):
        name, _, version = label.partition("@")
        versions.setdefault(name, []).append(version)
    return {name: own for name, own in versions.items() if len(own) > 1}


def evaluator_troubles(session: Session, now: datetime) -> dict[str, str]:
    """Why evaluators take no work, by `name@version`, as the workers say that live."""
    query = select(Heartbeat).where(col(Heartbeat.seen_at) >= now - FRESH)
    troubles: dict[str, str] = {}
    for row in session.exec(query.order_by(col(Heartbeat.seen_at))):
        troubles |= row.troubles
    return troubles
