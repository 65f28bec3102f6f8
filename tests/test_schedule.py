"""The Monday report comes once, in the project's zone, whoever dies; deliveries are retried."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from app.criteria import Criteria
from app.database import reading, transaction
from app.delivery import by_masked_name, masked, send_report
from app.errors import SetupError
from app.schedule import deliver_next, due_week, tend_reports
from app.settings import Settings
from app.store.deliveries import MOST_ATTEMPTS, troubled_deliveries
from app.store.issuing import LEASE, end_turn, take_turn
from app.tables import Delivery, Report
from tests.report_world import Plan, write_weeks

WEEK = "2026-W46"
MONDAY = datetime(2026, 11, 16, 6, 0, tzinfo=UTC)
CHANNEL = "json://example…1"


@pytest.fixture
def filled(engine: Engine) -> Engine:
    with transaction(engine) as session:
        write_weeks(session, {"2026-W45": Plan(n=40), WEEK: Plan(n=40)})
    return engine


class Post:
    """Takes reports like a channel does, or refuses them."""

    def __init__(self, answer: str = "") -> None:
        self.answer = answer
        self.got: list[tuple[str, str]] = []

    def __call__(self, channel: str, report: Report) -> str:
        self.got.append((channel, report.week))
        return self.answer


def tend(
    engine: Engine, criteria: Criteria, settings: Settings, post: Post, at: datetime, **changes: Any
) -> int:
    return tend_reports(
        engine,
        criteria,
        settings,
        channels=[CHANNEL],
        send=post,
        learn=changes.get("learn", lambda project, week: None),
        now=lambda: at,
    )


def reports(engine: Engine) -> list[Report]:
    with reading(engine) as session:
        return list(session.exec(select(Report)))


@pytest.mark.parametrize(
    ("zone", "at", "week"),
    [
        ("UTC", datetime(2026, 11, 16, 5, 59, tzinfo=UTC), None),
        ("UTC", MONDAY, "2026-W46"),
        ("UTC", datetime(2026, 11, 22, 23, 59, tzinfo=UTC), "2026-W46"),
        ("Europe/Berlin", datetime(2026, 11, 16, 4, 59, tzinfo=UTC), None),
        ("Europe/Berlin", datetime(2026, 11, 16, 5, 0, tzinfo=UTC), "2026-W46"),
        ("Pacific/Auckland", datetime(2026, 11, 15, 17, 0, tzinfo=UTC), "2026-W46"),
    ],
)
def test_a_week_is_due_from_mondays_hour_on_in_the_projects_zone(
    zone: str, at: datetime, week: str | None
) -> None:
    assert due_week(Settings(time_zone=zone), at) == week


def test_the_report_is_issued_once_and_delivered_once(
    filled: Engine, criteria: Criteria, settings: Settings
) -> None:
    post = Post()
    assert tend(filled, criteria, settings, post, MONDAY - timedelta(minutes=1)) == 0
    assert tend(filled, criteria, settings, post, MONDAY) == 1
    assert tend(filled, criteria, settings, post, MONDAY + timedelta(minutes=1)) == 0
    assert tend(filled, criteria, settings, post, MONDAY + timedelta(days=3)) == 0
    assert [(one.week, one.revision) for one in reports(filled)] == [(WEEK, 1)]
    assert post.got == [(CHANNEL, WEEK)]


def test_two_workers_at_the_same_moment_issue_one_report(
    filled: Engine, criteria: Criteria, settings: Settings
) -> None:
    post, issued, gate = Post(), [], threading.Barrier(2)

    def work() -> None:
        gate.wait()
        issued.append(tend(filled, criteria, settings, post, MONDAY))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert sorted(issued) == [0, 1]
    assert len(reports(filled)) == 1
    assert post.got == [(CHANNEL, WEEK)]


def test_a_worker_that_dies_in_the_middle_leaves_its_turn_to_another(
    filled: Engine, criteria: Criteria, settings: Settings
) -> None:
    def die(project: str, week: str) -> None:
        raise KeyboardInterrupt

    post = Post()
    with pytest.raises(KeyboardInterrupt):
        tend(filled, criteria, settings, post, MONDAY, learn=die)
    assert tend(filled, criteria, settings, post, MONDAY + timedelta(minutes=5)) == 0
    assert tend(filled, criteria, settings, post, MONDAY + LEASE) == 1
    assert len(reports(filled)) == 1
    assert len(post.got) == 1


def test_a_worker_that_lost_its_turn_stores_nothing(engine: Engine) -> None:
    with transaction(engine) as session:
        slow = take_turn(session, "default", WEEK, now=MONDAY)
        quick = take_turn(session, "default", WEEK, now=MONDAY + LEASE)
        assert slow is not None
        assert quick is not None
        assert not end_turn(session, "default", WEEK, slow, now=MONDAY + LEASE)
        assert end_turn(session, "default", WEEK, quick, now=MONDAY + LEASE)
        assert not end_turn(session, "default", WEEK, quick, now=MONDAY + LEASE)


def test_verdicts_that_may_still_come_are_waited_for_at_most_a_day(
    engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    with transaction(engine) as session:
        write_weeks(session, {WEEK: Plan(n=20, status="pending")})
    late = MONDAY - timedelta(hours=6, minutes=1)
    assert tend(engine, criteria, settings, Post(), MONDAY) == 0
    assert tend(engine, criteria, settings, Post(), late + timedelta(days=2)) == 1


def test_the_schedule_can_be_switched_off(
    filled: Engine, criteria: Criteria, settings: Settings
) -> None:
    off = settings.model_copy(update={"report_schedule": False})
    assert tend(filled, criteria, off, Post(), MONDAY) == 0


def test_a_failed_delivery_is_seen_and_tried_again_ever_more_slowly(
    filled: Engine, criteria: Criteria, settings: Settings
) -> None:
    post = Post("The mail server refused the password.")
    tend(filled, criteria, settings, post, MONDAY)
    with reading(filled) as session:
        ((delivery, report),) = troubled_deliveries(session, "default")
        assert (delivery.attempts, delivery.status, report.week) == (1, "waiting", WEEK)
        assert delivery.error == "The mail server refused the password."
    times = iter(MONDAY + timedelta(hours=7 * number) for number in range(1, 99))
    assert not deliver_next(filled, post, now=lambda: MONDAY + timedelta(seconds=30))
    for attempt in range(1, MOST_ATTEMPTS):
        assert deliver_next(filled, post, now=lambda: next(times))
        assert len(post.got) == attempt + 1
    assert not deliver_next(filled, post, now=lambda: MONDAY + timedelta(days=99))
    with reading(filled) as session:
        ((delivery, _),) = troubled_deliveries(session, "default")
        assert delivery.status == "failed"


def test_a_delivery_that_arrives_at_last_is_no_longer_troubled(
    filled: Engine, criteria: Criteria, settings: Settings
) -> None:
    tend(filled, criteria, settings, Post("No network."), MONDAY)
    assert deliver_next(filled, Post(), now=lambda: MONDAY + timedelta(hours=1))
    with reading(filled) as session:
        assert troubled_deliveries(session, "default") == []
        assert session.exec(select(Delivery)).one().status == "sent"


def test_a_delivery_that_was_given_up_is_told_until_a_later_report_goes_out(
    filled: Engine, criteria: Criteria, settings: Settings
) -> None:
    tend(filled, criteria, settings, Post("No network."), MONDAY)
    with transaction(filled) as session:
        session.exec(select(Delivery)).one().status = "failed"
        write_weeks(session, {"2026-W47": Plan(n=40)}, seed=2)
    with reading(filled) as session:
        assert len(troubled_deliveries(session, "default", before="2026-W47")) == 1
        assert troubled_deliveries(session, "default", before=WEEK) == []
    tend(filled, criteria, settings, Post(), MONDAY + timedelta(days=7))
    with reading(filled) as session:
        assert troubled_deliveries(session, "default") == []
    told = [report.body for report in reports(filled) if report.week == "2026-W47"]
    assert "has not reached" in str(told)


class Hook(BaseHTTPRequestHandler):
    """A webhook that keeps what it gets."""

    bodies: list[dict[str, Any]] = []  # noqa: RUF012
    status = 200
    seconds = 0.0

    def do_POST(self) -> None:
        size = int(self.headers["content-length"])
        self.bodies.append(json.loads(self.rfile.read(size)))
        time.sleep(self.seconds)
        self.send_response(self.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[HTTPServer]:
    Hook.bodies, Hook.status, Hook.seconds = [], 200, 0.0
    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def issued(engine: Engine, criteria: Criteria, settings: Settings) -> Report:
    tend(engine, criteria, settings, Post(), MONDAY)
    return reports(engine)[0]


def test_a_real_webhook_gets_the_whole_report_and_a_refusal_is_told(
    filled: Engine, criteria: Criteria, settings: Settings, hook: HTTPServer
) -> None:
    address = f"json://127.0.0.1:{hook.server_port}/hook"
    addresses, report = by_masked_name([address]), issued(filled, criteria, settings)
    assert send_report(addresses, masked(address), report, "https://t.example") == ""
    message = json.loads(Hook.bodies[0]["message"])
    assert message["report"]["sha256"] == report.sha256
    assert Hook.bodies[0]["title"] == f"{WEEK}: {report.body['verdict']}"
    Hook.status = 500
    assert "500" in send_report(addresses, masked(address), report)
    assert "no longer" in send_report({}, masked(address), report)


def test_a_webhook_that_moved_or_is_slow_has_not_taken_and_not_lost_the_report(
    filled: Engine, criteria: Criteria, settings: Settings, hook: HTTPServer
) -> None:
    address = f"json://127.0.0.1:{hook.server_port}/hook"
    addresses, report = by_masked_name([address]), issued(filled, criteria, settings)
    Hook.status = 302
    assert "302" in send_report(addresses, masked(address), report)
    Hook.status, Hook.seconds = 200, 4.2
    assert send_report(addresses, masked(address), report) == ""


def test_an_address_is_shown_without_its_secrets() -> None:
    address = "mailto://ann:secret@mail.example/?to=lead@example.com"
    assert "secret" not in masked(address)
    assert "ann" not in masked(address)
    assert masked(address).startswith("mailto://mail.example…")
    assert "T1" not in masked("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ")


def test_an_address_that_means_nothing_is_refused_with_its_setting() -> None:
    with pytest.raises(SetupError, match="TOUCHSTONE_DELIVER_TO"):
        by_masked_name(["nonsense://x"])
