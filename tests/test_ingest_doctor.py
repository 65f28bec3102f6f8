"""The doctor says what was found, what was not, and why; nothing unknown is lost or uncounted."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.__main__ import command_line
from app.commands.doctor import reextract_traces
from app.database import reading, transaction
from app.ingest.assemble import TraceReading
from app.ingest.doctor import Diagnosis, examine, unmapped_in
from app.ingest.stored import spans_of
from app.ingest.telemetry import Span
from app.requests import current_time
from app.settings import Settings
from app.store.extractions import recent_tallies
from app.store.interactions import interactions_of_trace
from app.store.spans import due_traces
from app.tables import Interaction, Trace
from app.worker import assemble_due
from feedback_ui.doctoring import SPANS_SHOWN
from tests.builders import WEDNESDAY, a_span
from tests.telemetry import put_spans
from tests.test_assemble import chain, retriever, span
from tests.test_contexts import reranker
from tests.test_metrics import scrape

TRACE = "0af7651916cd43dd8448eb211c80319c"
STRANGE = {"acme.chat.ask": "When?", "acme.chat.reply": "In 5 days."}
LATER = WEDNESDAY + timedelta(minutes=10)


def diagnosis(*spans: Span) -> Diagnosis:
    return examine(TRACE, TraceReading(spans, []))


def a_step(name: str, **attributes: Any) -> Span:
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    span_id = name.encode().hex().ljust(16, "0")[:16]
    return a_span(name=name, span_id=span_id, attributes=named)


def test_a_span_that_makes_an_interaction_says_where_its_words_stand() -> None:
    found = diagnosis(a_span())
    assert found.interactions == 1
    assert "gen_ai.input.messages" in found.sentences[0]
    (span,) = found.spans
    assert (span.verdict, span.missing) == ("interaction", [])
    places = {one.field: (one.convention, one.attribute) for one in span.found}
    assert places["response"] == ("otel-genai", "gen_ai.output.messages")


def test_a_trace_without_words_says_which_half_is_missing() -> None:
    asked = '[{"role":"user","content":"When?"}]'
    found = diagnosis(a_step("ask", gen_ai__input__messages=asked))
    assert found.interactions == 0
    assert "no span holds both" in found.sentences[0]
    assert "1 spans hold a prompt but no response, such as 'ask'" in " ".join(found.sentences)
    assert found.spans[0].missing == ["response"]


def test_an_instrumentation_that_records_no_content_gets_the_setting_that_helps() -> None:
    found = diagnosis(a_step("chat", gen_ai__operation__name="chat", gen_ai__request__model="m"))
    assert "CAPTURE_MESSAGE_CONTENT" in " ".join(found.sentences)
    found = diagnosis(a_step("run", haystack__component__type="OpenAIGenerator"))
    assert "HAYSTACK_CONTENT_TRACING_ENABLED" in " ".join(found.sentences)


def test_hidden_words_are_called_hidden() -> None:
    found = diagnosis(a_step("chat", input__value="__REDACTED__", openinference__span__kind="LLM"))
    assert "The client hides its words" in " ".join(found.sentences)


def test_a_span_of_an_unknown_convention_is_unmapped_and_its_attributes_are_listed() -> None:
    found = diagnosis(a_step("strange", **STRANGE))
    (span,) = found.spans
    assert (span.verdict, span.unread) == ("unmapped", sorted(STRANGE))
    assert "follow no convention" in " ".join(found.sentences)
    assert unmapped_in(TraceReading([a_step("strange", **STRANGE)], [])) == 1


@pytest.mark.parametrize(
    "attributes",
    [{}, {"http.request.method": "GET", "url.path": "/"}, {"db.system.name": "sqlite"}],
)
def test_plumbing_is_not_unmapped(attributes: dict[str, str]) -> None:
    found = diagnosis(a_span(attributes=attributes))
    assert found.spans[0].verdict == "plumbing"


def put(engine: Engine, *spans: Span) -> None:
    with transaction(engine) as session:
        put_spans(session, spans, now=WEDNESDAY)


def tallied(engine: Engine) -> list[tuple[Any, ...]]:
    with reading(engine) as session:
        return [tuple(one) for one in recent_tallies(session, "default", now=LATER)]


def test_unmapped_spans_are_stored_counted_and_shown(
    client: TestClient, engine: Engine, settings: Settings
) -> None:
    put(engine, a_step("strange", **STRANGE), a_span(trace_id="ab" * 16))
    assert assemble_due(engine, [], settings, now=LATER) == 2
    assert tallied(engine) == [("shop", 2, 1, 2, 1)]
    with reading(engine) as session:
        (span,) = spans_of(session, "default", TRACE)
    assert span.attributes == STRANGE
    client.app.dependency_overrides[current_time] = lambda: LATER  # type: ignore[attr-defined]
    assert scrape(client)["touchstone_recent_unmapped", (("application", "shop"),)] == 1
    page = client.get(f"/traces/{TRACE}/doctor").text
    assert "follows no convention that is known here" in page
    assert "acme.chat.ask" in page


def test_a_trace_that_is_read_again_is_counted_once(engine: Engine, settings: Settings) -> None:
    put(engine, a_step("strange", **STRANGE))
    assemble_due(engine, [], settings, now=LATER)
    put(engine, a_span(span_id="ab" * 8))
    assemble_due(engine, [], settings, now=LATER)
    assert tallied(engine) == [("shop", 1, 0, 2, 1)]


def test_a_trace_that_gets_its_name_late_moves_to_its_application(
    engine: Engine, settings: Settings
) -> None:
    put(engine, a_span(span_id="ab" * 8, resource={}))
    assemble_due(engine, [], settings, now=LATER)
    assert [one[0] for one in tallied(engine)] == [""]
    put(engine, a_span())
    assemble_due(engine, [], settings, now=LATER)
    assert tallied(engine) == [("shop", 1, 0, 2, 0)]


def test_the_home_page_warns_of_an_application_without_words(
    client: TestClient, engine: Engine, settings: Settings, now: datetime
) -> None:
    from_today = datetime.now(now.tzinfo)
    with transaction(engine) as session:
        put_spans(session, [a_step("strange", **STRANGE)], now=from_today)
    assemble_due(engine, [], settings, now=from_today)
    page = client.get("/").text
    assert "shop sends traces without a prompt or a response" in page
    assert TRACE in client.get("/doctor").text


def test_traces_of_an_older_extraction_are_read_again(engine: Engine, settings: Settings) -> None:
    put(engine, a_span(), *[a_span(trace_id=f"{n:032x}") for n in range(1, 30)])
    while assemble_due(engine, [], settings, now=LATER):
        pass
    assert reextract_traces(engine, [], every=False) == 0
    with transaction(engine) as session:
        spoil(session)
    assert reextract_traces(engine, [], every=False) == 1
    assert reextract_traces(engine, [], every=True) == 30
    with reading(engine) as session:
        (row,) = interactions_of_trace(session, "default", TRACE)
        assert row.response == "In 5 days."
        assert due_traces(session, now=LATER, quiet_seconds=0, max_age_seconds=0, limit=9) == []


def spoil(session: Session) -> None:
    """Make one trace look as an older version left it."""
    trace = session.get(Trace, ("default", TRACE))
    row = session.exec(select(Interaction).where(Interaction.trace_id == TRACE)).one()
    assert trace is not None
    trace.extractor, row.response = "1", "what an older version found"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_command_explains_a_trace(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(engine, a_span())
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", settings.database_url)
    run = CliRunner().invoke
    shown = run(command_line(["doctor"]), ["doctor", TRACE.upper()])
    assert "makes an interaction" in shown.output
    told = json.loads(run(command_line(["doctor"]), ["doctor", TRACE, "--json"]).output)
    assert told["spans"][0]["verdict"] == "interaction"
    assert "application" in run(command_line(["doctor"]), ["doctor"]).output
    missing = run(command_line(["doctor"]), ["doctor", "ab" * 16])
    assert "there is no trace" in str(missing.exception)


def test_wrong_clocks_are_told() -> None:
    at = int(WEDNESDAY.timestamp()) * 10**9
    year = 365 * 86_400 * 10**9
    times = {"far": (at - 10 * year, 0), "back": (at, at - 5), "none": (0, 0), "fine": (at, at + 1)}
    spans = [
        a_span(span_id=f"{n + 1:016x}", name=name, start_ns=start, end_ns=end)
        for n, (name, (start, end)) in enumerate(times.items())
    ]
    told = diagnosis(*spans).sentences
    assert [one[:30] for one in told[-3:]] == [
        "1 of 4 spans start more than a",
        "1 of 4 spans end before they s",
        "1 of 4 spans have no start; th",
    ]
    assert not any("of 1 spans" in one for one in diagnosis(spans[-1]).sentences)


def test_a_trace_of_feedback_alone_is_no_trace_without_words(
    engine: Engine, settings: Settings
) -> None:
    evaluation = {
        "ai.observability.span_type": "eval_root",
        "ai.observability.eval_root.metric_name": "Groundedness",
        "ai.observability.eval_root.score": 0.5,
    }
    carrier = {"annotations.0.annotation.name": "thumb", "annotations.0.annotation.score": 1.0}
    with transaction(engine) as session:
        for number, attributes in enumerate((evaluation, carrier, STRANGE), start=1):
            spans = [a_span(trace_id=f"{number:032x}", attributes=attributes)]
            put_spans(session, spans, now=WEDNESDAY)
    assemble_due(engine, [], settings, now=LATER)
    with reading(engine) as session:
        (told,) = recent_tallies(session, "default", now=LATER)
        assert (told.traces, told.empty_traces) == (1, 1)
        assert due_traces(session, now=LATER, quiet_seconds=0, max_age_seconds=0, limit=9) == []


def test_the_page_of_a_huge_trace_reads_a_part_of_it_and_leads_on(
    client: TestClient, engine: Engine, settings: Settings
) -> None:
    second = 1_000_000_000
    steps = [
        a_span(span_id=f"{n + 1:016x}", start_ns=n * second + 1, attributes=STRANGE)
        for n in range(SPANS_SHOWN + 20)
    ]
    put(engine, *steps, a_span())
    assemble_due(engine, [], settings, now=LATER)
    first = client.get(f"/traces/{TRACE}/doctor").text
    assert first.count("acme.chat.ask") == SPANS_SHOWN
    assert f"This trace has {SPANS_SHOWN + 21} spans; 1 to {SPANS_SHOWN}" in first
    assert f"The span <code>{a_span().span_id}</code> makes an interaction" in first
    assert f'href="?from_span={SPANS_SHOWN + 1}"' in first
    rest = client.get(f"/traces/{TRACE}/doctor?from_span={SPANS_SHOWN + 1}").text
    assert rest.count("acme.chat.ask") == 20
    assert "Later spans" not in rest
    assert 'href="?from_span=1"' in rest


def test_the_doctor_says_which_answers_and_documents_did_not_count() -> None:
    asked = '[{"role": "user", "content": "When?"}]'
    said = '[{"role": "assistant", "content": "%s", "finish_reason": "%s"}]'
    calls = [
        span(name, "root", at=at, **{"gen_ai.input.messages": asked, "gen_ai.output.messages": one})
        for name, at, one in (
            ("first", 0, said % ("Let me look.", "tool_calls")),
            ("last", 1, said % ("Soon.", "stop")),
        )
    ]
    found = examine("ab" * 16, TraceReading([span("root"), *calls], []))
    assert "the same question was answered later" in found.spans[1].why
    reranked = [
        chain("root", input__value="When?", output__value="Soon."),
        retriever("find", "root", "one"),
        reranker("rerank", "root", ["one", "two"], "two", at=1),
    ]
    found = examine("ab" * 16, TraceReading(reranked, []))
    assert "documents of 1 spans below were not given to the model" in found.sentences[0]
