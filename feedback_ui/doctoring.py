"""Pages of the ingestion doctor: what is found in each application's traces, and why in one."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlmodel import Session

from app.access import Caller, require
from app.database import reading
from app.errors import NotFound
from app.ingest.assemble import TraceReading
from app.ingest.doctor import examine
from app.ingest.stored import part_of, telemetry_of
from app.requests import current_time, refuse_nul
from app.store.extractions import DAYS, ApplicationTally, empty_traces, recent_tallies
from app.store.interactions import interactions_of_trace
from app.store.spans import count_spans
from feedback_ui.masks import all_visible
from feedback_ui.pages import page

TRACES_SHOWN = 25
SPANS_SHOWN = 500
SILENT_SHARE = 0.5

router = APIRouter(include_in_schema=False, dependencies=[Depends(refuse_nul)])

Reader = Annotated[Caller, Depends(require("read"))]
Now = Annotated[datetime, Depends(current_time)]
SpanNumber = Annotated[int, Query(ge=1, le=1_000_000_000)]


@router.get("/doctor")
def doctor(request: Request, caller: Reader, now: Now) -> Response:
    """Counts per application, and the latest traces in which nothing was found."""
    with reading(request.app.state.engine) as session:
        tallies = recent_tallies(session, caller.project, now=now)
        empty = empty_traces(session, caller.project, limit=TRACES_SHOWN)
    return page(request, "doctor.html", caller, tallies=tallies, empty=empty, days=DAYS)


@router.get("/traces/{trace_id}/doctor")
def diagnosis(
    request: Request, caller: Reader, trace_id: str, from_span: SpanNumber = 1
) -> Response:
    """What was found in each span of a trace, and why an interaction was or was not made.

    Of a large trace only some hundred spans are read at a time.
    """
    key = caller.project, trace_id.lower()
    with reading(request.app.state.engine) as session:
        count = count_spans(session, *key)
        if count > SPANS_SHOWN:
            arrived = part_of(session, *key, start=from_span - 1, limit=SPANS_SHOWN)
        else:
            arrived = telemetry_of(session, [key])[key]
        rows = interactions_of_trace(session, *key)
    if not count and not rows:
        raise NotFound(f"there is no trace {trace_id!r} in this project")
    last = from_span - 1 + len(arrived.spans)
    shown: dict[str, Any] = {
        "found": examine(key[1], TraceReading(arrived.spans, arrived.logs)),
        "interactions": all_visible(caller, rows),
        "count": count,
        "is_part": count > SPANS_SHOWN,
        "first": from_span,
        "last": last,
        "earlier": max(1, from_span - SPANS_SHOWN) if from_span > 1 else None,
        "later": last + 1 if arrived.spans and last < count else None,
    }
    return page(request, "diagnosis.html", caller, **shown)


def silent_applications(session: Session, project: str, *, now: datetime) -> list[ApplicationTally]:
    """The applications whose traces mostly hold no prompt or no response."""
    found = recent_tallies(session, project, now=now)
    return [one for one in found if one.empty_traces >= SILENT_SHARE * one.traces]
