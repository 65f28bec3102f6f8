"""What arrives as JSON: interactions, user feedback, and scores from Langfuse clients.

An item that cannot be read is answered with its place and a sentence; the others are stored.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from app.access import Caller, require
from app.answers import JsonAnswer
from app.api.shapes import (
    FeedbackIn,
    InteractionIn,
    LangfuseScoreIn,
    SavedShape,
    StoredShape,
    schema_of,
)
from app.database import transaction
from app.errors import BadRequest
from app.ingest.feedback import parse_feedback, parse_langfuse_score
from app.ingest.jsonl import parse_interaction, parse_line
from app.metrics import metrics_of
from app.requests import (
    JSON_LINES_TYPES,
    body_of,
    current_time,
    json_of,
    media_type_of,
    numbered_lines,
)
from app.store.erased import TOLD, parted_by_erasure
from app.store.feedback import add_feedback
from app.store.interactions import save_interactions
from app.store.spans import Stored
from app.tables import Feedback

REJECTIONS_SHOWN = 1000

router = APIRouter(tags=["ingest"])

Ingester = Annotated[Caller, Depends(require("ingest"))]
Body = Annotated[bytes, Depends(body_of)]
Now = Annotated[datetime, Depends(current_time)]
Row = TypeVar("Row")


class Item(NamedTuple):
    """One element of a body; a line is still text, so that a broken one costs only itself."""

    place: str
    """`line` or `index`."""
    number: int
    value: Any

    def read(self) -> Any:
        return parse_line(self.value, self.where) if self.place == "line" else self.value

    @property
    def where(self) -> str:
        return f"{self.place} {self.number}"


class SortedOut(NamedTuple, Generic[Row]):
    """The rows that could be read, where each stood, and an answer for each item that could not."""

    rows: list[Row]
    places: list[tuple[str, int]]
    rejected: list[dict[str, Any]]

    def refuse(self, rows: Sequence[Row]) -> None:
        """Answer that these rows were not stored, because their traces were deleted here."""
        gone = {id(row) for row in rows}
        for row, (place, number) in zip(self.rows, self.places, strict=True):
            if id(row) in gone:
                self.rejected.append({place: number, "error": f"{place} {number}: {TOLD}"})
        self.rejected.sort(key=lambda one: one.get("line", one.get("index", 0)))

    def answer(self, counts: dict[str, Any]) -> JsonAnswer:
        """200 when anything was read or nothing was sent; otherwise 400 with the reasons."""
        content: dict[str, Any] = {
            **counts,
            "rejected_count": len(self.rejected),
            "rejected": self.rejected[:REJECTIONS_SHOWN],
        }
        if self.rows or not self.rejected:
            return JsonAnswer(content)
        detail = f"nothing could be read; the first fault: {self.rejected[0]['error']}"
        return JsonAnswer({"error": "BadRequest", "detail": detail, **content}, status_code=400)


def document_body(shape: type[BaseModel], *, lines: bool = False) -> dict[str, Any]:
    """The OpenAPI description of a body, one or a list, that the endpoint reads by itself."""
    one = schema_of(shape)
    either = {"oneOf": [one, {"type": "array", "items": one}]}
    content: dict[str, Any] = {"application/json": {"schema": either}}
    if lines:
        content["application/x-ndjson"] = {"schema": {"type": "string"}}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/api/v1/interactions",
    response_model=SavedShape,
    openapi_extra=document_body(InteractionIn, lines=True),
)
def post_interactions(request: Request, caller: Ingester, body: Body, now: Now) -> JsonAnswer:
    """Store one interaction, a list, or JSON Lines; the same interaction again changes nothing."""

    sorted_out = sort_out(
        items_of(request, body),
        lambda value, where: parse_interaction(value, project=caller.project, now=now, where=where),
    )
    with transaction(request.app.state.engine) as session:
        saved = save_interactions(session, sorted_out.rows, specs=request.app.state.specs, now=now)
    stored = Stored(stored=saved.created + saved.changed, duplicate=saved.unchanged)
    sorted_out.refuse(saved.refused)
    rejected = len(sorted_out.rejected)
    metrics_of(request).count(caller.project, "interactions", stored, rejected=rejected)
    counts = {"created": saved.created, "changed": saved.changed, "unchanged": saved.unchanged}
    return sorted_out.answer(counts)


@router.post(
    "/api/v1/feedback",
    response_model=StoredShape,
    openapi_extra=document_body(FeedbackIn),
)
def post_feedback(request: Request, caller: Ingester, body: Body, now: Now) -> JsonAnswer:
    """Store what an end user thought of an answer: one object or a list."""
    sorted_out = sort_out(
        items_of(request, body),
        lambda value, where: parse_feedback(value, project=caller.project, now=now, where=where),
    )
    stored = _store_feedback(request, caller, sorted_out, now)
    return sorted_out.answer({"stored": stored.stored, "duplicate": stored.duplicate})


@router.post("/api/public/scores", openapi_extra=document_body(LangfuseScoreIn))
def post_langfuse_scores(request: Request, caller: Ingester, body: Body, now: Now) -> JsonAnswer:
    """Store a Langfuse score, or an array of them, as user feedback on its trace."""
    sorted_out = sort_out(
        items_of(request, body),
        lambda value, where: parse_langfuse_score(
            value, project=caller.project, now=now, where=where
        ),
    )
    stored = _store_feedback(request, caller, sorted_out, now)
    counts: dict[str, Any] = {"stored": stored.stored, "duplicate": stored.duplicate}
    if len(sorted_out.rows) == 1:
        counts["id"] = sorted_out.rows[0].content_hash
    return sorted_out.answer(counts)


@router.post("/api/public/ingestion", status_code=207)
def post_langfuse_batch(request: Request, caller: Ingester, body: Body, now: Now) -> JsonAnswer:
    """Store the `score-create` events of a Langfuse batch; traces are to be sent through OTLP."""
    value = json_of(request, body)
    events = value.get("batch") if isinstance(value, dict) else None
    if not isinstance(events, list):
        raise BadRequest('the body must be {"batch": [EVENT, ...]}')
    items = [Item("index", index, event) for index, event in enumerate(events)]
    sorted_out = sort_out(items, lambda event, where: _event_row(event, caller, now, where))
    _store_feedback(request, caller, sorted_out, now)
    refused = {one["index"]: one["error"] for one in sorted_out.rejected}
    ids = [event.get("id") if isinstance(event, dict) else None for event in events]
    successes = [{"id": ids[i], "status": 201} for i in range(len(ids)) if i not in refused]
    errors = [{"id": ids[i], "status": 400, "message": refused[i]} for i in sorted(refused)]
    return JsonAnswer({"successes": successes, "errors": errors}, status_code=207)


def items_of(request: Request, body: bytes) -> Iterator[Item]:
    """The lines of JSON Lines, the elements of a list, or the one object of a body."""
    if media_type_of(request) in JSON_LINES_TYPES:
        return (Item("line", number, line) for number, line in numbered_lines(body))
    value = json_of(request, body)
    values = value if isinstance(value, list) else [value]
    return (Item("index", index, one) for index, one in enumerate(values))


def sort_out(
    items: Iterator[Item] | list[Item], parse: Callable[[Any, str], Row]
) -> SortedOut[Row]:
    """Parse every item; one that cannot be read is answered and does not stop the others."""
    rows: list[Row] = []
    places: list[tuple[str, int]] = []
    rejected: list[dict[str, Any]] = []
    for item in items:
        try:
            rows.append(parse(item.read(), item.where))
            places.append((item.place, item.number))
        except BadRequest as error:
            rejected.append({item.place: item.number, "error": error.detail})
    return SortedOut(rows, places, rejected)


def _store_feedback(
    request: Request, caller: Caller, sorted_out: SortedOut[Feedback], now: datetime
) -> Stored:
    with transaction(request.app.state.engine) as session:
        _, gone = parted_by_erasure(session, sorted_out.rows)
        stored = add_feedback(session, sorted_out.rows, now=now)
    sorted_out.refuse(gone)
    rejected = len(sorted_out.rejected)
    metrics_of(request).count(caller.project, "feedback", stored, rejected=rejected)
    return stored


def _event_row(event: object, caller: Caller, now: datetime, where: str) -> Feedback:
    kind = event.get("type") if isinstance(event, dict) else None
    if not isinstance(event, dict) or kind != "score-create":
        raise BadRequest(
            f"only score-create events are read here, not {kind!r}; use OTLP for traces"
        )
    return parse_langfuse_score(event.get("body"), project=caller.project, now=now, where=where)
