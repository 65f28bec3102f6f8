"""Counts over many interactions: trends, coverage, the report of a week."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from app.access import Caller, require
from app.answers import JsonAnswer
from app.api.shapes import CoverageShape
from app.database import reading
from app.requests import current_time, refuse_nul
from app.store.evaluations import coverage

router = APIRouter(tags=["read"], dependencies=[Depends(refuse_nul)])

Reader = Annotated[Caller, Depends(require("read"))]
Now = Annotated[datetime, Depends(current_time)]


@router.get("/api/v1/coverage", response_model=CoverageShape)
def get_coverage(request: Request, caller: Reader, now: Now) -> JsonAnswer:
    """How many evaluations have which status, and how long the oldest has waited."""
    with reading(request.app.state.engine) as session:
        covered = coverage(session, caller.project)
    oldest = covered.oldest_pending_at
    return JsonAnswer(
        {
            "criteria": covered.counts,
            "oldest_pending_at": oldest,
            "oldest_pending_seconds": (now - oldest).total_seconds() if oldest else None,
        }
    )
