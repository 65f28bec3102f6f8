"""The filter that lives in the address of a list and in the form that draws a sample."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from math import isfinite
from typing import Any

from fastapi import Request
from sqlmodel import Session

from app.criteria import Criteria
from app.errors import UnknownField
from app.requests import instant_of, settings_of
from app.store.complaints import FEEDBACK
from app.store.interactions import InteractionFilter, applications

SEGMENT = "segment."
STATUSES = ("pending", "running", "scored", "abstained", "failed", "skipped")


def filter_from(request: Request, fields: Mapping[str, str]) -> InteractionFilter:
    """The filter that the fields spell, or an error about the first that is wrong."""
    zone = settings_of(request).time_zone
    last_day = instant_of(fields.get("to"), zone, name="the last day")
    return InteractionFilter(
        application=fields.get("application") or None,
        criterion=fields.get("criterion") or None,
        label=fields.get("label") or None,
        status=fields.get("status") or None,
        segments=_segments(fields),
        from_at=instant_of(fields.get("from"), zone, name="the first day"),
        to_at=last_day + timedelta(days=1) if last_day is not None else None,
        text=fields.get("text") or None,
        feedback=fields.get("feedback") or None,
        feedback_below=_number(fields, "feedback_below"),
    )


def filter_choices(
    session: Session, project: str, criteria: Criteria, fields: Mapping[str, str]
) -> dict[str, Any]:
    """What the fields of a filter form show and offer."""
    return {
        "chosen": {name: fields.get(name, "") for name in _PLAIN},
        "applications": applications(session, project),
        "criteria": list(criteria),
        "labels": verdict_labels(criteria),
        "statuses": STATUSES,
        "feedback": FEEDBACK,
        "segment": segment_text(_segments(fields)),
        "from_day": fields.get("from", ""),
        "to_day": fields.get("to", ""),
        "filtered": any(value for name, value in fields.items() if name != "cursor"),
    }


def verdict_labels(criteria: Criteria) -> list[str]:
    """The labels that evaluators give."""
    return sorted({name for one in criteria for name in (one.passing, one.failing)})


def pair_of(text: str) -> tuple[str, str]:
    """The key and value of `key=value`, or UnknownField."""
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise UnknownField(f"a segment is written as key=value, like language=de, not {text!r}")
    return key.strip(), value.strip()


def segment_text(segments: Mapping[str, str]) -> str:
    """The first segment as `key=value`, or an empty text."""
    return next((f"{key}={value}" for key, value in segments.items()), "")


_PLAIN = (
    *("text", "application", "criterion", "label", "status", "feedback", "feedback_below"),
    "topic",
)


def _number(fields: Mapping[str, str], name: str) -> float | None:
    text = fields.get(name, "").strip()
    try:
        number = float(text or "nan")
    except ValueError:
        raise UnknownField(f"{name} is a number like 3 or 0.5, not {text!r}") from None
    return number if isfinite(number) else None


def _segments(fields: Mapping[str, str]) -> dict[str, str]:
    found = {name.removeprefix(SEGMENT): fields[name] for name in _named(fields) if fields[name]}
    if fields.get("segment", "").strip():
        key, value = pair_of(fields["segment"])
        found = {key: value} | found
    return found


def _named(fields: Iterable[str]) -> list[str]:
    return [name for name in fields if name.startswith(SEGMENT) and name != SEGMENT]
