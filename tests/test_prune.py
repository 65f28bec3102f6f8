"""What is old is forgotten; labels, what they are on, and counts stay."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import Engine
from sqlmodel import SQLModel, func, select
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.assembly import assemble
from app.commands import prune
from app.criteria import Criteria
from app.database import transaction
from app.settings import Settings
from app.store.annotations import add_annotation
from app.store.erased import drop_expired
from app.store.interactions import InteractionFilter, list_interactions
from app.store.pruning import LATE_RETRIES
from app.store.spans import Stored
from app.tables import (
    Annotation,
    Evaluation,
    Interaction,
    LogEntry,
    Rollup,
    SpanChunk,
    SpanEntry,
    Trace,
)
from tests.builders import a_span, save, score_all, some_interactions
from tests.telemetry import put_spans

SECRET = "Zanzibar"


@pytest.fixture
def rows(
    engine: Engine, criteria: Criteria, settings: Settings, now: datetime
) -> list[Interaction]:
    """Three old interactions, the first labelled, and a new one; an old trace and a new one."""
    old = some_interactions(3, prompt=f"{SECRET}?", received_at=now - timedelta(days=4000))
    new = some_interactions(4, prompt=f"{SECRET} now?", received_at=datetime.now(now.tzinfo))[3:]
    save(engine, [*old, *new])
    score_all(engine, criteria, settings)
    with transaction(engine) as session:
        label = Annotation(
            project="default",
            interaction_id=old[0].id,
            criterion="toxicity",
            reviewer="anna",
            final_label="none",
            guideline_version="g",
            idempotency_key="k",
            created_at=now,
        )
        add_annotation(session, label, criteria=criteria)
        ages = {"e" * 32: now - timedelta(days=4000), "f" * 32: datetime.now(now.tzinfo)}
        for trace_id, at in ages.items():
            put_spans(session, [a_span(trace_id=trace_id)], now=at)
        for trace in session.exec(select(Trace)):
            trace.pending_since_at = None
            session.add(trace)
    return [*old, *new]


def count(engine: Engine, table: type[SQLModel]) -> int:
    with transaction(engine) as session:
        return session.exec(select(func.count()).select_from(table)).one()


def test_old_interactions_go_and_what_a_person_labelled_stays(
    run_prune: Any, engine: Engine, rows: list[Interaction]
) -> None:
    counts = count(engine, Rollup)
    assert run_prune("--interactions", "365", "--dry-run")["interactions"] == 2
    assert count(engine, Interaction) == 4
    assert run_prune("--interactions", "365")["interactions"] == 2
    with transaction(engine) as session:
        left = {
            row.id
            for row in list_interactions(session, "default", InteractionFilter(text=SECRET)).rows
        }
        judged = set(session.exec(select(Evaluation.interaction_id)))
    assert left == judged == {rows[0].id, rows[3].id}
    assert count(engine, Rollup) == counts
    assert run_prune("--interactions", "365")["interactions"] == 0


def test_old_spans_go_with_their_trace(
    run_prune: Any, engine: Engine, rows: list[Interaction]
) -> None:
    counts = run_prune("--spans", "90")
    assert (counts["traces"], counts["interactions"], counts["emptied"]) == (1, 0, 0)
    assert count(engine, SpanEntry) == 1
    with transaction(engine) as session:
        assert list(session.exec(select(Trace.trace_id))) == ["f" * 32]
    assert count(engine, Interaction) == 4


def test_a_forgotten_span_that_is_sent_again_is_refused_for_a_while(
    run_prune: Any, engine: Engine, rows: list[Interaction], now: datetime
) -> None:
    run_prune("--spans", "90")
    old, new = a_span(trace_id="e" * 32), a_span(trace_id="d" * 32)
    with transaction(engine) as session:
        assert put_spans(session, [old, new], now=now) == Stored(1, 0, erased=1)
        drop_expired(session, datetime.now(now.tzinfo) + LATE_RETRIES + timedelta(seconds=1))
        assert put_spans(session, [old], now=now) == Stored(1, 0)


def test_a_trace_is_forgotten_for_good_with_its_words(
    run_prune: Any, engine: Engine, criteria: Criteria, settings: Settings, client: TestClient
) -> None:
    trace_id, said = "ab" * 16, {"prompt": "When?", "response": "Soon."}
    span = {
        "traceId": trace_id,
        "spanId": "cd" * 8,
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in said.items()],
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    log = {"traceId": trace_id, "spanId": "ab" * 8, "body": {"stringValue": "late"}}
    late = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]})

    def send(signal: str, content: str) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        answer = client.post(f"/v1/{signal}", content=content, headers=headers)
        assert answer.status_code == 200
        return dict(answer.json())

    assert send("traces", body) == {}
    score_all(engine, criteria, settings, now=datetime.now(UTC))
    assert count(engine, Interaction) == 1
    assert run_prune("--trace", trace_id, "--dry-run")["interactions"] == 1
    assert run_prune("--trace", trace_id.upper())["interactions"] == 1
    for signal, content in (("traces", body), ("logs", late)):
        told = send(signal, content)["partialSuccess"]
        assert "deleted" in told["errorMessage"]
        assert "1" in told.values()
    score_all(engine, criteria, settings, now=datetime.now(UTC))
    for table in (Interaction, Evaluation, SpanEntry, SpanChunk, LogEntry, Trace):
        assert count(engine, table) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_trace_forgotten_while_it_is_read_is_not_assembled(
    run_prune: Any, engine: Engine, now: datetime
) -> None:
    with transaction(engine) as session:
        put_spans(session, [a_span()], now=now)
        (trace,) = session.exec(select(Trace))
    run_prune("--trace", trace.trace_id)
    assemble(engine, [trace], [], now=now)
    assert count(engine, Interaction) == count(engine, Trace) == 0


def test_something_must_be_said(run_prune: Any, rows: list[Interaction]) -> None:
    line = typer.Typer()
    line.command()(prune.command)
    assert "say what to forget" in str(CliRunner().invoke(line, []).exception)


def test_an_age_beyond_the_calendar_is_refused() -> None:
    line = typer.Typer()
    line.command()(prune.command)
    result = CliRunner().invoke(line, ["--spans", "999999999999"])
    assert result.exit_code == 2
    assert "36500" in result.output


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_forgotten_word_is_left_in_the_files(
    run_prune: Any, engine: Engine, criteria: Criteria, settings: Settings, tmp_path: Path
) -> None:
    old = some_interactions(
        3, prompt=f"{SECRET}?", received_at=datetime.fromisoformat("2016-01-01T00:00:00+00:00")
    )
    save(engine, old)
    assert any(SECRET.encode() in path.read_bytes() for path in tmp_path.glob("test.db*"))
    assert run_prune("--interactions", "365")["interactions"] == 3
    engine.dispose()
    for path in tmp_path.glob("test.db*"):
        assert SECRET.encode() not in path.read_bytes(), path
        assert SECRET.lower().encode() not in path.read_bytes(), path
