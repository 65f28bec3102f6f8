"""Scoring on demand, labels by people, and what there is to judge by."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from app.access import Caller, require
from app.answers import JsonAnswer
from app.api.interactions import annotation_json
from app.api.shapes import (
    AnnotationIn,
    AnnotationList,
    AnnotationShape,
    CriteriaList,
    EvaluatorList,
    ScoreIn,
    ScoreOut,
    schema_of,
)
from app.criteria import Criteria
from app.database import transaction
from app.errors import Forbidden, TooLarge, UnknownField
from app.requests import body_of, current_time, json_of, validated
from app.store.annotations import add_annotation
from app.store.audit import note_labels
from app.tables import Annotation
from evaluators.protocol import EvaluatorSpec, Sample

MOST_ITEMS = 256

router = APIRouter(tags=["judge"])

Body = Annotated[bytes, Depends(body_of)]
Now = Annotated[datetime, Depends(current_time)]


def described(shape: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI description of a JSON body that the endpoint reads by itself."""
    content = {"application/json": {"schema": schema_of(shape)}}
    return {"requestBody": {"required": True, "content": content}}


@router.post("/api/v1/score", response_model=ScoreOut, openapi_extra=described(ScoreIn))
def post_score(
    request: Request, caller: Annotated[Caller, Depends(require("score"))], body: Body
) -> JsonAnswer:
    """Judge up to 256 items now and store nothing: a guardrail in front of an answer."""
    asked = validated(ScoreIn, json_of(request, body))
    if len(asked.items) > MOST_ITEMS:
        raise TooLarge(
            f"{len(asked.items)} items are too many; send at most {MOST_ITEMS} at a time"
        )
    _check_criteria(request, asked.criteria)
    samples = [Sample(one.prompt, one.response, tuple(one.contexts)) for one in asked.items]
    score: Callable[[Sequence[Sample], Sequence[str] | None], list[list[dict[str, Any]]]]
    score = request.app.state.score
    rows = score(samples, asked.criteria) if samples else []
    return JsonAnswer({"items": [{"evaluations": row} for row in rows]})


@router.post(
    "/api/v1/annotations",
    response_model=AnnotationShape | AnnotationList,
    openapi_extra=described(AnnotationIn),
)
def post_annotations(
    request: Request,
    caller: Annotated[Caller, Depends(require("review"))],
    body: Body,
    now: Now,
) -> JsonAnswer:
    """Store a reviewer's label, or all of a list or none; an idempotency key sent again is safe."""
    sent = json_of(request, body)
    asked = [validated(AnnotationIn, one) for one in (sent if isinstance(sent, list) else [sent])]
    criteria: Criteria = request.app.state.criteria
    made = [_annotation(caller, one, criteria, now) for one in asked]
    with transaction(request.app.state.engine) as session:
        stored = [add_annotation(session, one, criteria=criteria) for one in made]
        note_labels(session, caller.actor, stored, now=now)
    shown = [annotation_json(one) for one in stored]
    return JsonAnswer({"annotations": shown} if isinstance(sent, list) else shown[0])


@router.get("/api/v1/evaluators", response_model=EvaluatorList, tags=["read"])
def get_evaluators(
    request: Request, caller: Annotated[Caller, Depends(require("read"))]
) -> JsonAnswer:
    """The evaluators that every new interaction is given to."""
    specs: Sequence[EvaluatorSpec] = request.app.state.specs
    return JsonAnswer({"evaluators": [_spec_json(spec) for spec in specs]})


@router.get("/api/v1/criteria", response_model=CriteriaList, tags=["read"])
def get_criteria(
    request: Request, caller: Annotated[Caller, Depends(require("read"))]
) -> JsonAnswer:
    """What is judged: question, guideline, labels, direction, threshold."""
    criteria: Criteria = request.app.state.criteria
    shown = [one.model_dump() | {"guideline_version": one.guideline_version} for one in criteria]
    return JsonAnswer({"criteria": shown, "digest": criteria.digest})


def _annotation(
    caller: Caller, asked: AnnotationIn, criteria: Criteria, now: datetime
) -> Annotation:
    return Annotation(
        project=caller.project,
        reviewer=_reviewer(caller, asked),
        final_label=asked.label,
        blind_label=asked.label if asked.blind else None,
        guideline_version=criteria.get(asked.criterion).guideline_version,
        idempotency_key=asked.idempotency_key or uuid.uuid4().hex,
        created_at=now,
        **asked.model_dump(exclude={"label", "blind", "reviewer", "idempotency_key"}),
    )


def _check_criteria(request: Request, names: Sequence[str] | None) -> None:
    criteria: Criteria = request.app.state.criteria
    judged = {spec.criterion for spec in request.app.state.specs}
    for name in names or ():
        criteria.get(name)
        if name not in judged:
            raise UnknownField(
                f"no evaluator judges {name!r}; /api/v1/evaluators lists those there are"
            )


def _reviewer(caller: Caller, asked: AnnotationIn) -> str:
    if asked.reviewer in (None, caller.name):
        return caller.name
    if caller.role == "reviewer":
        raise Forbidden(f"{caller.name!r} may not label in the name of {asked.reviewer!r}")
    return str(asked.reviewer)


def _spec_json(spec: EvaluatorSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "criterion": spec.criterion,
        "version": spec.version,
        "needs": sorted(spec.needs),
        "weights_digest": spec.weights_digest,
        "calibration": spec.calibration,
    }
