"""The work list and its results: one row per interaction, evaluator and version, always a status.

A worker claims rows for a time (the lease) and gets a token with them. Attempts are counted at the
claim, so that an item which kills its worker is counted too; an item that was claimed before is
claimed alone, so that it can only take itself down. A verdict counts only with the current token:
what a late worker says, or says about words that have changed, is dropped.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Update, bindparam, func, tuple_, update
from sqlmodel import Session, col, select

from app.database import skip_locked
from app.outcomes import Outcome, abstention_for
from app.store.rollups import Contribution, roll_up, rolled_up_totals
from app.tables import Evaluation, Interaction
from evaluators.protocol import EvaluatorSpec, Sample

IDS_PER_QUERY = 500
OPEN = ("pending", "running", "skipped")
"""The statuses that no rollup counts."""
SHOWN = (
    *("criterion", "evaluator", "version", "status", "score", "label", "passed", "threshold"),
    *("explanation", "evidence", "error_type", "weights_digest", "calibration"),
    *("precision", "backend"),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """An evaluation that this worker may judge until its lease ends, and the words to judge."""

    evaluation: Evaluation
    interaction: Interaction

    @property
    def sample(self) -> Sample:
        words = self.interaction
        return Sample(words.prompt, words.response, tuple(words.contexts))


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many evaluations have which status, per criterion, and since when the oldest waits."""

    counts: dict[str, dict[str, int]]
    oldest_pending_at: datetime | None


def enqueue(
    session: Session,
    interactions: Sequence[Interaction],
    evaluations: Mapping[str, Sequence[Evaluation]],
    *,
    specs: Sequence[EvaluatorSpec],
    now: datetime,
) -> None:
    """Give every interaction a row per evaluator; those that lack words are born abstained."""
    fresh: list[Contribution] = []
    for interaction in interactions:
        known = {(row.evaluator, row.version): row for row in evaluations.get(interaction.id, ())}
        for spec in specs:
            row = known.get((spec.name, spec.version)) or _work_item(interaction, spec, now)
            row.started_at = interaction.started_at
            if row.status == "pending" and row.input_hash != interaction.content_hash:
                _start_over(row, interaction, spec, now)
                session.add(row)
                fresh.append(Contribution(interaction, row))
    session.flush()
    roll_up(session, fresh)


def verdicts_told(rows: Iterable[Evaluation]) -> dict[str, dict[str, Any]]:
    """What may be told for ever of verdicts, by `evaluator@version`: numbers and no word."""
    return {
        f"{one.evaluator}@{one.version}": {
            "label": one.label,
            "score": one.score,
            "threshold": one.threshold,
        }
        for one in rows
        if one.status == "scored"
    }


def reset(evaluations: Sequence[Evaluation]) -> None:
    """Make the rows wait for a verdict on new words; whoever holds one now may not record it."""
    for row in evaluations:
        row.status, row.input_hash, row.attempts = "pending", "", 0
        row.lease_token = row.lease_until_at = None
        row.score = row.label = row.passed = row.threshold = None
        row.precision = row.backend = None
        row.explanation = row.error_type = row.seconds = row.finished_at = None
        row.evidence = []


def claim(
    session: Session,
    *,
    specs: Sequence[EvaluatorSpec],
    now: datetime,
    interactions: int,
    lease_seconds: float,
    max_attempts: int,
) -> list[Claim]:
    """Take work for up to that many interactions; one that was tried before comes alone."""
    _give_up(session, now=now, max_attempts=max_attempts)
    rows = _due(session, specs, now, limit=1, tried=True)
    rows = rows or _due(session, specs, now, limit=interactions * len(specs), tried=False)
    token = secrets.token_hex(16)
    for row in (one.evaluation for one in rows):
        row.status, row.attempts, row.lease_token = "running", row.attempts + 1, token
        row.lease_until_at = now + timedelta(seconds=lease_seconds)
    session.flush()
    return rows


def record(
    session: Session,
    judged: Sequence[tuple[Claim, Outcome]],
    *,
    specs: Sequence[EvaluatorSpec],
    now: datetime,
) -> int:
    """Store outcomes whose claims still hold, and roll them up; return how many were stored."""
    by_evaluator = {(spec.name, spec.version): spec for spec in specs}
    held = _held(session, [one.evaluation for one, _ in judged])
    made: list[Contribution] = []
    changes: list[dict[str, Any]] = []
    for one, outcome in judged:
        if one.evaluation.id in held:
            spec = by_evaluator[one.evaluation.evaluator, one.evaluation.version]
            values = _values(outcome, spec, now)
            # What was not asked did not try: only what may have done harm is ever given up.
            attempts = one.evaluation.attempts - (outcome.status == "pending")
            changes.append({"row_id": one.evaluation.id, "attempts": attempts, **values})
            made.append(Contribution(one.interaction, one.evaluation.model_copy(update=values)))
    if changes:
        session.connection().execute(_update_by_id(changes[0]), changes)
    roll_up(session, made)
    return len(made)


def evaluations_of(session: Session, interaction_ids: Sequence[str]) -> dict[str, list[Evaluation]]:
    """The evaluations of each interaction, by criterion, the newest row of an evaluator last."""
    found: dict[str, list[Evaluation]] = {}
    for start in range(0, len(interaction_ids), IDS_PER_QUERY):
        wanted = interaction_ids[start : start + IDS_PER_QUERY]
        query = select(Evaluation).where(col(Evaluation.interaction_id).in_(wanted))
        for row in session.exec(query.order_by(col(Evaluation.criterion), col(Evaluation.id))):
            found.setdefault(row.interaction_id, []).append(row)
    return found


def evaluation_row_json(row: Evaluation) -> dict[str, Any]:
    """A stored evaluation in the shape in which every door of this service shows one."""
    return {name: getattr(row, name) for name in SHOWN}


def coverage(session: Session, project: str) -> Coverage:
    """What became of every evaluation of a project: open ones counted, closed ones as rolled up."""
    counts = {
        criterion: {status: n for status, n in totals.items() if n}
        for criterion, totals in rolled_up_totals(session, project).items()
    }
    query = (
        select(Evaluation.criterion, Evaluation.status, func.count())
        .where(Evaluation.project == project, Evaluation.status != "scored")
        .where(col(Evaluation.status).in_(OPEN))
        .group_by(Evaluation.criterion, Evaluation.status)
    )
    for criterion, status, n in session.exec(query):
        counts.setdefault(criterion, {})[status] = n
    oldest = select(func.min(Evaluation.created_at)).where(
        Evaluation.project == project,
        Evaluation.status != "scored",
        col(Evaluation.status).in_(("pending", "running")),
    )
    return Coverage(counts, session.exec(oldest).one())


def _work_item(interaction: Interaction, spec: EvaluatorSpec, now: datetime) -> Evaluation:
    return Evaluation(
        project=interaction.project,
        interaction_id=interaction.id,
        criterion=spec.criterion,
        evaluator=spec.name,
        version=spec.version,
        input_hash="",
        started_at=interaction.started_at,
        created_at=now,
    )


def _start_over(
    row: Evaluation, interaction: Interaction, spec: EvaluatorSpec, now: datetime
) -> None:
    row.input_hash = interaction.content_hash
    words = Sample(interaction.prompt, interaction.response, tuple(interaction.contexts))
    outcome = abstention_for(spec, words)
    if outcome is not None:
        for name, value in _values(outcome, spec, now).items():
            setattr(row, name, value)


def _values(outcome: Outcome, spec: EvaluatorSpec, now: datetime) -> dict[str, Any]:
    return {
        "status": outcome.status,
        "score": outcome.score,
        "label": outcome.label,
        "passed": outcome.passed,
        "threshold": outcome.threshold,
        "explanation": outcome.explanation,
        "evidence": outcome.evidence,
        "error_type": outcome.error_type,
        "seconds": outcome.seconds,
        "weights_digest": spec.weights_digest,
        "calibration": spec.calibration,
        "precision": outcome.precision,
        "backend": outcome.backend,
        "finished_at": None if outcome.status == "pending" else now,
        "lease_token": None,
        "lease_until_at": None,
    }


def _due(
    session: Session, specs: Sequence[EvaluatorSpec], now: datetime, *, limit: int, tried: bool
) -> list[Claim]:
    """The oldest rows that wait, or those whose last worker let the lease run out."""
    mine = tuple_(col(Evaluation.evaluator), col(Evaluation.version))
    query = select(Evaluation).where(mine.in_([(spec.name, spec.version) for spec in specs]))
    if tried:
        query = query.where(Evaluation.status == "running", col(Evaluation.lease_until_at) < now)
    else:
        # Waiting rows have no lease; saying so lets the index give them in the order of their ids.
        query = query.where(
            Evaluation.status == "pending", col(Evaluation.lease_until_at).is_(None)
        )
    # Ordered by id alone, a database would rather walk the whole table.
    query = query.order_by(col(Evaluation.lease_until_at), col(Evaluation.id)).limit(limit)
    rows = list(session.exec(query.with_for_update(of=Evaluation, **skip_locked(session))))
    words = _interactions(session, {row.interaction_id for row in rows})
    return [Claim(row, words[row.interaction_id]) for row in rows]


def _interactions(session: Session, ids: Iterable[str]) -> dict[str, Interaction]:
    wanted, found = list(ids), {}
    for start in range(0, len(wanted), IDS_PER_QUERY):
        part = wanted[start : start + IDS_PER_QUERY]
        for row in session.exec(select(Interaction).where(col(Interaction.id).in_(part))):
            found[row.id] = row
    return found


def _give_up(session: Session, *, now: datetime, max_attempts: int) -> None:
    query = (
        select(Evaluation, Interaction)
        .join(Interaction)
        .where(Evaluation.status == "running", col(Evaluation.lease_until_at) < now)
        .where(col(Evaluation.attempts) >= max_attempts)
        .with_for_update(of=Evaluation, **skip_locked(session))
    )
    given_up: list[Contribution] = []
    for row, interaction in session.exec(query):
        row.status, row.error_type, row.finished_at = "failed", "WorkerDied", now
        row.lease_token = row.lease_until_at = None
        row.explanation = (
            f"Given up after {row.attempts} attempts: the worker died or did not finish in time."
        )
        given_up.append(Contribution(interaction, row))
    session.flush()
    roll_up(session, given_up)


def _held(session: Session, rows: Sequence[Evaluation]) -> set[int | None]:
    """The ids of those rows that are still being judged under the same token."""
    held: set[int | None] = set()
    for start in range(0, len(rows), IDS_PER_QUERY):
        part = {row.id: row.lease_token for row in rows[start : start + IDS_PER_QUERY]}
        query = select(Evaluation.id, Evaluation.lease_token).where(
            col(Evaluation.id).in_(part), Evaluation.status == "running"
        )
        found = session.exec(query.with_for_update()).all()
        held |= {row_id for row_id, token in found if token == part[row_id]}
    return held


def _update_by_id(change: Mapping[str, Any]) -> Update:
    table = Evaluation.__table__  # type: ignore[attr-defined]
    names = [name for name in change if name != "row_id"]
    return (
        update(table)
        .where(table.c.id == bindparam("row_id"))
        .values({name: bindparam(name) for name in names})
    )
