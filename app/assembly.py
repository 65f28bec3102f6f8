"""Turn stored traces into interactions: those that have gone quiet, or any that are asked for."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Engine
from sqlmodel import Session

from app.database import reading, transaction
from app.ingest.assemble import TraceReading
from app.ingest.dialects import EXTRACTOR
from app.ingest.doctor import unmapped_in
from app.ingest.pieces import EVALUATOR
from app.ingest.reactions import reactions_in
from app.ingest.stored import telemetry_of
from app.settings import Settings
from app.store.erased import let_nothing_be_erased
from app.store.extractions import Extraction, record_extractions
from app.store.feedback import add_feedback
from app.store.interactions import (
    drop_interactions,
    interactions_of_trace,
    save_interactions,
)
from app.store.spans import due_traces, mark_assembled, still_there
from app.tables import Interaction, Trace
from evaluators.protocol import EvaluatorSpec

FAILED = "failed"
"""Stands for the version of the extraction where it raised an error."""
TRACES_PER_ROUND = 20
"""So few that SQLite's write lock is free again long before a receiver gives up waiting."""


def assemble_due(
    engine: Engine, specs: Sequence[EvaluatorSpec], settings: Settings, *, now: datetime
) -> int:
    """Turn the traces that have gone quiet into interactions; return how many traces."""
    due = find_due(engine, settings, now=now)
    assemble(engine, due, specs, now=now)
    return len(due)


def find_due(engine: Engine, settings: Settings, *, now: datetime) -> list[Trace]:
    """Some of the traces that have gone quiet, or waited for too long, oldest first."""
    with reading(engine) as session:
        return due_traces(
            session,
            now=now,
            quiet_seconds=settings.trace_quiet_seconds,
            max_age_seconds=settings.trace_max_age_seconds,
            limit=TRACES_PER_ROUND,
        )


def set_aside(engine: Engine, trace: Trace) -> None:
    """Let a trace that cannot be assembled wait no more; `doctor --reextract` tries it again."""
    with transaction(engine) as session:
        mark_assembled(session, [trace], extractor=FAILED)


def assemble(
    engine: Engine, traces: Sequence[Trace], specs: Sequence[EvaluatorSpec], *, now: datetime
) -> None:
    """Make the interactions of these traces anew; only changed words will be judged again.

    The traces are read before the transaction that writes begins, so that whoever sends meanwhile
    does not wait for it; a span that comes in between leaves its trace to the next round.
    """
    if not traces:
        return
    with reading(engine) as session:
        arrived = telemetry_of(session, [(one.project, one.trace_id) for one in traces])
    readings = [
        TraceReading(one.spans, one.logs)
        for one in (arrived[trace.project, trace.trace_id] for trace in traces)
    ]
    with transaction(engine) as session:
        let_nothing_be_erased(session)
        left = still_there(session, traces)
        read_ones = [
            (trace, read)
            for trace, read in zip(traces, readings, strict=True)
            if (trace.project, trace.trace_id) in left
        ]
        made = [read.interactions(now) for _, read in read_ones]
        # First, because it waits for labels, and those for the audit log that changes are noted in.
        for (trace, _), rows in zip(read_ones, made, strict=True):
            _drop_replaced(session, trace, rows)
        for (_, read), rows in zip(read_ones, made, strict=True):
            save_interactions(session, rows, specs=specs, now=now)
            add_feedback(session, reactions_in(read.tree.spans.values(), read.logs), now=now)
        told = [pair for pair in read_ones if not is_feedback_only(pair[1])]
        record_extractions(session, [_extraction(*pair) for pair in told])
        mark_assembled(session, [trace for trace, _ in read_ones])


def is_feedback_only(read: TraceReading) -> bool:
    """Whether the trace only says what somebody thinks of another trace's answer.

    Such a trace is no sign of a client that forgets to send its words.
    """
    tops = [read.tree.spans[one] for one in read.tree.tops]
    evaluators = [read.found[one].value("kind") == EVALUATOR for one in read.tree.tops]
    return bool(tops) and all(
        is_evaluator or (not read.chosen and reactions_in([top], []))
        for top, is_evaluator in zip(tops, evaluators, strict=True)
    )


def _extraction(trace: Trace, read: TraceReading) -> Extraction:
    return Extraction(
        project=trace.project,
        trace_id=trace.trace_id,
        spans=len(read.tree.spans),
        unmapped=unmapped_in(read),
        interactions=len(read.chosen),
        extractor=EXTRACTOR,
    )


def _drop_replaced(session: Session, trace: Trace, rows: Sequence[Interaction]) -> None:
    before = interactions_of_trace(session, trace.project, trace.trace_id)
    kept = {row.id for row in rows}
    # Interactions that came as such, not as spans, have no provenance and are not ours to drop.
    drop_interactions(session, [row for row in before if row.id not in kept and row.provenance])
