"""Pages of the ingestion doctor: what is found in each application's traces, and why in one."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlmodel import Session

from app.access import Caller, require
from app.database import reading
from app.errors import NotFound
from app.ingest.assemble import TraceReading
from app.ingest.doctor import examine
from app.ingest.stored import telemetry_of
from app.requests import current_time, refuse_nul
from app.store.extractions import DAYS, ApplicationTally, empty_traces, recent_tallies
from app.store.interactions import interactions_of_trace
from feedback_ui.pages import page

TRACES_SHOWN = 25
SPANS_SHOWN = 500
SILENT_SHARE = 0.5

router = APIRouter(include_in_schema=False, dependencies=[Depends(refuse_nul)])

Reader = Annotated[Caller, Depends(require("read"))]
Now = Annotated[datetime, Depends(current_time)]


@router.get("/doctor")
def doctor(request: Request, caller: Reader, now: Now) -> Response:
    """Counts per application, and the latest traces in which nothing was found."""
    with reading(request.app.state.engine) as session:
        tallies = recent_tallies(session, caller.project, now=now)
        empty = empty_traces(session, caller.project, limit=TRACES_SHOWN)
    return page(request, "doctor.html", caller, tallies=tallies, empty=empty, days=DAYS)


@router.get("/traces/{trace_id}/doctor")
def diagnosis(request: Request, caller: Reader, trace_id: str) -> Response:
    """What was found in each span of a trace, and why an interaction was or was not made."""
    key = caller.project, trace_id.lower()
    with reading(request.app.state.engine) as session:
        arrived = telemetry_of(session, [key])[key]
        rows = interactions_of_trace(session, *key)
    if not arrived.spans and not rows:
        raise NotFound(f"there is no trace {trace_id!r} in this project")
    found = examine(key[1], TraceReading(arrived.spans, arrived.logs))
    left_out = max(0, len(found.spans) - SPANS_SHOWN)
    return page(
        request,
        "diagnosis.html",
        caller,
        found=found,
        spans=found.spans[:SPANS_SHOWN],
        left_out=left_out,
        interactions=rows,
    )


def silent_applications(session: Session, project: str, *, now: datetime) -> list[ApplicationTally]:
    """The applications whose traces mostly hold no prompt or no response."""
    found = recent_tallies(session, project, now=now)
    return [one for one in found if one.empty_traces >= SILENT_SHARE * one.traces]
