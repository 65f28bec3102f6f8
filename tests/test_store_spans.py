"""Spans: idempotent, the fuller copy wins, and a trace waits until it is quiet."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from app.database import reading, transaction
from app.store.spans import (
    Stored,
    due_traces,
    logs_of,
    mark_assembled,
    spans_of,
    store_logs,
    store_spans,
)
from app.tables import LogRecord, Trace
from tests.builders import a_span

TRACE = "0af7651916cd43dd8448eb211c80319c"


def due(engine: Engine, now: datetime) -> list[Trace]:
    with reading(engine) as session:
        return due_traces(session, now=now, quiet_seconds=5, max_age_seconds=60, limit=10)


def a_log(now: datetime, **changes: object) -> LogRecord:
    fields = {
        "project": "default",
        "trace_id": TRACE,
        "span_id": "b7ad6b7169203331",
        "content_hash": "c1",
        "received_at": now,
        **changes,
    }
    return LogRecord(**fields)


def test_the_same_span_sent_again_is_a_duplicate(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        assert store_spans(session, [a_span()], now=now) == Stored(1, 0)
    with transaction(engine) as session:
        assert store_spans(session, [a_span(), a_span()], now=now) == Stored(0, 2)
    with reading(engine) as session:
        assert len(spans_of(session, "default", TRACE)) == 1


@pytest.mark.parametrize("later_first", [True, False])
def test_of_two_copies_the_fuller_stays(engine: Engine, now: datetime, later_first: bool) -> None:
    thin = a_span(end_ns=0, attributes={})
    full = a_span()
    for span in [full, thin] if later_first else [thin, full]:
        with transaction(engine) as session:
            store_spans(session, [span], now=now)
    with reading(engine) as session:
        (stored,) = spans_of(session, "default", TRACE)
    assert stored.content_hash == full.content_hash
    assert stored.attributes == full.attributes


def test_a_project_cannot_take_the_ids_of_another(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        store_spans(session, [a_span(), a_span(project="other", name="theirs")], now=now)
    with reading(engine) as session:
        assert [span.name for span in spans_of(session, "default", TRACE)] == ["chat small-1"]
        assert [span.name for span in spans_of(session, "other", TRACE)] == ["theirs"]


def test_a_trace_is_due_when_it_is_quiet(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        store_spans(session, [a_span()], now=now)
    assert due(engine, now + timedelta(seconds=4)) == []
    assert [trace.trace_id for trace in due(engine, now + timedelta(seconds=5))] == [TRACE]


def test_a_trace_that_never_goes_quiet_is_due_at_its_maximum_age(
    engine: Engine, now: datetime
) -> None:
    for second in range(0, 61, 4):
        with transaction(engine) as session:
            span = a_span(span_id=f"{second + 1:016x}")
            store_spans(session, [span], now=now + timedelta(seconds=second))
    assert due(engine, now + timedelta(seconds=59)) == []
    assert len(due(engine, now + timedelta(seconds=60))) == 1


def test_a_span_that_comes_while_its_trace_is_assembled_is_not_forgotten(
    engine: Engine, now: datetime
) -> None:
    with transaction(engine) as session:
        store_spans(session, [a_span()], now=now)
    seen = due(engine, now + timedelta(seconds=5))
    with transaction(engine) as session:
        store_spans(session, [a_span(span_id="b" * 16)], now=now + timedelta(seconds=6))
    with transaction(engine) as session:
        mark_assembled(session, seen)
    assert len(due(engine, now + timedelta(seconds=20))) == 1


def test_an_assembled_trace_waits_no_more(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        store_spans(session, [a_span()], now=now)
    seen = due(engine, now + timedelta(seconds=5))
    with transaction(engine) as session:
        mark_assembled(session, seen)
    assert due(engine, now + timedelta(days=1)) == []


def test_a_log_record_is_kept_once_and_wakes_its_trace(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        assert store_logs(session, [a_log(now), a_log(now)], now=now) == Stored(1, 1)
    with transaction(engine) as session:
        assert store_logs(session, [a_log(now)], now=now) == Stored(0, 1)
    assert len(due(engine, now + timedelta(seconds=5))) == 1
    with reading(engine) as session:
        assert len(logs_of(session, "default", TRACE)) == 1


def test_thousands_of_spans_of_one_trace_are_stored(engine: Engine, now: datetime) -> None:
    spans = [a_span(span_id=f"{number:016x}", attributes={}) for number in range(1, 3_001)]
    with transaction(engine) as session:
        assert store_spans(session, spans, now=now) == Stored(3_000, 0)
    with reading(engine) as session:
        assert len(spans_of(session, "default", TRACE)) == 3_000
