"""What was said and how it was judged: lists of interactions, one of them, one trace."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from sqlmodel import Session

from app.access import Caller, require
from app.answers import JsonAnswer
from app.api.shapes import InteractionDetail, InteractionList, Status, TraceShape
from app.criteria import Criteria
from app.database import reading
from app.errors import NotFound, UnknownField
from app.ingest.stored import spans_of
from app.ingest.telemetry import Span
from app.requests import instant_of, refuse_nul, settings_of
from app.store.annotations import annotations_of
from app.store.evaluations import evaluation_row_json, evaluations_of
from app.store.feedback import feedback_of
from app.store.interactions import (
    InteractionFilter,
    get_interaction,
    interactions_of_trace,
    list_interactions,
)
from app.tables import Annotation, Feedback, Interaction

MOST_PER_PAGE = 500
SEGMENT = "segment."
FILTERS = ("application", "criterion", "label", "status", "from", "to", "text", "cursor", "limit")
ONLY_IN_DETAIL = frozenset({"system_prompt", "contexts", "provenance"})

router = APIRouter(tags=["read"], dependencies=[Depends(refuse_nul)])

Reader = Annotated[Caller, Depends(require("read"))]


def interaction_filter(
    request: Request,
    _caller: Reader,
    application: str | None = None,
    criterion: Annotated[str | None, Query(examples=["groundedness"])] = None,
    label: Annotated[str | None, Query(description="Of a verdict", examples=["toxic"])] = None,
    status: Annotated[Status | None, Query(description="Of an evaluation")] = None,
    from_: Annotated[str | None, Query(alias="from", examples=["2026-11-16"])] = None,
    to: Annotated[str | None, Query(description="Not included", examples=["2026-11-23"])] = None,
    text: Annotated[str | None, Query(description="Words in the prompt or response")] = None,
) -> InteractionFilter:
    """The filters of a list, each checked, so that a misspelt one cannot pass for no match."""
    zone = settings_of(request).time_zone
    criteria: Criteria = request.app.state.criteria
    if criterion:
        criteria.get(criterion)
    if label:
        _check_label(criteria, label)
    return InteractionFilter(
        application=application,
        criterion=criterion,
        label=label,
        status=status,
        segments=_segments(request),
        from_at=instant_of(from_, zone, name="from"),
        to_at=instant_of(to, zone, name="to"),
        text=text,
    )


@router.get(
    "/api/v1/interactions",
    response_model=InteractionList,
    openapi_extra={
        "parameters": [
            {
                "name": "segment.KEY",
                "in": "query",
                "description": "Value of a segment, such as `segment.language=de`",
                "schema": {"type": "string"},
            }
        ]
    },
)
def get_interactions(
    request: Request,
    caller: Reader,
    filters: Annotated[InteractionFilter, Depends(interaction_filter)],
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_PER_PAGE)] = 50,
) -> JsonAnswer:
    """Interactions that pass all filters, newest first, with their evaluations."""
    with reading(request.app.state.engine) as session:
        page = list_interactions(
            session, caller.project, filters, cursor=cursor or None, limit=limit
        )
        shown = interactions_json(session, page.rows)
    return JsonAnswer({"interactions": shown, "next_cursor": page.next_cursor})


@router.get("/api/v1/interactions/{id}", response_model=InteractionDetail)
def get_one_interaction(request: Request, caller: Reader, id: str) -> JsonAnswer:
    """One interaction: words, evaluations, annotations, feedback, and where each field is from."""
    with reading(request.app.state.engine) as session:
        row = get_interaction(session, caller.project, id)
        annotations = annotations_of(session, [row.id]).get(row.id, [])
        feedback = feedback_of(session, caller.project, row.trace_id)
        content = interactions_json(session, [row], detailed=True)[0]
    content["annotations"] = [annotation_json(one) for one in annotations]
    content["feedback"] = [_feedback_json(one) for one in feedback]
    return JsonAnswer(content)


@router.get("/api/v1/traces/{trace_id}", response_model=TraceShape)
def get_trace(request: Request, caller: Reader, trace_id: str) -> JsonAnswer:
    """A trace: its spans as they arrived, and the interactions that were found in it."""
    wanted = trace_id.lower()
    with reading(request.app.state.engine) as session:
        spans = spans_of(session, caller.project, wanted)
        rows = interactions_of_trace(session, caller.project, wanted)
        shown = interactions_json(session, rows)
    if not spans and not rows:
        raise NotFound(f"there is no trace {trace_id!r} in this project")
    content = {"trace_id": wanted, "spans": [_span_json(span) for span in spans]}
    return JsonAnswer({**content, "interactions": shown})


def interactions_json(
    session: Session, rows: Sequence[Interaction], *, detailed: bool = False
) -> list[dict[str, Any]]:
    """Interactions with their evaluations, as every answer shows them."""
    hidden = {"project", "content_hash", *(() if detailed else ONLY_IN_DETAIL)}
    evaluations = evaluations_of(session, [row.id for row in rows])
    return [
        {
            **row.model_dump(exclude=hidden),
            "evaluations": [evaluation_row_json(one) for one in evaluations.get(row.id, [])],
        }
        for row in rows
    ]


def annotation_json(row: Annotation) -> dict[str, Any]:
    """A stored annotation, as every answer shows it."""
    return row.model_dump(exclude={"project"})


def _feedback_json(row: Feedback) -> dict[str, Any]:
    return row.model_dump(exclude={"project", "content_hash"})


def _span_json(row: Span) -> dict[str, Any]:
    return {name: value for name, value in asdict(row).items() if name != "project"}


def _segments(request: Request) -> dict[str, str]:
    segments: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name.startswith(SEGMENT) and len(name) > len(SEGMENT):
            segments[name.removeprefix(SEGMENT)] = value
        elif name not in FILTERS:
            raise UnknownField(
                f"there is no filter {name!r}; there are {', '.join(FILTERS)} and segment.KEY"
            )
    return segments


def _check_label(criteria: Criteria, label: str) -> None:
    known = sorted({name for one in criteria for name in (one.passing, one.failing)})
    if label not in known:
        raise UnknownField(f"no verdict has the label {label!r}; the labels are {', '.join(known)}")
