"""Labels under many hands: none is lost, none is stored twice, whatever dies meanwhile."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
from sqlmodel import select

from app.database import open_database, reading
from app.migrate import migrate
from app.store.audit import Head, entries, verify
from app.tables import Annotation
from tests.builders import save, some_interactions
from tests.faults.processes import Server, database, serving
from tests.faults.registry import DATABASES, Found, World, fault
from tests.faults.senders import random_moment

LABELS = ("severe", "none")


def label(client: httpx.Client, interaction_id: str, reviewer: str, key: str, value: str) -> int:
    """The status of the answer, or 0 when there was none."""
    body = {
        "interaction_id": interaction_id,
        "criterion": "toxicity",
        "label": value,
        "reviewer": reviewer,
        "idempotency_key": key,
    }
    try:
        return client.post("/api/v1/annotations", json=body).status_code
    except httpx.HTTPError:
        return 0


def client_of(server: Server) -> httpx.Client:
    return httpx.Client(base_url=server.url, timeout=60, limits=httpx.Limits(max_connections=64))


def stored(url: str) -> list[Annotation]:
    engine = open_database(url)
    with reading(engine) as session:
        rows = list(session.exec(select(Annotation).order_by("id")))
    engine.dispose()
    return rows


def audit_log(url: str) -> tuple[Head, int]:
    """Where the audit log ends, once it is proved whole, and how many entries are of labels."""
    engine = open_database(url)
    with reading(engine) as session:
        last = verify(entries(session))
        noted = sum(1 for _ in entries(session, action="label.stored"))
    engine.dispose()
    return last, noted


def prepare(url: str, n: int) -> list[str]:
    """The ids of that many interactions in a fresh database."""
    engine, rows = open_database(url), some_interactions(n)
    migrate(engine)
    save(engine, rows)
    engine.dispose()
    return [row.id for row in rows]


@fault(
    "F35",
    "Fifty reviewers label at once and repeat what failed, while the server is killed",
    "every acknowledged label is stored once, with one entry in an audit log that is whole",
    databases=DATABASES,
)
def parallel_labels(world: World) -> Found:
    found, dice = Found(), random.Random(5)
    per_reviewer, kills = world.times(20, 2), world.times(10, 1)
    acked: set[str] = set()
    statuses: Counter[int] = Counter()
    with (
        database(world.database, world.folder) as url,
        serving(url, world.folder) as server,
        client_of(server) as client,
    ):
        ids = prepare(url, per_reviewer)

        def review(reviewer: int) -> None:
            for number, one in enumerate(ids):
                key = f"{reviewer}-{number}"
                for _ in range(2_000):
                    status = label(client, one, f"reviewer {reviewer}", key, LABELS[number % 2])
                    statuses[status] += 1
                    if status == 200:
                        acked.add(key)
                    if status not in (0, 503):
                        break
                    threading.Event().wait(0.3)

        with ThreadPoolExecutor(50) as pool:
            work = [pool.submit(review, reviewer) for reviewer in range(50)]
            for _ in range(kills):
                random_moment(0.2, 1.5, dice)
                server.kill()
                server.start()
            for one in work:
                one.result()
        rows, last, noted = stored(url), *audit_log(url)
    keys = Counter(row.idempotency_key for row in rows)
    found.figures |= {
        "labels sent": 50 * per_reviewer,
        "acknowledged": len(acked),
        "stored": len(rows),
        "stored twice": sum(n > 1 for n in keys.values()),
        "answers": dict(sorted(statuses.items())),
        "kills": kills,
        "entries of the audit log": last.seq,
    }
    found.check(noted == len(rows), "there is one entry of the audit log for each label")
    found.check(len(acked) == 50 * per_reviewer, "every label is acknowledged in the end")
    found.check(acked == set(keys), "every acknowledged label is stored, and no other")
    found.check(max(keys.values()) == 1, "none is stored twice")
    found.check(set(statuses) <= {0, 200, 503}, "nothing but 200 and 503 is answered")
    return found


@fault(
    "F36",
    "Two reviewers save the same item at once, each clicking ten times; one key for two labels",
    "both labels are kept, each once; a key that is used for another label is a conflict",
    databases=DATABASES,
)
def same_item_twice(world: World) -> Found:
    found, n = Found(), world.times(50, 5)
    with (
        database(world.database, world.folder) as url,
        serving(url, world.folder) as server,
        client_of(server) as client,
    ):
        ids = prepare(url, n)
        clicks = [
            (one, reviewer, f"{reviewer}-{one}", value)
            for one in ids
            for reviewer, value in (("anna", "severe"), ("ben", "none"))
            for _ in range(10)
        ]
        with ThreadPoolExecutor(20) as pool:
            statuses = Counter(pool.map(lambda click: label(client, *click), clicks))
        other = label(client, ids[1], "anna", f"anna-{ids[0]}", "none")
        rows = stored(url)
    said = Counter((row.interaction_id, row.reviewer, row.final_label) for row in rows)
    found.figures |= {
        "clicks": len(clicks),
        "answers": dict(statuses),
        "labels stored": len(rows),
        "the key of another label": other,
    }
    found.check(set(statuses) == {200}, "every click is answered 200")
    found.check(len(said) == 2 * n and max(said.values()) == 1, "both labels are kept, each once")
    found.check(other == 409, "a key that was used for another label is a conflict")
    return found
