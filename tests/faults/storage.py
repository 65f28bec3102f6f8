"""Databases that are full, locked, slow or far away: 503 with Retry-After, and nothing is lost."""

import re
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from sqlalchemy import create_engine, text

from app.database import open_database
from tests.faults.processes import Server, database, free_port, postgres, serving
from tests.faults.registry import DATABASES, Found, World, fault
from tests.faults.senders import (
    PROTOBUF,
    Senders,
    lost_and_half,
    numbered_request,
    wait_until_acked,
)


def post(server: Server, numbers: range) -> httpx.Response:
    return httpx.post(
        f"{server.url}/v1/traces",
        content=numbered_request(numbers),
        headers={"Content-Type": PROTOBUF},
        timeout=60,
    )


@fault(
    "F03",
    "Every flush of the disk is watched while spans arrive",
    "at least one flush between a request and its 200; every connection is set to durable commits",
    databases=DATABASES,
)
def watch_flushes(world: World) -> Found:
    found = Found()
    with database(world.database, world.folder) as url:
        engine = open_database(url)
        setting = "PRAGMA synchronous" if world.database == "sqlite" else "SHOW synchronous_commit"
        connections = [engine.raw_connection() for _ in range(2)]
        levels = [str(one.cursor().execute(setting).fetchone()[0]) for one in connections]
        for one in connections:
            one.close()
        engine.dispose()
        found.figures["durability of two connections"] = ", ".join(levels)
        found.check(set(levels) <= {"2", "on"}, "every connection commits durably")
        if world.database == "sqlite" and shutil.which("strace"):
            count_flushes(world, url, found)
    return found


def count_flushes(world: World, url: str, found: Found) -> None:
    trace, n = world.folder / "strace.log", world.times(200, 10)
    server = Server(url, world.folder)
    server.start(["strace", "-D", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", str(trace)])
    try:
        before = len(re.findall("sync", trace.read_text()))
        for number in range(n):
            assert post(server, range(number * 3 + 1, number * 3 + 4)).status_code == 200
        flushes = len(re.findall("sync", trace.read_text())) - before
    finally:
        server.stop()
    found.figures |= {"requests one after another": n, "flushes": flushes}
    found.check(flushes >= n, "there is a flush for each request")


@fault(
    "F04",
    "The disk is full",
    "503 with Retry-After and a Status; reads go on; it recovers by itself; nothing is lost",
)
def fill_disk(world: World) -> Found:
    found = Found()
    url = f"sqlite:///{world.folder / 'touchstone.db'}"
    with small_disk(world.folder) as folder:
        url = f"sqlite:///{folder / 'touchstone.db'}"
        with serving(url, world.folder) as server:
            acked, answer = fill(server)
            found.figures |= {
                "acknowledged before it was full": sum(map(len, acked)),
                "answer": f"{answer.status_code} {answer.headers.get('retry-after')}",
            }
            found.check(answer.status_code == 503, "a full disk is answered with 503")
            found.check(answer.headers.get("retry-after") == "1", "Retry-After is 1")
            reading = httpx.get(f"{server.url}/api/v1/traces/{1:032x}", timeout=30)
            found.check(reading.status_code == 200, "reads go on")
            (folder / "ballast").unlink()
            again = [post(server, range(10**6, 10**6 + 50)) for _ in range(3)][-1]
            found.figures["answer after space was freed"] = again.status_code
            found.check(again.status_code == 200, "it recovers without a restart")
            acked.append(range(10**6, 10**6 + 50))
        missing, half, stored = lost_and_half(url, acked)
    found.figures |= {"stored": stored, "acknowledged but missing": missing, "half": half}
    found.check(missing == 0 and half == 0, "nothing acknowledged is lost")
    return found


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 16 MB, of which 6 MB are taken by a file that can be removed."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=True)
    try:
        (disk / "ballast").write_bytes(bytes(6 * 1024 * 1024))
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(server: Server) -> tuple[list[range], httpx.Response]:
    """Send until something else than 200 comes back."""
    acked: list[range] = []
    for start in range(1, 10**6, 500):
        numbers = range(start, start + 500)
        answer = post(server, numbers)
        if answer.status_code != 200:
            return acked, answer
        acked.append(numbers)
    raise AssertionError("the disk was never full")


@fault(
    "F07",
    "Another process holds SQLite's write lock",
    "503 with Retry-After, never 500, and 200 again as soon as it is free",
)
def hold_lock(world: World) -> Found:
    found = Found()
    path = world.folder / "touchstone.db"
    url = f"sqlite:///{path}"
    with serving(url, world.folder) as server:
        assert post(server, range(1, 4)).status_code == 200
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with Senders(server.url, threads=8, batch=10) as senders:
            time.sleep(world.times(20, 7))
            reading = httpx.get(f"{server.url}/api/v1/traces/{1:032x}", timeout=30).status_code
            other.execute("ROLLBACK")
            wait_until_acked(senders, 100)
        other.close()
    missing, half, _ = lost_and_half(url, senders.acked)
    found.figures |= {
        "answers": dict(sorted(senders.statuses.items())),
        "slowest answer s": round(senders.slowest_seconds, 2),
        "read meanwhile": reading,
        "acknowledged but missing": missing,
    }
    found.check(set(senders.statuses) == {200, 503}, "only 200 and 503 are answered")
    found.check(senders.slowest_seconds < 12, "no sender waits longer than two time-outs")
    found.check(reading == 200, "reads go on")
    found.check(missing == 0 and half == 0, "nothing acknowledged is lost")
    return found


class Proxy:
    """A TCP proxy that can delay or swallow what passes through it."""

    def __init__(self, target_port: int) -> None:
        self.port, self._target = free_port(), target_port
        self.delay_seconds = 0.0
        self.swallow = False
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                time.sleep(self.delay_seconds)
                while self.swallow:
                    time.sleep(0.05)
                sink.sendall(data)
        except OSError:
            pass
        finally:
            source.close()
            sink.close()


@fault(
    "F06",
    "The way to PostgreSQL is slow, then swallows everything",
    "what cannot be held is answered 503, memory stays bounded, /healthz answers, it recovers",
    databases=("postgresql",),
)
def slow_postgres(world: World) -> Found:
    found = Found()
    with postgres(world.folder) as cluster:
        proxy = Proxy(cluster.port)
        url = cluster.url.replace(str(cluster.port), str(proxy.port))
        limits = {"max_pending_bytes": 2_000_000}
        with (
            serving(url, world.folder, **limits) as server,
            Senders(server.url, threads=16, batch=200) as senders,
        ):
            wait_until_acked(senders, 2_000)
            before = server.resident_bytes
            proxy.delay_seconds = 0.2
            time.sleep(world.times(10, 2))
            proxy.delay_seconds, proxy.swallow = 0.0, True
            time.sleep(world.times(20, 3))
            health = httpx.get(f"{server.url}/healthz", timeout=10).status_code
            grown = server.resident_bytes - before
            proxy.swallow = False
            wait_until_acked(senders, 2_000)
        proxy.close()
        missing, half, stored = lost_and_half(cluster.url, senders.acked)
    found.figures |= {
        "answers": dict(sorted(senders.statuses.items())),
        "memory grown MB": round(grown / 1e6, 1),
        "healthz meanwhile": health,
        "stored": stored,
        "acknowledged but missing": missing,
        "half": half,
    }
    found.check(set(senders.statuses) <= {200, 503}, "only 200 and 503 are answered")
    found.check(health == 200, "/healthz answers meanwhile")
    found.check(grown < 100e6, "memory grows by less than 100 MB")
    found.check(missing == 0 and half == 0, "nothing acknowledged is lost")
    return found


def tables_of(url: str) -> dict[str, int]:
    """How many rows each of the tables holds that spans and logs go to."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return {
                name: int(connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one())
                for name in ("span", "span_chunk", "log_record", "trace")
            }
    finally:
        engine.dispose()
