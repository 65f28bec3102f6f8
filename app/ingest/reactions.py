"""Feedback that travels inside telemetry: evaluations and annotations on spans, in their own words.

It says what somebody else thinks of an answer, so it becomes user feedback, never an evaluation or
an annotation of ours. `gen_ai.evaluation.result` comes as a log record or a span event of the span
it judges; OpenInference writes `annotations.N.` on that span, or on a carrier span that links to
it; Logfire adds a child span; TruLens' `eval_root` spans link to the spans whose words they judged.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from app.errors import BadRequest
from app.ingest.feedback import feedback_row, reading_of
from app.ingest.nested import parsed
from app.ingest.pieces import indexed
from app.ingest.telemetry import LogRecord, Span
from app.tables import Feedback

RESULT = "gen_ai.evaluation.result"
EVALUATION = "gen_ai.evaluation."
EVAL_ROOT = "ai.observability.eval_root."
MAX_PER_SPAN = 100
LISTS = (("annotations", "annotation."), ("evaluations", "evaluation."))
SOURCES = {"HUMAN": "human", "LLM": "llm", "CODE": "code"}


class Reaction(NamedTuple):
    """What was said of a span or, without a span id, of a trace."""

    project: str
    trace_id: str
    span_id: str | None
    name: Any
    value: Any
    label: Any
    comment: Any
    source: str


def reactions_in(spans: Iterable[Span], logs: Iterable[LogRecord]) -> list[Feedback]:
    """The feedback in a trace's telemetry; what has no name or no value is left out."""
    found = [one for span in spans for one in _of_span(span)]
    found += [one for log in logs for one in _of_log(log)]
    rows = []
    for one in found:
        try:
            rows.append(_row(one))
        except BadRequest:
            continue
    return rows


def _of_log(log: LogRecord) -> Iterator[Reaction]:
    if log.event_name == RESULT:
        body = parsed(log.body)
        fields = log.attributes | (body if isinstance(body, dict) else {})
        yield _result(fields, (log.project, log.trace_id, log.span_id))


def _of_span(span: Span) -> Iterator[Reaction]:
    place = (span.project, span.trace_id, span.span_id)
    for event in span.events:
        attributes = event.get("attributes")
        if event.get("name") == RESULT and isinstance(attributes, dict):
            yield _result(attributes, place)
    yield from _annotations(span)
    if span.attributes.get("logfire.span_type") == "annotation":
        yield from _logfire(span)
    if span.attributes.get("ai.observability.span_type") == "eval_root":
        yield _trulens(span)


def _result(fields: Mapping[str, Any], place: tuple[str, str, str]) -> Reaction:
    return Reaction(
        *place,
        name=fields.get(f"{EVALUATION}name"),
        value=fields.get(f"{EVALUATION}score.value"),
        label=fields.get(f"{EVALUATION}score.label"),
        comment=fields.get(f"{EVALUATION}explanation"),
        source="other",
    )


def _annotations(span: Span) -> Iterator[Reaction]:
    """The numbered annotations; those with the prefix `trace.` are about the whole trace."""
    for level in ("", "trace."):
        for collection, prefix in LISTS:
            for fields in indexed(span.attributes, f"{level}{collection}")[:MAX_PER_SPAN]:
                said = {name: fields.get(prefix + name) for name in ("name", "score", "label")}
                trace_id, span_id = _target(span)
                yield Reaction(
                    span.project,
                    trace_id,
                    None if level else span_id,
                    name=said["name"],
                    value=said["score"],
                    label=said["label"],
                    comment=fields.get(f"{prefix}explanation"),
                    source=SOURCES.get(str(fields.get(f"{prefix}annotator_kind")), "other"),
                )


def _target(span: Span) -> tuple[str, str]:
    """What a carrier span links to; a span without exactly one link is about itself."""
    if len(span.links) == 1:
        return span.links[0]["trace_id"], span.links[0]["span_id"]
    return span.trace_id, span.span_id


def _logfire(span: Span) -> Iterator[Reaction]:
    name = span.attributes.get("logfire.feedback.name")
    if isinstance(name, str):
        yield Reaction(
            span.project,
            span.trace_id,
            span.parent_span_id,
            name=name,
            value=span.attributes.get(name),
            label=None,
            comment=span.attributes.get("logfire.feedback.comment"),
            source="human",
        )


def _trulens(span: Span) -> Reaction:
    links = span.links or [{"trace_id": span.trace_id, "span_id": None}]
    return Reaction(
        span.project,
        links[0]["trace_id"],
        links[0]["span_id"] if len(links) == 1 else None,
        name=span.attributes.get(f"{EVAL_ROOT}metric_name"),
        value=span.attributes.get(f"{EVAL_ROOT}score"),
        label=None,
        comment=span.attributes.get(f"{EVAL_ROOT}explanation"),
        source="other",
    )


def _row(one: Reaction) -> Feedback:
    value = one.value if one.value is not None else one.label
    said = reading_of(
        {"name": one.name, "comment": one.comment, "value": value}, "the span", label=one.label
    )
    return feedback_row(
        {"trace_id": one.trace_id, "span_id": one.span_id, "user_hash": None, **said},
        project=one.project,
        source=one.source,
    )
