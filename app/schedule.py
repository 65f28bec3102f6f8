"""The Monday report: issued once per project and week, however many workers look at the clock.

`tend_reports` does one look: whose week is over and has no report, and what waits to be delivered.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlmodel import Session, col, func, select

from app.criteria import Criteria
from app.database import reading, transaction
from app.reports import build_report
from app.reports.weeks import last_complete_week, week_bounds, zone_of
from app.settings import Settings
from app.store.deliveries import add_deliveries, claim_delivery, mark_failed, mark_sent
from app.store.issuing import end_turn, is_done, take_turn
from app.store.reports import save_report
from app.tables import Evaluation, Interaction, Report

Send = Callable[[str, Report], str]
"""Sends a report to the channel of that masked name; "" when it arrived, else what went wrong."""
Learn = Callable[[str, str], None]
"""Studies the texts of a project's week before its report is made."""

REST = timedelta(minutes=10)
"""How long nothing of the week must have come in …"""
LONGEST_WAIT = timedelta(hours=24)
"""… and how long a verdict that has not come is waited for."""


def tend_reports(
    engine: Engine,
    criteria: Criteria,
    settings: Settings,
    *,
    channels: Sequence[str],
    send: Send,
    learn: Learn,
    now: Callable[[], datetime],
) -> int:
    """Issue what is due and send what waits; return how many reports were issued."""
    issued = 0
    week = due_week(settings, now()) if settings.report_schedule else None
    if week is not None:
        for project in _projects(engine, week, settings, now()):
            issued += _issue(engine, criteria, settings, project, week, channels, learn, now)
    while deliver_next(engine, send, now=now):
        pass
    return issued


def due_week(settings: Settings, now: datetime) -> str | None:
    """The week that ended last, from Monday's hour on; None in the hours before it."""
    week = last_complete_week(now, settings.time_zone)
    _, end = week_bounds(week, settings.time_zone)
    local = end.astimezone(zone_of(settings.time_zone))
    # Hours of the wall clock: on a Monday that the clocks change the hour is still the hour.
    opening = local.replace(hour=settings.report_hour)
    return week if now >= opening else None


def deliver_next(engine: Engine, send: Send, *, now: Callable[[], datetime]) -> bool:
    """Try one delivery whose time has come; False when none waits."""
    with transaction(engine) as session:
        found = claim_delivery(session, now=now())
        if found is None:
            return False
        delivery, report = found
        delivery_id, channel = delivery.id, delivery.channel
        session.expunge(report)
    assert delivery_id is not None
    error = send(channel, report)
    with transaction(engine) as session:
        if error:
            mark_failed(session, delivery_id, error, now=now())
        else:
            mark_sent(session, delivery_id, now=now())
    return True


def _projects(engine: Engine, week: str, settings: Settings, now: datetime) -> list[str]:
    """The projects whose week is complete and waits for its report."""
    from_at, to_at = week_bounds(week, settings.time_zone)
    with reading(engine) as session:
        names = session.exec(select(Interaction.project).distinct()).all()
        return sorted(
            name
            for name in names
            if not is_done(session, name, week) and _is_ready(session, name, from_at, to_at, now)
        )


def _is_ready(
    session: Session, project: str, from_at: datetime, to_at: datetime, now: datetime
) -> bool:
    """Whether the week has answers, came to rest, and has no verdict that may still come."""
    last = session.exec(
        select(func.max(Interaction.received_at)).where(
            Interaction.project == project,
            Interaction.started_at >= from_at,
            Interaction.started_at < to_at,
        )
    ).one()
    if last is None or last > now - REST:
        return False
    pending = select(Evaluation.id).where(
        Evaluation.project == project,
        col(Evaluation.status).in_(("pending", "running")),
        Evaluation.started_at >= from_at,
        Evaluation.started_at < to_at,
        Evaluation.created_at > now - LONGEST_WAIT,
    )
    return session.exec(pending.limit(1)).first() is None


def _issue(
    engine: Engine,
    criteria: Criteria,
    settings: Settings,
    project: str,
    week: str,
    channels: Sequence[str],
    learn: Learn,
    now: Callable[[], datetime],
) -> bool:
    with transaction(engine) as session:
        token = take_turn(session, project, week, now=now())
    if token is None:
        return False
    learn(project, week)
    with transaction(engine) as session:
        body = build_report(
            session,
            project=project,
            criteria=criteria,
            week=week,
            application=None,
            now=now(),
            time_zone=settings.time_zone,
        )
        if not end_turn(session, project, week, token, now=now()):
            return False
        report = save_report(session, body, now=now())
        assert report.id is not None
        later = timedelta(hours=settings.deliver_after_hours)
        add_deliveries(session, report.id, channels, now=now() + later)
    return True
