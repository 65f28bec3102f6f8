import json
from typing import Any

import pytest
from sqlalchemy import Engine

from app.database import reading, transaction
from app.errors import BadRequest
from app.ingest.feedback import parse_feedback, parse_langfuse_score
from app.store.feedback import add_feedback, feedback_of
from app.tables import Feedback
from tests.builders import WEDNESDAY

TRACE_ID, SPAN_ID = "ab" * 16, "cd" * 8
THUMB = {"trace_id": TRACE_ID, "name": "thumb", "value": 1}


def parse(value: object, project: str = "default") -> Feedback:
    return parse_feedback(value, project=project, now=WEDNESDAY)


def test_feedback_keeps_what_was_said() -> None:
    row = parse({**THUMB, "span_id": SPAN_ID.upper(), "comment": "nice\x00", "user_id": "u1"})
    assert (row.trace_id, row.span_id, row.name) == (TRACE_ID, SPAN_ID, "thumb")
    assert (row.value, row.label, row.comment) == (1.0, None, "nice\ufffd")
    assert row.user_hash not in (None, "u1")
    assert row.received_at == WEDNESDAY


@pytest.mark.parametrize(
    ("value", "number", "label"),
    [(0.5, 0.5, None), (True, 1.0, "true"), (False, 0.0, "false"), ("down", None, "down")],
)
def test_a_value_is_a_number_a_truth_or_a_text(value: Any, number: Any, label: Any) -> None:
    row = parse({**THUMB, "value": value})
    assert (row.value, row.label) == (number, label)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trace_id": "x"}, "trace_id must be 32 hexadecimal digits"),
        ({"trace_id": None}, "trace_id"),
        ({"span_id": "x"}, "span_id must be 16 hexadecimal digits"),
        ({"name": ""}, "name must say"),
        ({"name": 5}, "name must be a text"),
        ({"value": None}, "value must be a finite number"),
        ({"value": float("nan")}, "value must be a finite number"),
        ({"value": 10**400}, "value must be a finite number"),
        ({"value": []}, "value must be a finite number"),
        ({"value": ""}, "value must be a finite number"),
        ({"comment": "x" * 10_001}, "comment has 10001 characters"),
    ],
)
def test_wrong_feedback_names_its_field(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRequest, match=reason):
        parse({**THUMB, **changes})
    with pytest.raises(BadRequest, match="must be an object"):
        parse([THUMB])


def test_a_score_of_langfuse_is_feedback() -> None:
    score = {
        "id": "51fd17f6132692fb",
        "traceId": TRACE_ID,
        "observationId": SPAN_ID,
        "name": "thumb",
        "value": 1.0,
        "comment": "nice",
        "timestamp": "2026-11-23T05:23:12.076080Z",
    }
    row = parse_langfuse_score(score, project="default", now=WEDNESDAY)
    assert (row.trace_id, row.span_id, row.value, row.comment) == (TRACE_ID, SPAN_ID, 1.0, "nice")
    with pytest.raises(BadRequest, match="traceId"):
        parse_langfuse_score({**score, "traceId": "t"}, project="default", now=WEDNESDAY)


def test_the_same_feedback_twice_is_stored_once(engine: Engine) -> None:
    rows = [parse(THUMB), parse({**THUMB, "value": 0}), parse(THUMB), parse(THUMB, project="p2")]
    with transaction(engine) as session:
        assert add_feedback(session, rows, now=WEDNESDAY).stored == 3
    with transaction(engine) as session:
        again = add_feedback(session, [parse(json.loads(json.dumps(THUMB)))], now=WEDNESDAY)
        assert (again.stored, again.duplicate) == (0, 1)
    with reading(engine) as session:
        values = [row.value for row in feedback_of(session, "default", TRACE_ID)]
        assert sorted(values, key=str) == [0.0, 1.0]
        assert len(feedback_of(session, "p2", TRACE_ID)) == 1
        assert feedback_of(session, "default", "ef" * 16) == []
