"""Spans that come late, in any order, after their trace was deleted, or with wrong clocks."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import Engine
from sqlmodel import select

from app.assembly import assemble_due
from app.commands.doctor import diagnosis_of
from app.criteria import read_criteria
from app.database import open_database, reading, transaction
from app.ingest.telemetry import Span
from app.migrate import migrate
from app.schedule import tend_reports
from app.settings import Settings
from app.store.erasing import erase_trace
from app.store.pruning import prune_traces
from app.tables import Evaluation, Interaction, Report, Trace
from app.worker import work_once
from tests.builders import FAKE_EVALUATORS, a_span
from tests.faults.hostile import metrics
from tests.faults.processes import Server, database, serving
from tests.faults.registry import DATABASES, Found, World, fault
from tests.faults.senders import PROTOBUF
from tests.report_world import Plan, write_weeks
from tests.telemetry import request_of

LATER = timedelta(minutes=10)
YEAR_NS = 365 * 86_400 * 10**9
DETAILS = "gen_ai.client.inference.operation.details"


def send(server: Server, spans: Sequence[Span]) -> dict[str, Any]:
    """What the server answers, as JSON, to the spans in protobuf; it must be a 200."""
    body = request_of(spans).SerializeToString()
    headers = {"Content-Type": PROTOBUF}
    answer = httpx.post(f"{server.url}/v1/traces", content=body, headers=headers, timeout=60)
    answer.raise_for_status()
    return {"bytes": len(answer.content)}


def send_log(server: Server, trace_id: str, span_id: str) -> None:
    """The words of a chat, in the event that comes apart from its span."""
    said = (("input", "user", "When?"), ("output", "assistant", "In 5 days."))
    attributes = [
        {"key": f"gen_ai.{side}.messages", "value": {"stringValue": message_of(role, text)}}
        for side, role, text in said
    ]
    record = {"traceId": trace_id, "spanId": span_id, "eventName": DETAILS}
    log = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record | {"attributes": attributes}]}]}]}
    httpx.post(f"{server.url}/v1/logs", json=log, timeout=60).raise_for_status()


def message_of(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def work(engine: Engine, url: str, at: datetime) -> int:
    """Assemble and judge all that is due at that time; how many verdicts that took."""
    settings, criteria = Settings(database_url=url, trace_quiet_seconds=5), read_criteria()
    judged = 0
    while not (done := work_once(engine, FAKE_EVALUATORS, criteria, settings, now=lambda: at)).idle:
        judged += done.judged
    return judged


def interactions(engine: Engine, trace_id: str) -> list[Interaction]:
    with reading(engine) as session:
        return list(session.exec(select(Interaction).where(Interaction.trace_id == trace_id)))


def a_retrieval(trace_id: str, parent: str) -> Span:
    return a_span(
        trace_id=trace_id, span_id="fe" * 8, parent_span_id=parent, name="find",
        attributes={
            "gen_ai.operation.name": "retrieval",
            "gen_ai.retrieval.documents": json.dumps([{"id": "1", "content": "Within 5 days."}]),
        },
    )  # fmt: skip


@fault(
    "F17",
    "Children before their root, a root that never comes, logs before spans, a span an hour late",
    "each trace is assembled; only changed words are judged again, once; deleted stays deleted",
    databases=DATABASES,
)
def any_order(world: World) -> Found:
    found, n = Found(), world.times(200, 3)
    with database(world.database, world.folder) as url, serving(url, world.folder) as server:
        engine = open_database(url)
        migrate(engine)
        now = datetime.now(UTC)
        ids = {kind: [f"{n_kind:016x}{number:016x}" for number in range(1, n + 1)]
               for n_kind, kind in enumerate(("first", "never", "log"), start=1)}  # fmt: skip
        for trace_id in ids["first"]:
            send(server, [a_span(trace_id=trace_id, parent_span_id="0a" * 8)])
            root = {"trace_id": trace_id, "span_id": "0a" * 8, "name": "root"}
            send(server, [a_span(**root, attributes={"session.id": "c1"})])
        for trace_id in ids["never"]:
            send(server, [a_span(trace_id=trace_id, parent_span_id="0b" * 8)])
        for trace_id in ids["log"]:
            send_log(server, trace_id, "0c" * 8)
            chat = {"gen_ai.operation.name": "chat"}
            send(server, [a_span(trace_id=trace_id, span_id="0c" * 8, attributes=chat)])
        first = work(engine, url, now + LATER)
        rows = {kind: [interactions(engine, one) for one in ids[kind]] for kind in ids}
        late = [a_retrieval(one, "b7ad6b7169203331") for one in ids["never"]]
        again = work(engine, url, now + LATER)
        for span in late:
            send(server, [span])
        second = work(engine, url, datetime.now(UTC) + timedelta(hours=1))
        deleted = ids["first"][0]
        with transaction(engine) as session:
            erase_trace(session, "default", deleted, now=datetime.now(UTC))
        before = metrics(server)["rejected"]
        send(server, [a_span(trace_id=deleted)])
        refused = metrics(server)["rejected"] - before
        work(engine, url, datetime.now(UTC) + timedelta(hours=2))
        left = interactions(engine, deleted)
        contexts = {
            tuple(row.contexts) for one in ids["never"] for row in interactions(engine, one)
        }
        with reading(engine) as session:
            statuses = Counter(session.exec(select(Evaluation.status)))
        engine.dispose()
    per_trace = Counter(len(one) for kind in rows.values() for one in kind)
    found.figures |= {
        "traces": 3 * n,
        "interactions per trace": dict(per_trace),
        "verdicts": first,
        "verdicts when nothing came": again,
        "verdicts when a document came late": second,
        "spans of the deleted trace refused": refused,
        "evaluations": dict(statuses),
    }
    found.check(set(per_trace) == {1}, "every trace makes one interaction")
    found.check({row[0].conversation_id for row in rows["first"]} == {"c1"}, "the root is read")
    found.check(again == 0, "nothing is judged twice")
    found.check(contexts == {("Within 5 days.",)}, "the late document is found")
    found.check(second == n * len(FAKE_EVALUATORS), "only the changed words are judged again, once")
    found.check(refused == 1 and not left, "what was deleted does not come back")
    return found


@fault(
    "F26",
    "Clocks that are ten years off, at zero or run backwards, at the sender and at the server",
    "stored and told; age is counted from the arrival; a week's report is issued once",
    databases=DATABASES,
)
def wrong_clocks(world: World) -> Found:
    found, at = Found(), int(datetime.now(UTC).timestamp()) * 10**9
    times = {
        "ten years ago": (at - 10 * YEAR_NS, at - 10 * YEAR_NS + 5),
        "in ten years": (at + 10 * YEAR_NS, at + 10 * YEAR_NS + 5),
        "zero": (0, 0),
        "backwards": (at, at - 5),
    }
    with database(world.database, world.folder) as url, serving(url, world.folder) as server:
        engine = open_database(url)
        migrate(engine)
        ids = {name: f"{number:032x}" for number, name in enumerate(times, start=1)}
        for name, (start, end) in times.items():
            send(server, [a_span(trace_id=ids[name], start_ns=start, end_ns=end)])
        now = datetime.now(UTC)
        settings = Settings(database_url=url, trace_quiet_seconds=0)
        assemble_due(engine, [one.spec for one in FAKE_EVALUATORS], settings, now=now + LATER)
        starts = {name: interactions(engine, one)[0].started_at for name, one in ids.items()}
        told = {
            name: diagnosis_of(engine, "default", one).sentences[-1] for name, one in ids.items()
        }
        with transaction(engine) as session:
            gone = prune_traces(session, "default", now - timedelta(days=1), limit=10, now=now)
            left = len(session.exec(select(Trace)).all())
        issued = reports_with_a_jumping_clock(engine, url)
        engine.dispose()
    found.figures |= {
        "started": {name: f"{one:%Y-%m-%d}" for name, one in starts.items()},
        "told": told,
        "forgotten after a day": gone,
        "reports issued": issued,
    }
    found.check(gone == 0 and left == len(times), "age is counted from the arrival")
    found.check(
        abs(starts["zero"] - now) < timedelta(hours=1), "without a start, it is the arrival"
    )
    wanted = ("a clock is wrong", "a clock is wrong", "no start", "before they start")
    for sentence, part in zip(told.values(), wanted, strict=True):
        found.check(part in sentence, f"the doctor tells: {part}")
    found.check(issued == ["2026-W43"], "the report of the week comes once")
    return found


def reports_with_a_jumping_clock(engine: Engine, url: str) -> list[str]:
    """The weeks of which a report was issued while the clock jumped, in a week of 169 hours."""
    with transaction(engine) as session:
        write_weeks(session, {"2026-W43": Plan(n=20)})
    settings = Settings(database_url=url, time_zone="Europe/Berlin")
    monday = datetime(2026, 10, 26, 5, 30, tzinfo=UTC)
    for jump in (timedelta(), timedelta(hours=-1), timedelta(days=1), timedelta(minutes=1)):
        tend_reports(
            engine, read_criteria(), settings,
            channels=[], send=lambda channel, report: "", learn=lambda project, week: None,
            now=lambda jump=jump: monday + jump,
        )  # fmt: skip
    with reading(engine) as session:
        return sorted(session.exec(select(Report.week)))
