"""Deliveries: which report goes to which channel, how often it was tried, and what went wrong."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlmodel import Session, col, func, or_, select

from app.database import skip_locked
from app.tables import Delivery, Report

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)
MOST_ATTEMPTS = 12
LAST_WEEK = "9999-W52"
SENDING = timedelta(minutes=5)
"""How long a sender has; after that the delivery is tried again."""


def add_deliveries(
    session: Session, report_id: int, channels: Iterable[str], *, now: datetime
) -> None:
    """One waiting delivery per channel."""
    for channel in dict.fromkeys(channels):
        session.add(Delivery(report_id=report_id, channel=channel, next_at=now))
    session.flush()


def move_deliveries(session: Session, old_id: int, new_id: int) -> None:
    """Let what is still to be sent of a report go out as its next revision.

    Not what is being sent for the first time at this moment, which nobody can take back.
    """
    waiting = select(Delivery).where(
        Delivery.report_id == old_id,
        col(Delivery.status) == "waiting",
        or_(col(Delivery.attempts) == 0, col(Delivery.error) != ""),
    )
    for delivery in session.exec(waiting.with_for_update()).all():
        delivery.report_id = new_id
        session.add(delivery)
    session.flush()


def deliveries_of(session: Session, report: Report) -> list[Delivery]:
    """All deliveries of the revisions of a report, in the order of their channels."""
    query = (
        select(Delivery)
        .join(Report, col(Report.id) == col(Delivery.report_id))
        .where(Report.project == report.project, Report.week == report.week)
        .where(Report.application == report.application)
        .order_by(col(Delivery.channel), col(Delivery.id))
    )
    return list(session.exec(query))


def claim_delivery(session: Session, *, now: datetime) -> tuple[Delivery, Report] | None:
    """A delivery whose time has come, with its report; nobody else gets it for five minutes."""
    query = (
        select(Delivery, Report)
        .join(Report, col(Report.id) == col(Delivery.report_id))
        .where(col(Delivery.status) == "waiting", col(Delivery.next_at) <= now)
        .order_by(col(Delivery.next_at), col(Delivery.id))
        .limit(1)
        .with_for_update(of=Delivery, **skip_locked(session))
    )
    found = session.exec(query).first()
    if found is None:
        return None
    delivery, report = found
    delivery.attempts += 1
    delivery.next_at = now + SENDING
    session.add(delivery)
    session.flush()
    return delivery, report


def mark_sent(session: Session, delivery_id: int, *, now: datetime) -> None:
    """The channel took the report."""
    delivery = session.get_one(Delivery, delivery_id)
    delivery.status, delivery.sent_at, delivery.error = "sent", now, ""
    session.add(delivery)


def mark_failed(session: Session, delivery_id: int, error: str, *, now: datetime) -> None:
    """The channel did not take it: tried again later, twelve times in all."""
    delivery = session.get_one(Delivery, delivery_id)
    delivery.error = error
    delivery.next_at = now + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (delivery.attempts - 1))
    if delivery.attempts >= MOST_ATTEMPTS:
        delivery.status = "failed"
    session.add(delivery)


def troubled_deliveries(
    session: Session, project: str, *, before: str = LAST_WEEK
) -> list[tuple[Delivery, Report]]:
    """Deliveries that failed at least once and have not arrived, the newest first.

    Of reports of weeks `before` that one. Those that were given up are told until a later report
    goes out, and not for ever.
    """
    mine = (col(Report.project) == project, col(Report.week) < before)
    sent = select(Report, Delivery).join(Delivery, col(Delivery.report_id) == col(Report.id))
    newest = sent.with_only_columns(func.max(Report.week)).where(*mine).scalar_subquery()
    query = (
        select(Delivery, Report)
        .join(Report, col(Report.id) == col(Delivery.report_id))
        .where(*mine, col(Delivery.status) != "sent", col(Delivery.error) != "")
        .where(or_(col(Delivery.status) == "waiting", col(Report.week) == newest))
        .order_by(col(Delivery.id).desc())
    )
    return list(session.exec(query))
