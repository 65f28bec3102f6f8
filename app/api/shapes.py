"""The bodies of the JSON API: what comes in is checked here, what goes out follows this."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr

from app.ingest.values import clean_text

Text = Annotated[StrictStr, AfterValidator(clean_text)]
Status = Literal["pending", "running", "scored", "abstained", "failed", "skipped"]


class Shape(BaseModel):
    """A body in which every field is known."""

    model_config = ConfigDict(extra="forbid")


def schema_of(shape: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a body in one piece, fit for any place of an OpenAPI document."""
    schema = shape.model_json_schema()
    parts = schema.pop("$defs", {})
    whole: dict[str, Any] = _inline(schema, parts)
    return whole


def _inline(schema: Any, parts: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inline(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inline(parts[schema["$ref"].rsplit("/", 1)[-1]], parts)
    return {key: _inline(one, parts) for key, one in schema.items()}


class Problem(Shape):
    """Every error of the JSON API."""

    error: str = Field(examples=["UnknownField"])
    detail: str = Field(examples=["there is no criterion 'tone'; there are groundedness, toxicity"])


class EvidenceShape(Shape):
    """A piece of the response and why it counts; offsets count code points."""

    start: int
    end: int
    score: float
    kind: str | None
    context: int | None
    context_start: int | None
    context_end: int | None


class EvaluationShape(Shape):
    """What an evaluator says; `score` and `passed` are null unless `status` is `scored`."""

    criterion: str = Field(examples=["groundedness"])
    evaluator: str
    version: str
    status: Status
    score: float | None
    label: str | None
    passed: bool | None
    threshold: float | None
    explanation: str | None
    evidence: list[EvidenceShape]
    error_type: str | None
    weights_digest: str | None
    calibration: str | None
    precision: str | None = Field(examples=["int8"])
    backend: str | None = Field(examples=["openvino 2026.4.1 on cpu"])


class InteractionIn(BaseModel):
    """An interaction as it is sent; this class documents, `app.ingest.jsonl` reads."""

    id: str | int | None = Field(None, examples=["order-4711"])
    prompt: str | None = Field(None, examples=["When do you open on Sunday?"])
    response: str = Field(examples=["We open at 10 on Sundays."])
    contexts: list[str] = Field([], examples=[["Opening hours: Monday to Saturday 9-18."]])
    segments: dict[str, str] = Field({}, examples=[{"language": "en"}])
    trace_id: str | None = None
    span_id: str | None = None
    application: str | None = Field(None, examples=["helpdesk"])
    started_at: str | None = Field(None, examples=["2026-11-18T09:30:00Z"])
    model: str | None = None
    conversation_id: str | None = None
    user_id: str | None = Field(None, description="Stored as a pseudonym")


class Rejection(BaseModel):
    """An item that was not stored, by its line from 1 or its index from 0, and why."""

    line: int | None = None
    index: int | None = None
    error: str


class SavedShape(Shape):
    """What became of the interactions; `rejected` lists the first 1000 of `rejected_count`."""

    created: int
    changed: int
    unchanged: int
    rejected_count: int
    rejected: list[Rejection]


class StoredShape(Shape):
    """What became of the feedback."""

    stored: int
    duplicate: int
    rejected_count: int
    rejected: list[Rejection]


class FeedbackIn(BaseModel):
    """A thumb, a flag or a number from an end user; `app.ingest.feedback` reads it."""

    trace_id: str = Field(examples=["5b8efff798038103d269b633813fc60c"])
    span_id: str | None = None
    name: str = Field(examples=["thumb"])
    value: float | bool | str = Field(examples=[1])
    comment: str | None = None
    user_id: str | None = None


class LangfuseScoreIn(BaseModel):
    """A score as Langfuse clients send it; fields that are not named here are ignored."""

    traceId: str  # noqa: N815
    observationId: str | None = None  # noqa: N815
    name: str = Field(examples=["user-thumb"])
    value: float | bool | str
    comment: str | None = None


class ScoreItem(Shape):
    """The words to judge."""

    prompt: Text = ""
    response: Text = ""
    contexts: list[Text] = []


class ScoreIn(Shape):
    """Words to judge now; nothing of them is stored."""

    items: list[ScoreItem] = Field(
        examples=[[{"prompt": "Open?", "response": "Yes.", "contexts": ["Closed today."]}]]
    )
    criteria: list[Text] | None = Field(None, examples=[["groundedness"]])


class ScoredItem(Shape):
    evaluations: list[EvaluationShape]


class ScoreOut(Shape):
    """One entry per item, in the order of the items."""

    items: list[ScoredItem]


class AnnotationIn(Shape):
    """A reviewer's label. The same `idempotency_key` again answers with what is stored."""

    interaction_id: Text
    criterion: Text = Field(examples=["groundedness"])
    label: Text = Field(examples=["ungrounded"])
    reviewer: Text | None = Field(None, min_length=1, max_length=200)
    blind: bool = False
    comment: Text | None = None
    corrected_response: Text | None = None
    stratum: Text | None = None
    inclusion_probability: float | None = Field(None, gt=0, le=1, allow_inf_nan=False)
    seconds: float | None = Field(None, ge=0, allow_inf_nan=False)
    idempotency_key: Text | None = Field(None, min_length=1, max_length=200)


class AnnotationShape(Shape):
    """A stored annotation."""

    id: int
    interaction_id: str
    criterion: str
    reviewer: str
    blind_label: str | None
    final_label: str
    comment: str | None
    corrected_response: str | None
    stratum: str | None
    inclusion_probability: float | None
    guideline_version: str
    queue_id: int | None
    replaces_id: int | None
    idempotency_key: str
    seconds: float | None
    created_at: datetime
    turn_id: int | None
    occasion: int
    is_extra: bool
    is_withdrawn: bool
    details: dict[str, Any]


class AnnotationList(Shape):
    """Stored annotations, in the order in which they were sent."""

    annotations: list[AnnotationShape]


class FeedbackShape(Shape):
    """Stored feedback."""

    id: int
    trace_id: str
    span_id: str | None
    name: str
    value: float | None
    label: str | None
    comment: str | None
    user_hash: str | None
    source: str
    received_at: datetime


class InteractionShape(Shape):
    """An interaction in a list, with its evaluations."""

    id: str
    trace_id: str
    span_id: str
    application: str
    model: str | None
    conversation_id: str | None
    user_hash: str | None
    prompt: str
    response: str
    segments: dict[str, str]
    duration_ns: int | None
    input_tokens: int | None
    output_tokens: int | None
    finish_reason: str | None
    error: str | None
    started_at: datetime
    received_at: datetime
    erased_at: datetime | None = Field(
        description="When its words were erased; its verdicts and labels stay"
    )
    evaluations: list[EvaluationShape]


class InteractionDetail(InteractionShape):
    """An interaction with everything that is known about it."""

    system_prompt: str | None
    contexts: list[str]
    provenance: dict[str, Any]
    annotations: list[AnnotationShape]
    feedback: list[FeedbackShape]


class InteractionList(Shape):
    """Interactions, newest first; `next_cursor` is null on the last page."""

    interactions: list[InteractionShape]
    next_cursor: str | None


class SpanShape(Shape):
    """A span as it arrived; times are integers of nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: int
    start_ns: int
    end_ns: int
    status_code: int
    status_message: str
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    links: list[dict[str, Any]]
    resource: dict[str, Any]
    scope: str
    scope_version: str
    schema_url: str
    trace_state: str
    flags: int
    dropped: dict[str, int]
    received_at: datetime


class TraceShape(Shape):
    """A trace: its spans by start, and the interactions found in it."""

    trace_id: str
    spans: list[SpanShape]
    interactions: list[InteractionShape]


class CoverageShape(Shape):
    """Why there is or is no score: evaluations by criterion and status."""

    criteria: dict[str, dict[Status, int]]
    oldest_pending_at: datetime | None
    oldest_pending_seconds: float | None


class TrendPointShape(Shape):
    """A bucket; `rate`, `low`, `high` and `mean` are null where nothing was scored."""

    bucket: datetime
    segment: str
    n: int
    failing: int
    rate: float | None
    low: float | None
    high: float | None
    mean: float | None
    coverage: float


class TrendShape(Shape):
    """The share of failing answers over time, oldest first, with Wilson's 95 % interval."""

    criterion: str
    bucket: Literal["hour", "day", "week"]
    by: str
    points: list[TrendPointShape]


class EvaluatorShape(Shape):
    """An evaluator that this server enqueues work for."""

    name: str
    criterion: str
    version: str
    needs: list[str]
    weights_digest: str | None
    calibration: str | None


class LabelShape(Shape):
    name: str
    title: str
    fails: bool | None


class CriterionShape(Shape):
    """What is judged, and what reviewers can choose."""

    name: str
    title: str
    question: str
    guideline: str
    higher_is_better: bool
    threshold: float
    target: float | None
    passing: str
    failing: str
    failures: str
    labels: list[LabelShape]
    marks_sentences: bool
    passing_example: str
    failing_example: str
    groups: list[str]
    guideline_version: str
    """What annotations carry: the digest of what a reviewer goes by."""


class EvaluatorList(Shape):
    evaluators: list[EvaluatorShape]


class CriteriaList(Shape):
    """`digest` is that of the whole file."""

    criteria: list[CriterionShape]
    digest: str


class ReadinessShape(Shape):
    """Whether this process can serve, and what is wrong where it cannot."""

    ready: bool
    checks: dict[str, str]
