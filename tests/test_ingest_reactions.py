"""Feedback inside telemetry is kept apart, once, and joined to its interaction in either order."""

import json
from typing import Any

from sqlalchemy import Engine
from starlette.testclient import TestClient

from app.database import reading, transaction
from app.ingest.logs import decode_logs
from app.ingest.reactions import reactions_in
from app.ingest.telemetry import LogRecord, Span
from app.settings import Settings
from app.store.feedback import feedback_of
from app.store.spans import store_logs
from app.tables import Feedback
from app.worker import assemble_due
from tests.builders import WEDNESDAY, a_span
from tests.telemetry import put_spans

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
RESULT = "gen_ai.evaluation.result"
SCORE = {
    "gen_ai.evaluation.name": "Relevance",
    "gen_ai.evaluation.score.value": 0.25,
    "gen_ai.evaluation.score.label": "fail",
    "gen_ai.evaluation.explanation": "Off topic.",
}


def said(rows: list[Feedback]) -> list[tuple[Any, ...]]:
    return [(r.span_id, r.name, r.value, r.label, r.comment, r.source) for r in rows]


def carrier(**changes: Any) -> Span:
    return a_span(**{"span_id": "cd" * 8, "attributes": {}, **changes})


def test_an_evaluation_result_is_read_from_a_log_and_from_a_span_event() -> None:
    log = LogRecord(trace_id=TRACE, span_id=SPAN, event_name=RESULT, attributes=SCORE)
    event = {"name": RESULT, "time_ns": 0, "attributes": SCORE}
    expected = [(SPAN, "Relevance", 0.25, "fail", "Off topic.", "other")]
    assert said(reactions_in([], [log])) == expected
    assert said(reactions_in([a_span(events=[event])], [])) == expected


def test_annotations_of_openinference_are_about_their_span_or_what_it_links_to() -> None:
    attributes = {
        "annotations.0.annotation.name": "thumb",
        "annotations.0.annotation.label": "down",
        "annotations.0.annotation.annotator_kind": "HUMAN",
        "evaluations.0.evaluation.name": "helpful",
        "evaluations.0.evaluation.score": 1,
        "evaluations.0.evaluation.annotator_kind": "LLM",
        "trace.annotations.0.annotation.name": "solved",
        "trace.annotations.0.annotation.score": 0.0,
    }
    link = {"trace_id": "ee" * 16, "span_id": "ff" * 8, "attributes": {}}
    own = reactions_in([carrier(attributes=attributes)], [])
    assert said(own) == [
        ("cd" * 8, "thumb", None, "down", None, "human"),
        ("cd" * 8, "helpful", 1.0, None, None, "llm"),
        (None, "solved", 0.0, None, None, "other"),
    ]
    linked = reactions_in([carrier(attributes=attributes, links=[link])], [])
    assert {row.trace_id for row in linked} == {"ee" * 16}
    assert linked[0].span_id == "ff" * 8


def test_an_annotation_of_logfire_is_about_the_span_above() -> None:
    attributes = {
        "logfire.span_type": "annotation",
        "logfire.feedback.name": "thumb",
        "thumb": "up",
        "logfire.feedback.comment": "nice",
    }
    rows = reactions_in([carrier(attributes=attributes, parent_span_id=SPAN)], [])
    assert said(rows) == [(SPAN, "thumb", None, "up", "nice", "human")]


def test_a_reaction_without_a_name_or_a_value_is_left_out() -> None:
    broken = [{"annotations.0.annotation.name": "x"}, {"annotations.0.annotation.score": 1}]
    assert reactions_in([carrier(attributes=one) for one in broken], []) == []


def test_feedback_inside_telemetry_is_stored_once_however_often_it_is_read(
    engine: Engine, settings: Settings
) -> None:
    record = {
        "traceId": TRACE,
        "spanId": SPAN,
        "eventName": RESULT,
        "attributes": [
            {"key": key, "value": {"stringValue": str(value)}} for key, value in SCORE.items()
        ],
    }
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
    for part in ("log", "span", "later span"):
        with transaction(engine) as session:
            if part == "log":
                logs = decode_logs(body, "application/json", project="default").rows
                store_logs(session, logs, now=WEDNESDAY)
            else:
                span_id = SPAN if part == "span" else "12" * 8
                put_spans(session, [a_span(span_id=span_id)], now=WEDNESDAY)
        assemble_due(engine, [], settings, now=WEDNESDAY)
    with reading(engine) as session:
        (row,) = feedback_of(session, "default", TRACE)
    assert (row.name, row.label, row.span_id) == ("Relevance", "fail", SPAN)


def test_feedback_that_comes_before_its_trace_is_shown_with_the_interaction(
    client: TestClient, engine: Engine, settings: Settings
) -> None:
    thumb = {"trace_id": TRACE, "name": "thumb", "value": False}
    assert client.post("/api/v1/feedback", json=thumb).json()["stored"] == 1
    with transaction(engine) as session:
        put_spans(session, [a_span()], now=WEDNESDAY)
    assemble_due(engine, [], settings, now=WEDNESDAY)
    (listed,) = client.get("/api/v1/interactions").json()["interactions"]
    shown = client.get(f"/api/v1/interactions/{listed['id']}").json()
    assert [(one["name"], one["label"], one["source"]) for one in shown["feedback"]] == [
        ("thumb", "false", "user")
    ]


def test_an_evaluation_of_trulens_is_about_the_spans_that_it_links_to() -> None:
    attributes = {
        "ai.observability.span_type": "eval_root",
        "ai.observability.eval_root.metric_name": "Groundedness",
        "ai.observability.eval_root.score": 0.75,
        "ai.observability.eval_root.explanation": "One claim has no support.",
    }
    judged = [{"trace_id": TRACE, "span_id": one} for one in (SPAN, "ee" * 8)]
    for links, span_id in ((judged[:1], SPAN), (judged, None)):
        span = a_span(trace_id="9" * 32, attributes=attributes, links=links)
        (row,) = reactions_in([span], [])
        assert (row.trace_id, row.span_id) == (TRACE, span_id)
        assert (row.name, row.value, row.source) == ("Groundedness", 0.75, "other")
        assert row.comment == "One claim has no support."
