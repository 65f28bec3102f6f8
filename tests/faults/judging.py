"""Judges and workers that misbehave: one item fails, its neighbours do not, nothing is a number."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.commands.doctor import reextract_traces
from app.criteria import read_criteria
from app.database import open_database, reading
from app.migrate import migrate
from app.settings import Settings
from app.tables import Evaluation, Interaction
from app.worker import work_once
from evaluators.protocol import Sample
from tests.builders import (
    FAKE_EVALUATORS,
    WordJudge,
    a_span,
    an_interaction,
    save,
    score_all,
    some_interactions,
)
from tests.clients import otlp_json
from tests.faults.hostile import metrics
from tests.faults.killing import end_worker, start_worker, tell_evaluations, wait_until_judged
from tests.faults.processes import ROOT, database, environment, serving
from tests.faults.registry import DATABASES, Found, World, fault
from tests.faults.senders import numbered_request
from tests.faults.storage import tables_of
from tests.faults.worker import POISON
from tests.telemetry import put_spans


def statuses(engine: Engine) -> Counter[str]:
    with reading(engine) as session:
        return Counter(session.exec(select(Evaluation.status)))


@fault(
    "F09",
    "A worker is stopped for twice its lease, another does its work, then it goes on",
    "what the late one brings is refused: one verdict per key, counted once",
    databases=DATABASES,
)
def zombie(world: World) -> Found:
    found, n = Found(), world.times(600, 60)
    with database(world.database, world.folder) as url:
        engine = open_database(url)
        migrate(engine)
        save(engine, some_interactions(n, response="Refunds take 5 invented days."))
        late = start_worker(url, lease_seconds=1)
        time.sleep(0.3)
        late.send_signal(signal.SIGSTOP)
        time.sleep(2)
        other = start_worker(url, lease_seconds=1)
        wait_until_judged(engine, seconds=120)
        late.send_signal(signal.SIGCONT)
        time.sleep(world.times(5, 1))
        end_worker(late)
        end_worker(other)
        tell_evaluations(found, engine, n)
        engine.dispose()
    return found


class Raising(WordJudge):
    """A judge that fails on one word."""

    def evaluate(self, samples: Sequence[Sample]) -> Any:
        if any(POISON in one.response for one in samples):
            raise RuntimeError("this sample is poison")
        return super().evaluate(samples)


@fault(
    "F10",
    "A judge raises an exception on one item",
    "that item fails with its reason, all others are scored",
    databases=DATABASES,
)
def poison_exception(world: World) -> Found:
    found, n = Found(), world.times(500, 40)
    with database(world.database, world.folder) as url:
        engine = open_database(url)
        migrate(engine)
        judges = [Raising("toxicity", "idiot", score_with=0.9)]
        rows = [*some_interactions(n), an_interaction(response=POISON)]
        save(engine, rows, evaluators=judges)
        score_all(engine, read_criteria(), Settings(database_url=url), evaluators=judges)
        counts = statuses(engine)
        with reading(engine) as session:
            failed = session.exec(select(Evaluation).where(Evaluation.status == "failed")).all()
        engine.dispose()
    reason = failed[0].explanation if failed else ""
    found.figures |= {"statuses": dict(counts), "reason": reason}
    found.check(counts == {"scored": n, "failed": 1}, "one fails and all others are scored")
    found.check("poison" in str(reason), "the reason is kept")
    return found


@fault(
    "F11",
    "An item ends the process of every judge that reads it",
    "it fails and says why, all others are scored, the worker lives on",
    databases=DATABASES,
)
def poison_death(world: World) -> Found:
    found, n = Found(), world.times(300, 20)
    with database(world.database, world.folder) as url:
        engine = open_database(url)
        migrate(engine)
        save(engine, [*some_interactions(n), an_interaction(response=POISON)])
        deaths = run_until_judged(url, engine, found)
        counts = statuses(engine)
        engine.dispose()
    found.figures |= {"workers that died": deaths, "statuses": dict(counts)}
    found.check(counts["failed"] == len(FAKE_EVALUATORS), "only the poison fails")
    found.check(deaths == 0, "no worker dies of it")
    found.check(counts["scored"] == n * len(FAKE_EVALUATORS), "all others are scored")
    return found


def run_until_judged(url: str, engine: Engine, found: Found) -> int:
    """Start a worker again each time it has died; return how many did."""
    deaths, deadline = 0, time.monotonic() + 300
    while time.monotonic() < deadline:
        worker = start_worker(url, max_attempts=3, lease_seconds=1)
        while worker.poll() is None and any(statuses(engine)[s] for s in ("pending", "running")):
            time.sleep(0.1)
        done = worker.poll() is None
        end_worker(worker)
        if done:
            return deaths
        deaths += 1
    found.check(False, "the work comes to an end")
    return deaths


class Wrong(WordJudge):
    """A judge that returns things that are no verdicts."""

    answers: Sequence[Any] = ()

    def evaluate(self, samples: Sequence[Sample]) -> Any:
        return list(self.answers[: len(samples)])


@fault(
    "F23",
    "A judge returns None, a bare number, a text, and too few verdicts",
    "each is a failure with a reason, never a score; the JSON API emits no NaN",
    databases=DATABASES,
)
def wrong_verdicts(world: World) -> Found:
    found = Found()
    answers = [None, float("nan"), 1.0000001, "0.5"]
    with database(world.database, world.folder) as url:
        engine = open_database(url)
        migrate(engine)
        judge = Wrong("toxicity", "idiot", score_with=0.9)
        judge.answers = answers
        save(engine, some_interactions(6), evaluators=[judge])
        criteria, settings = read_criteria(), Settings(database_url=url)
        work_once(engine, [judge], criteria, settings, now=lambda: datetime.now(UTC))
        counts = statuses(engine)
        with reading(engine) as session:
            scores = session.exec(select(Evaluation.score)).all()
        with serving(url, world.folder) as server:
            shown = httpx.get(f"{server.url}/api/v1/interactions", timeout=30).text
        engine.dispose()
    json.loads(shown, parse_constant=lambda name: found.check(False, f"no bare {name} in JSON"))
    found.figures |= {"statuses": dict(counts), "scores": sorted(set(map(str, scores)))}
    found.check(set(scores) == {None}, "nothing is scored")
    found.check(set(counts) == {"failed"}, "each is a failure")
    return found


@fault(
    "F37",
    "No worker runs while traffic arrives",
    "readiness and metrics tell of the backlog and its age; coverage counts what waits",
    databases=DATABASES,
)
def backlog(world: World) -> Found:
    found = Found()
    with database(world.database, world.folder) as url:
        engine = open_database(url)
        migrate(engine)
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        save(engine, some_interactions(20), now=hour_ago)
        engine.dispose()
        with serving(url, world.folder) as server:
            text = httpx.get(f"{server.url}/metrics", timeout=30).text
            ready = httpx.get(f"{server.url}/readyz", timeout=30).json()
            covered = httpx.get(f"{server.url}/api/v1/coverage", timeout=30).json()
    told = {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if line[0] != "#"}
    age = told["touchstone_queue_oldest_seconds"]
    found.figures |= {
        "queue depth": told["touchstone_queue_depth"],
        "age of the oldest s": round(age),
        "worker": ready["checks"]["worker"],
        "waiting by criterion": {k: v.get("pending") for k, v in covered["criteria"].items()},
    }
    found.check(told["touchstone_queue_depth"] > 0, "the depth of the queue is told")
    found.check(age >= 3_600, "the age of the oldest is told")
    found.check("start `touchstone work`" in ready["checks"]["worker"], "readiness says what to do")
    return found


@fault(
    "F38",
    "All stored traces are read again by the extraction",
    "the same interactions, nothing judged again, counts unchanged",
    databases=DATABASES,
)
def read_again(world: World) -> Found:
    found, n = Found(), world.times(2_000, 60)
    with database(world.database, world.folder) as url:
        engine = open_database(url)
        migrate(engine)
        with Session(engine) as session, session.begin():
            spans = [a_span(trace_id=f"{number:032x}") for number in range(1, n + 1)]
            put_spans(session, spans, now=datetime.now(UTC) - timedelta(hours=1))
        settings = Settings(database_url=url)
        score_all(engine, read_criteria(), settings, now=datetime.now(UTC))
        before = statuses(engine), interactions(engine)
        started = time.monotonic()
        done = reextract_traces(engine, [one.spec for one in FAKE_EVALUATORS], every=True)
        seconds = time.monotonic() - started
        after = statuses(engine), interactions(engine)
        engine.dispose()
    found.figures |= {
        "traces read again": done,
        "traces a second": round(done / seconds),
        "evaluations": dict(after[0]),
    }
    found.check(done == n, "every trace is read again")
    found.check(before == after, "nothing changes, and nothing is judged again")
    return found


def interactions(engine: Engine) -> dict[str, str]:
    with reading(engine) as session:
        rows = session.exec(select(Interaction.id, Interaction.content_hash)).all()
    return {row[0]: row[1] for row in rows}


@fault(
    "F39",
    "Good, bad and repeated spans and log records are sent and counted",
    "received = stored + duplicate + rejected, and stored is what the database holds",
    databases=DATABASES,
)
def counters(world: World) -> Found:
    found = Found()
    with database(world.database, world.folder) as url, serving(url, world.folder) as server:
        protobuf, as_json = "application/x-protobuf", "application/json"
        for body, encoding in (
            (numbered_request(range(1, 1_001)), protobuf),
            (numbered_request(range(501, 1_501)), protobuf),
            (numbered_request([7, 7, 7]), protobuf),
            (otlp_json(10, bad=4), as_json),
            (otlp_json(10, bad=4), as_json),
        ):
            headers = {"Content-Type": encoding}
            httpx.post(f"{server.url}/v1/traces", content=body, headers=headers, timeout=60)
        told, held = metrics(server), tables_of(url)
    found.figures |= {"told": told, "spans in the database": held["span"]}
    found.check(told["received"] == 2_023, "every span that was sent is counted")
    found.check(told["stored"] == held["span"] == 1_506, "stored is what the database holds")
    found.check(told["rejected"] == 8, "rejected is what was refused")
    total = told["stored"] + told["duplicate"] + told["rejected"]
    found.check(told["received"] == total, "the counters add up")
    return found


@fault(
    "F40",
    "No network and a cache of models that cannot be written",
    "the bundled judges load and score; no connection is tried",
)
def no_network(world: World) -> Found:
    found = Found()
    cache, lines = world.folder / "models", world.folder / "in.jsonl"
    cache.mkdir(mode=0o555)
    lines.write_text('{"id":"1","prompt":"Open?","response":"At nine.","contexts":["At nine."]}\n')
    out, trace = world.folder / "out.jsonl", world.folder / "strace.log"
    watched = ["strace", "-f", "-qq", "-e", "trace=connect", "-o", str(trace)] if world.full else []
    command = [sys.executable, "-m", "app", "score", str(lines), "--out", str(out)]
    done = subprocess.run(
        [*watched, "unshare", "-n", *command],
        env=environment("sqlite:///unused.db", models_dir=cache),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    scored = json.loads(out.read_text())["evaluations"] if out.exists() else []
    tried = [one for one in trace.read_text().splitlines() if "AF_INET" in one] if watched else []
    found.figures |= {
        "exit code": done.returncode,
        "statuses": dict(Counter(one["status"] for one in scored)),
        "connections tried": len(tried),
        "files in the cache": len(os.listdir(cache)),
    }
    found.check(done.returncode == 0, f"the command succeeds: {done.stderr[-200:]}")
    found.check(any(one["status"] == "scored" for one in scored), "something is scored")
    found.check(not tried, "no connection is tried")
    return found
