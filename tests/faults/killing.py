"""Processes that die at random moments: nothing acknowledged is lost, nothing is half."""

import random
import signal
import sqlite3
import subprocess
import sys
import time

from sqlalchemy import Engine
from sqlmodel import func, select

from app.database import open_database, reading
from app.migrate import migrate
from app.tables import Evaluation, Rollup
from tests.builders import FAKE_EVALUATORS, save, some_interactions
from tests.faults.processes import ROOT, Server, database, environment, postgres, serving
from tests.faults.registry import DATABASES, Found, World, fault
from tests.faults.senders import Senders, lost_and_half, random_moment, wait_until_acked

SENDERS = 8
BATCH = 50


def senders_to(server: Server) -> Senders:
    return Senders(server.url, threads=SENDERS, batch=BATCH)


def told(found: Found, senders: Senders, missing: int, half: int, stored: int) -> None:
    found.figures |= {
        "acknowledged spans": senders.n_acked,
        "stored spans": stored,
        "acknowledged but missing": missing,
        "half spans": half,
        "requests broken off": senders.broken,
        "answers": dict(sorted(senders.statuses.items())),
        "slowest answer s": round(senders.slowest_seconds, 2),
    }
    found.check(senders.n_acked > 0, "some spans are acknowledged")
    found.check(missing == 0, "every acknowledged span is in the database")
    found.check(half == 0, "no span is stored by half")
    found.check(set(senders.statuses) <= {200, 503}, "every answer is 200 or 503")


@fault(
    "F01",
    "The server is killed with signal 9 under 8 senders",
    "every acknowledged span is in the database, none by half, and the file is sound",
)
def kill_server(world: World) -> Found:
    found, dice = Found(), random.Random(1)
    url = f"sqlite:///{world.folder / 'touchstone.db'}"
    kills = world.times(100, 2)
    with serving(url, world.folder) as server, senders_to(server) as senders:
        for _ in range(kills):
            wait_until_acked(senders, 1)
            random_moment(0.0, 0.5, dice)
            server.kill()
            server.start()
        wait_until_acked(senders, 1)
    told(found, senders, *lost_and_half(url, senders.acked))
    with sqlite3.connect(world.folder / "touchstone.db") as connection:
        sound = connection.execute("PRAGMA integrity_check").fetchone()[0]
    found.figures |= {"kills": kills, "integrity_check": sound}
    found.check(sound == "ok", "PRAGMA integrity_check says ok")
    return found


@fault(
    "F01",
    "PostgreSQL is killed with signal 9 under 8 senders",
    "every acknowledged span is in the database; the server says 503 meanwhile and goes on",
    databases=("postgresql",),
)
def kill_postgres(world: World) -> Found:
    found, dice = Found(), random.Random(2)
    kills = world.times(100, 2)
    with postgres(world.folder) as cluster, serving(cluster.url, world.folder) as server:
        with senders_to(server) as senders:
            for _ in range(kills):
                wait_until_acked(senders, 1)
                random_moment(0.0, 0.5, dice)
                cluster.kill()
                cluster.start()
            wait_until_acked(senders, 1)
        found.check(
            server.process is not None and server.process.poll() is None,
            "the server itself lives on",
        )
        told(found, senders, *lost_and_half(cluster.url, senders.acked))
    found.figures["kills"] = kills
    return found


@fault(
    "F02",
    "The server is asked to end under load",
    "what was acknowledged is stored, requests in flight are finished, and it ends within 30 s",
)
def terminate_server(world: World) -> Found:
    found = Found()
    url = f"sqlite:///{world.folder / 'touchstone.db'}"
    with serving(url, world.folder) as server, senders_to(server) as senders:
        wait_until_acked(senders, world.times(20_000, 1_000))
        started = time.monotonic()
        code = server.stop()
        seconds = time.monotonic() - started
    told(found, senders, *lost_and_half(url, senders.acked))
    found.figures |= {"exit code": code, "seconds until its end": round(seconds, 2)}
    found.check(code in (0, -signal.SIGTERM), "it ends as asked, not by a fault")
    found.check(seconds <= 30, "it ends within 30 s")
    return found


@fault(
    "F05",
    "PostgreSQL is gone for ten seconds",
    "503 within 5 s and no hang, no leaked connection, and recovery by itself",
    databases=("postgresql",),
)
def lose_postgres(world: World) -> Found:
    found = Found()
    with postgres(world.folder) as cluster, serving(cluster.url, world.folder) as server:
        with senders_to(server) as senders:
            wait_until_acked(senders, 1_000)
            before = server.open_files
            cluster.stop()
            time.sleep(world.times(10, 1))
            cluster.start()
            wait_until_acked(senders, 1_000)
            after = server.open_files
        told(found, senders, *lost_and_half(cluster.url, senders.acked))
    found.figures |= {"open files before": before, "open files after": after}
    found.check(senders.slowest_seconds <= 6, "no answer takes longer than 6 s")
    found.check(senders.statuses.get(503, 0) > 0, "the outage is answered with 503")
    found.check(after <= before + 40, "no connection is leaked")
    return found


@fault(
    "F08",
    "The worker is killed with signal 9 while it judges",
    "exactly one evaluation per interaction, evaluator and version, each counted once",
    databases=DATABASES,
)
def kill_worker(world: World) -> Found:
    found, dice = Found(), random.Random(3)
    kills, lease = world.times(50, 2), world.times(10, 2)
    with database(world.database, world.folder) as url:
        engine = open_database(url)
        migrate(engine)
        n = world.times(400, 60)
        save(engine, some_interactions(n, response="Refunds take 5 invented days."))
        for _ in range(kills):
            worker = start_worker(url, lease_seconds=lease)
            random_moment(0.0, 0.7, dice)
            end_worker(worker)
        worker = start_worker(url, lease_seconds=lease)
        wait_until_judged(engine, seconds=300)
        end_worker(worker)
        tell_evaluations(found, engine, n)
        engine.dispose()
    found.figures["kills"] = kills
    return found


def start_worker(
    url: str, *, max_attempts: int = 1_000, lease_seconds: float = 10
) -> subprocess.Popen[bytes]:
    """A worker with fake judges; returned when it has begun to judge."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.worker"],
        env=environment(url, lease_seconds=lease_seconds, max_attempts=max_attempts),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert worker.stdout is not None
    worker.stdout.readline()
    return worker


def end_worker(worker: subprocess.Popen[bytes]) -> None:
    with worker:
        worker.kill()


def wait_until_judged(engine: Engine, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with reading(engine) as session:
            open_work = session.exec(
                select(func.count()).where(Evaluation.status.in_(("pending", "running")))  # type: ignore[attr-defined]
            ).one()
        if not open_work:
            return
        time.sleep(0.2)


def tell_evaluations(found: Found, engine: Engine, n: int) -> None:
    with reading(engine) as session:
        rows = session.exec(select(Evaluation)).all()
        rolled = session.exec(select(func.sum(Rollup.n)).where(Rollup.segment_key == "")).one()
    keys = {(row.interaction_id, row.evaluator, row.version) for row in rows}
    scored = sum(row.status == "scored" for row in rows)
    found.figures |= {
        "interactions": n,
        "evaluations": len(rows),
        "scored": scored,
        "counted in rollups": rolled,
        "claims per evaluation at most": max(row.attempts for row in rows),
    }
    found.check(len(keys) == len(rows) == n * len(FAKE_EVALUATORS), "one evaluation per key")
    found.check(scored == len(rows), "every one of them is scored")
    found.check(rolled == scored, "every verdict is counted exactly once")
