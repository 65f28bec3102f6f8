"""Erasure while everybody works: nothing of it comes back, and nobody else is disturbed."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy import Engine, text
from sqlmodel import col, select

from app.assembly import assemble_due
from app.database import open_database, reading, transaction
from app.errors import Busy
from app.migrate import migrate
from app.settings import Settings
from app.store.erasing import erase_trace
from app.tables import ErasedTrace, Interaction
from tests.builders import FAKE_EVALUATORS
from tests.faults.labels import client_of, label
from tests.faults.processes import database, serving
from tests.faults.registry import DATABASES, Found, World, fault

SECRET = "Zanzibar"
SPECS = [one.spec for one in FAKE_EVALUATORS]


def said_in(trace_id: str) -> dict[str, str]:
    return {"prompt": f"{SECRET} {trace_id}?", "response": "Yes.", "trace_id": trace_id}


def span_in(trace_id: str, number: int) -> dict[str, object]:
    said = {"prompt": f"{SECRET} {trace_id}?", "response": f"Step {number}."}
    attributes = [{"key": k, "value": {"stringValue": v}} for k, v in said.items()]
    span = {"traceId": trace_id, "spanId": f"{number + 1:016x}", "attributes": attributes}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


@fault(
    "F31",
    "Traces are erased while spans, interactions, feedback and labels of them keep coming",
    "no word of an erased trace is left, nothing is answered 500, and all others stay",
    databases=DATABASES,
)
def erase_under_load(world: World) -> Found:
    found, dice = Found(), random.Random(31)
    n, rounds = world.times(200, 30), world.times(8, 3)
    ids = [f"{number + 1:032x}" for number in range(n)]
    gone = ids[::2]
    statuses: Counter[int] = Counter()
    busy = Counter[str]()
    with (
        database(world.database, world.folder) as url,
        serving(url, world.folder) as server,
        client_of(server) as client,
    ):
        engine = open_database(url)
        migrate(engine)
        stop = threading.Event()

        def send(seed: int) -> None:
            own = random.Random(seed)
            for number in range(rounds):
                for trace_id in own.sample(ids, n):
                    statuses[post_one(client, own.randrange(4), trace_id, number)] += 1

        def erase() -> None:
            for trace_id in dice.sample(gone, len(gone)):
                while not erased(engine, trace_id):
                    busy["erasures tried again"] += 1

        def work() -> None:
            while not stop.is_set():
                work_once(engine, busy)

        with ThreadPoolExecutor(6) as pool:
            assembling = pool.submit(work)
            senders = [pool.submit(send, seed) for seed in range(4)]
            erasing = pool.submit(erase)
            try:
                for one in (erasing, *senders):
                    one.result()
            finally:
                stop.set()
            assembling.result()
        work_once(engine, busy)
        left, kept = words_left(engine, gone), count_kept(engine, set(ids) - set(gone))
        engine.dispose()
    found.figures |= {
        "traces": n,
        "erased": len(gone),
        "answers": dict(sorted(statuses.items())),
        **busy,
        "rows with a word of an erased trace": left,
        "other traces with an interaction": kept,
    }
    found.check(left == 0, "no word of an erased trace is left")
    found.check(kept == n - len(gone), "every other trace is still there")
    found.check(not {one for one in statuses if one == 500}, "nothing is answered 500")
    return found


def post_one(client: httpx.Client, kind: int, trace_id: str, number: int) -> int:
    """The status of the answer to a span, an interaction, a piece of feedback or a label."""
    if kind == 0:
        return client.post("/v1/traces", json=span_in(trace_id, number)).status_code
    if kind == 1:
        return client.post("/api/v1/interactions", json=said_in(trace_id)).status_code
    if kind == 2:
        thumb = {"trace_id": trace_id, "name": "thumb", "value": 1, "comment": SECRET}
        return client.post("/api/v1/feedback", json={**thumb, "span_id": None}).status_code
    saved = client.get(f"/api/v1/traces/{trace_id}")
    rows = saved.json().get("interactions", []) if saved.status_code == 200 else []
    for row in rows[:1]:
        key = f"{trace_id}-{number}-{threading.get_ident()}"
        return label(client, row["id"], "anna", key, "none")
    return saved.status_code


def erased(engine: Engine, trace_id: str) -> bool:
    try:
        with transaction(engine) as session:
            erase_trace(session, "default", trace_id, now=datetime.now(UTC))
    except Busy:
        return False
    return True


def work_once(engine: Engine, busy: Counter[str]) -> None:
    settings, soon = Settings(trace_quiet_seconds=0), datetime.now(UTC) + timedelta(seconds=1)
    try:
        assemble_due(engine, SPECS, settings, now=soon)
    except Busy:
        busy["assemblies tried again"] += 1


def words_left(engine: Engine, gone: list[str]) -> int:
    """How many rows of any table hold a word of an erased trace beside its id."""
    n = 0
    with reading(engine) as session:
        known = set(session.exec(select(ErasedTrace.trace_id)))
        for table in ("interaction", "feedback", "span", "span_chunk", "log_record", "trace"):
            for row in session.execute(text(f'SELECT * FROM "{table}"')).mappings():
                n += row["trace_id"] in known and (table != "interaction" or bool(row["prompt"]))
        assert known == set(gone)
    return n


def count_kept(engine: Engine, ids: set[str]) -> int:
    with reading(engine) as session:
        rows = session.exec(select(Interaction.trace_id).where(col(Interaction.prompt) != ""))
        return len(ids & set(rows))
