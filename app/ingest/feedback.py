"""User feedback: what the end users of a chatbot say about its answers.

    {"trace_id": "…", "span_id": "…", "name": "thumb", "value": 1, "comment": "…", "user_id": "…"}

`value` is a number, true or false, or a text such as "down". Langfuse's scores say the same with
other names.
"""

import math
from datetime import datetime
from typing import Any

from app.errors import BadRequest
from app.ingest.otlp import valid_span_id, valid_trace_id
from app.ingest.telemetry import EPOCH
from app.ingest.values import MAX_INT64, clean_text, content_hash
from app.store.interactions import hash_user
from app.tables import Feedback

MAX_NAME = 200
MAX_COMMENT = 10_000


def parse_feedback(
    value: object, *, project: str, now: datetime, where: str = "the body"
) -> Feedback:
    """The feedback that a JSON value holds, or BadRequest that names the field."""
    fields = _object(value, where)
    user = _text(fields, "user_id", where)
    content: dict[str, Any] = {
        "trace_id": _trace_id(fields.get("trace_id"), "trace_id", where),
        "span_id": _span_id(fields.get("span_id"), "span_id", where),
        **reading_of(fields, where),
        "user_hash": hash_user(project, user) if user else None,
    }
    return feedback_row(content, project=project, now=now)


def parse_langfuse_score(
    value: object, *, project: str, now: datetime, where: str = "the body"
) -> Feedback:
    """The feedback that one of Langfuse's scores holds, or BadRequest that names the field."""
    fields = _object(value, where)
    content: dict[str, Any] = {
        "trace_id": _trace_id(fields.get("traceId"), "traceId", where),
        "span_id": _span_id(fields.get("observationId"), "observationId", where),
        **reading_of(fields, where, label=_text(fields, "stringValue", where)),
        "user_hash": None,
    }
    return feedback_row(content, project=project, now=now, identity=_text(fields, "id", where))


def reading_of(fields: dict[str, Any], where: str, *, label: object = None) -> dict[str, Any]:
    """Name, value, label and comment of feedback as columns, or BadRequest that names the field."""
    content = {
        "name": _name(fields, where),
        **_value(fields.get("value"), where),
        "comment": _text(fields, "comment", where, limit=MAX_COMMENT),
    }
    if isinstance(label, str) and 0 < len(label) <= MAX_NAME:
        content["label"] = clean_text(label)
    return content


def feedback_row(
    content: dict[str, Any],
    *,
    project: str,
    now: datetime = EPOCH,
    identity: str | None = None,
    source: str = "user",
) -> Feedback:
    """The row; the same content from the same source has the same hash, whenever it comes."""
    told = {"project": project, "identity": identity, **content}
    digest = content_hash(told if source == "user" else {"source": source, **told})
    return Feedback(project=project, content_hash=digest, received_at=now, source=source, **content)


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"{where}: feedback must be an object with trace_id, name and value")
    return value


def _trace_id(value: object, name: str, where: str) -> str:
    if not isinstance(value, str) or not valid_trace_id(value):
        raise BadRequest(f"{where}: {name} must be 32 hexadecimal digits that are not all zero")
    return value.lower()


def _span_id(value: object, name: str, where: str) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not valid_span_id(value):
        raise BadRequest(f"{where}: {name} must be 16 hexadecimal digits that are not all zero")
    return value.lower()


def _name(fields: dict[str, Any], where: str) -> str:
    name = _text(fields, "name", where)
    if not name or not name.strip():
        raise BadRequest(f"{where}: name must say what the feedback is about, such as 'thumb'")
    return name


def _text(fields: dict[str, Any], name: str, where: str, *, limit: int = MAX_NAME) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadRequest(f"{where}: {name} must be a text")
    if len(value) > limit:
        raise BadRequest(f"{where}: {name} has {len(value)} characters; the limit is {limit}")
    return clean_text(value)


def _value(value: object, where: str) -> dict[str, Any]:
    """The columns for a value: a number, or a label, or both for true and false."""
    if isinstance(value, bool):
        return {"value": float(value), "label": "true" if value else "false"}
    if isinstance(value, int | float) and abs(value) <= MAX_INT64 and math.isfinite(value):
        return {"value": float(value), "label": None}
    if isinstance(value, str) and value and len(value) <= MAX_NAME:
        return {"value": None, "label": clean_text(value)}
    raise BadRequest(
        f"{where}: value must be a finite number, true, false, "
        f"or a text of 1 to {MAX_NAME} characters"
    )
