"""Work that waits for a version of an evaluator that nobody runs any more.

An upgrade, or a calibration put in force or taken back, changes a version while answers may still
wait for the one before. Whoever judges now takes them over, so that none waits for ever.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, and_, col, or_, select

from app.database import skip_locked
from app.store.workers import living_evaluators
from app.tables import Evaluation
from evaluators.protocol import EvaluatorSpec

MOST = 1000


def adopt(session: Session, specs: Sequence[EvaluatorSpec], *, now: datetime) -> int:
    """Let these evaluators judge what waits for versions of theirs that no living worker runs.

    Returns how many evaluations changed hands, at most a thousand per evaluator. What the version
    that is here has in its own list already is taken off the old one.
    """
    living = living_evaluators(session, now)
    return sum(_adopt(session, spec, living, now) for spec in specs)


def _adopt(session: Session, spec: EvaluatorSpec, living: set[str], now: datetime) -> int:
    names = [one.partition("@") for one in living]
    served = {spec.version, *(version for name, _, version in names if name == spec.name)}
    waits = or_(
        col(Evaluation.status) == "pending",
        and_(col(Evaluation.status) == "running", col(Evaluation.lease_until_at) < now),
    )
    rows = session.exec(
        select(Evaluation)
        .where(waits, Evaluation.evaluator == spec.name)
        .where(Evaluation.criterion == spec.criterion, col(Evaluation.version).not_in(served))
        .order_by(col(Evaluation.id))
        .limit(MOST)
        .with_for_update(of=Evaluation, **skip_locked(session))
    ).all()
    known = _known(session, spec, [row.interaction_id for row in rows])
    for row in rows:
        if row.interaction_id in known:
            session.delete(row)
        else:
            row.version = spec.version
            known.add(row.interaction_id)
    session.flush()
    return len(rows)


def _known(session: Session, spec: EvaluatorSpec, ids: Sequence[str]) -> set[str]:
    """The interactions that the version at hand has in its list."""
    query = select(Evaluation.interaction_id).where(
        Evaluation.evaluator == spec.name,
        Evaluation.version == spec.version,
        col(Evaluation.interaction_id).in_(ids),
    )
    return set(session.exec(query))
