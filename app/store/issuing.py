"""Turns: one worker at a time issues the report of a week, and nobody does it twice.

A turn is taken with a lease, so that the turn of a worker that died goes to another one. It ends in
the transaction that stores the report: a worker that lost its turn stores nothing.
"""

import secrets
from datetime import datetime, timedelta

from sqlmodel import Session

from app.database import exclude_others
from app.tables import ReportTurn

LEASE = timedelta(minutes=30)


def take_turn(session: Session, project: str, week: str, *, now: datetime) -> str | None:
    """The token of the turn; None when the report is issued, or when another worker is at it."""
    exclude_others(session, "report_turn")
    turn = session.get(ReportTurn, (project, week))
    if turn is not None and (turn.done_at is not None or turn.lease_until_at > now):
        return None
    turn = turn or ReportTurn(project=project, week=week, token="", lease_until_at=now)
    turn.token, turn.lease_until_at = secrets.token_hex(8), now + LEASE
    session.add(turn)
    session.flush()
    return turn.token


def end_turn(session: Session, project: str, week: str, token: str, *, now: datetime) -> bool:
    """Whether the turn was still ours; it is done from now on."""
    exclude_others(session, "report_turn")
    turn = session.get(ReportTurn, (project, week))
    if turn is None or turn.token != token or turn.done_at is not None:
        return False
    turn.done_at = now
    session.add(turn)
    session.flush()
    return True


def is_done(session: Session, project: str, week: str) -> bool:
    """Whether the schedule has issued the report of this week."""
    turn = session.get(ReportTurn, (project, week))
    return turn is not None and turn.done_at is not None
