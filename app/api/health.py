"""Whether this process lives, and whether it can serve; open to everybody, and told little."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Engine, inspect, text
from sqlmodel import Session

from app.answers import JsonAnswer
from app.api.shapes import ReadinessShape
from app.database import SCHEMA_HEAD, reading, rewrite_nothing
from app.errors import Busy
from app.requests import current_time
from app.store.workers import FRESH, contested_evaluators, evaluator_troubles, last_seen
from app.writing import Writer

FINE = "ok"

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """This process answers."""
    return {"status": FINE}


@router.get("/readyz", response_model=ReadinessShape, responses={503: {"model": ReadinessShape}})
def readyz(request: Request, now: Annotated[datetime, Depends(current_time)]) -> JsonAnswer:
    """Whether the database answers and has the newest schema; 503 with what is wrong.

    A missing worker is told but does not make the server unready: traces are still taken in.
    Where the database refused the last spans that came, it is asked whether it still does.
    """
    checks = _checks(request.app.state.engine, now)
    if checks["database"] == FINE:
        checks["database"] = _writing(request.app.state.writer)
    ready = checks["database"] == FINE and checks["migrations"] == FINE
    content = {"ready": ready, "checks": checks}
    return JsonAnswer(content, status_code=200 if ready else 503)


def _checks(engine: Engine, now: datetime) -> dict[str, str]:
    unknown = "not known"
    try:
        with reading(engine) as session:
            migrations = _migrations(session)
            worker = _worker(session, now) if migrations == FINE else unknown
    except Busy as error:
        return {"database": error.detail, "migrations": unknown, "worker": unknown}
    return {"database": FINE, "migrations": migrations, "worker": worker}


def _writing(writer: Writer) -> str:
    if not writer.is_failing:
        return FINE
    try:
        writer.write(rewrite_nothing, n_bytes=0)
    except Busy:
        return "the database can be read but not be written; the server's log says why"
    return FINE


def _migrations(session: Session) -> str:
    if not inspect(session.connection()).has_table("alembic_version"):
        return "the database is empty; run `touchstone migrate`"
    found = session.connection().execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found != SCHEMA_HEAD:
        return f"the schema is {found}, not {SCHEMA_HEAD}; run `touchstone migrate`"
    return FINE


def _worker(session: Session, now: datetime) -> str:
    seen_at = last_seen(session)
    if seen_at is None:
        return "no worker has ever run; start `touchstone work`"
    age = now - seen_at
    if age > FRESH:
        return f"the last worker was seen {age.total_seconds():.0f} s ago; start `touchstone work`"
    names = ", ".join(sorted(evaluator_troubles(session, now)))
    if names:
        return f"these evaluators take no work, the home page says why: {names}"
    contested = ", ".join(contested_evaluators(session, now))
    return f"workers run different versions of these evaluators: {contested}" if contested else FINE
