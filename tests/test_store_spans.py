"""Spans: idempotent, the fuller copy wins, and a trace waits until it is quiet."""

from datetime import datetime, timedelta
from pydoc_data.topics import topics

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from app.database import reading, transaction
from app.ingest.stored import spans_of
from app.packing import pack
from app.store.spans import (
    Log,
    Stored,
    chunks_of,
    due_traces,
    entries_of,
    logs_stored,
    mark_assembled,
    store_logs,
)
from app.tables import Trace
from tests.builders import a_span
from tests.telemetry import put_spans

TRACE = "0af7651916cd43dd8448eb211c80319c"


def due(engine: Engine, now: datetime) -> list[Trace]:
    with reading(engine) as session:
        return due_traces(session, now=now, quiet_seconds=5, max_age_seconds=60, limit=10)


def a_log() -> Log:
    return Log("default", TRACE, "b7ad6b7169203331", "shop", b"c1", pack(b""))


def test_the_same_span_sent_again_is_a_duplicate(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        assert put_spans(session, [a_span()], now=now) == Stored(1, 0)
    with transaction(engine) as session:
        assert put_spans(session, [a_span(), a_span()], now=now) == Stored(0, 2)
    with reading(engine) as session:
        assert len(spans_of(session, "default", TRACE)) == 1


@pytest.mark.parametrize("later_first", [True, False])
def test_of_two_copies_the_fuller_stays(engine: Engine, now: datetime, later_first: bool) -> None:
    thin = a_span(end_ns=0, attributes={})
    full = a_span()
    for span in [full, thin] if later_first else [thin, full]:
        with transaction(engine) as session:
            put_spans(session, [span], now=now)
    with reading(engine) as session:
        (stored,) = spans_of(session, "default", TRACE)
    assert stored.end_ns == full.end_ns
    assert stored.attributes == full.attributes


def test_a_project_cannot_take_the_ids_of_another(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        put_spans(session, [a_span(), a_span(project="other", name="theirs")], now=now)
    with reading(engine) as session:
        assert [span.name for span in spans_of(session, "default", TRACE)] == ["chat small-1"]
        assert [span.name for span in spans_of(session, "other", TRACE)] == ["theirs"]


def test_a_trace_is_due_when_it_is_quiet(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        put_spans(session, [a_span()], now=now)
    assert due(engine, now + timedelta(seconds=4)) == []
    assert [trace.trace_id for trace in due(engine, now + timedelta(seconds=5))] == [TRACE]


def test_a_trace_that_never_goes_quiet_is_due_at_its_maximum_age(
    engine: Engine, now: datetime
) -> None:
    for second in range(0, 61, 4):
        with transaction(engine) as session:
            span = a_span(span_id=f"{second + 1:016x}")
            put_spans(session, [span], now=now + timedelta(seconds=second))
    assert due(engine, now + timedelta(seconds=59)) == []
    assert len(due(engine, now + timedelta(seconds=60))) == 1


def test_a_span_that_comes_while_its_trace_is_assembled_is_not_forgotten(
    engine: Engine, now: datetime
) -> None:
    with transaction(engine) as session:
        put_spans(session, [a_span()], now=now)
    seen = due(engine, now + timedelta(seconds=5))
    with transaction(engine) as session:
        put_spans(session, [a_span(span_id="b" * 16)], now=now + timedelta(seconds=6))
    with transaction(engine) as session:
        mark_assembled(session, seen)
    assert len(due(engine, now + timedelta(seconds=20))) == 1


def test_an_assembled_trace_waits_no_more(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        put_spans(session, [a_span()], now=now)
    seen = due(engine, now + timedelta(seconds=5))
    with transaction(engine) as session:
        mark_assembled(session, seen)
    assert due(engine, now + timedelta(days=1)) == []


def test_a_log_record_is_kept_once_and_wakes_its_trace(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        assert store_logs(session, [a_log(), a_log()], now=now) == Stored(1, 1)
    with transaction(engine) as session:
        assert store_logs(session, [a_log()], now=now) == Stored(0, 1)
    assert len(due(engine, now + timedelta(seconds=5))) == 1
    with reading(engine) as session:
        assert len(logs_stored(session, [("default", TRACE)])) == 1


def test_thousands_of_spans_of_one_trace_are_stored(engine: Engine, now: datetime) -> None:
    spans = [a_span(span_id=f"{number:016x}", attributes={}) for number in range(1, 3_001)]
    with transaction(engine) as session:
        assert put_spans(session, spans, now=now) == Stored(3_000, 0)
    with reading(engine) as session:
        assert len(spans_of(session, "default", TRACE)) == 3_000


def test_a_copy_that_differs_and_is_not_fuller_is_counted_and_not_kept(
    engine: Engine, now: datetime
) -> None:
    for name in ("first", "other", "other"):
        with transaction(engine) as session:
            put_spans(session, [a_span(name=name)], now=now)
    with reading(engine) as session:
        (entry,) = entries_of(session, [("default", TRACE)])
        assert [span.name for span in spans_of(session, "default", TRACE)] == ["first"]
        assert len(chunks_of(session, [("default", TRACE)])) == 1
    assert entry.conflicts == 2


def test_a_fuller_copy_leaves_its_neighbours_where_they_are(engine: Engine, now: datetime) -> None:
    thin = [a_span(span_id=f"{n:016x}", end_ns=0, name=f"thin {n}") for n in (1, 2)]
    for spans in (thin, [a_span(span_id=f"{1:016x}", name="full")], thin):
        with transaction(engine) as session:
            put_spans(session, spans, now=now)
    with reading(engine) as session:
        names = [span.name for span in spans_of(session, "default", TRACE)]
        assert len(chunks_of(session, [("default", TRACE)])) == 2
    assert sorted(names) == ["full", "thin 2"]


def test_a_chunk_that_no_span_needs_any_more_is_dropped(engine: Engine, now: datetime) -> None:
    for end_ns in (0, 10, 20):
        with transaction(engine) as session:
            put_spans(session, [a_span(end_ns=end_ns)], now=now)
    with reading(engine) as session:
        assert len(chunks_of(session, [("default", TRACE)])) == 1
        assert [span.end_ns for span in spans_of(session, "default", TRACE)] == [20]


def test_a_request_that_is_sent_again_wakes_no_trace(engine: Engine, now: datetime) -> None:
    with transaction(engine) as session:
        put_spans(session, [a_span()], now=now)
    with transaction(engine) as session:
        mark_assembled(session, due_traces_in(session, now + timedelta(seconds=5)))
    with transaction(engine) as session:
        put_spans(session, [a_span()], now=now + timedelta(seconds=6))
    assert due(engine, now + timedelta(days=1)) == []


def due_traces_in(session: Session, now: datetime) -> list[Trace]:
    return due_traces(session, now=now, quiet_seconds=5, max_age_seconds=60, limit=10)


def test_spans_of_one_trace_pack_to_less_than_a_third(engine: Engine, now: datetime) -> None:
    document = " ".join(topics["assignment"].split()[:700])
    spans = [a_span(span_id=f"{n:016x}", attributes={"text": document}) for n in (1, 2, 3)]
    with transaction(engine) as session:
        put_spans(session, spans, now=now)
    with reading(engine) as session:
        (chunk,) = chunks_of(session, [("default", TRACE)])
    assert len(chunk.content) < len(document)
