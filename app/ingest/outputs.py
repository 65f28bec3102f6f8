"""The whole output that an answer was read from, for who wants to see what else it held."""

import json

from sqlmodel import Session

from app.ingest.nested import parsed
from app.ingest.stored import one_span
from app.tables import Interaction


def whole_output(session: Session, row: Interaction) -> str | None:
    """The JSON object that held the response beside something else; None where it stood alone."""
    origin = row.provenance.get("response")
    if not isinstance(origin, dict) or row.erased_at is not None:
        return None
    span = one_span(session, row.project, row.trace_id, str(origin.get("span_id")))
    held = parsed(span.attributes.get(str(origin.get("attribute")))) if span is not None else None
    if not isinstance(held, dict) or len(held) < 2:
        return None
    return json.dumps(held, indent=2, ensure_ascii=False)
