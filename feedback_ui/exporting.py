"""Downloads: the labels on what passes a filter, as CSV or JSON Lines."""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from app.access import Caller, require
from app.database import reading, transaction
from app.export import LABEL_COLUMNS, csv_text, json_lines, label_rows, note_export, note_written
from app.requests import current_time, refuse_nul
from app.store.topics import within_topic
from feedback_ui.filters import filter_from
from feedback_ui.pages import HEADERS

MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}

router = APIRouter(include_in_schema=False, dependencies=[Depends(refuse_nul)])


@router.get("/annotations.{kind}")
def annotations(
    request: Request,
    caller: Annotated[Caller, Depends(require("read"))],
    now: Annotated[datetime, Depends(current_time)],
    kind: Literal["csv", "jsonl"],
) -> Response:
    """All labels that stand on the interactions that pass the filter in the address."""
    fields = dict(request.query_params)
    with transaction(request.app.state.engine) as session:
        filters = within_topic(
            session, caller.project, filter_from(request, fields), fields.get("topic")
        )
        note_export(session, caller.actor, caller.project, filters, what="annotations", now=now)

    def text() -> Iterator[str]:
        said = hashlib.sha256()
        with reading(request.app.state.engine) as session:
            rows = label_rows(session, caller.project, filters)
            for part in csv_text(rows, LABEL_COLUMNS) if kind == "csv" else json_lines(rows):
                said.update(part.encode())
                yield part
        digest = said.hexdigest()
        with transaction(request.app.state.engine) as noted:
            who, where = caller.actor, caller.project
            note_written(noted, who, where, what="annotations", sha256=digest, now=now)

    attachment = {"Content-Disposition": f'attachment; filename="annotations.{kind}"'}
    return StreamingResponse(
        text(), media_type=MEDIA_TYPES[kind], headers={**HEADERS, **attachment}
    )
