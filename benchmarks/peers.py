"""Durable spans a second beside peers, each in a virtual environment of its own, in the same run.

Not part of a plain run, for it installs about two gigabytes: `python -m benchmarks --only peers`.
A peer that acknowledges from memory is timed until the last span it keeps is in its database.
"""

import http.client
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.receiving import Load
from benchmarks.serving import free_port, serving
from benchmarks.tables import Section

LOADS = ((512, 4), (60, 1))
READY_SECONDS = 180.0
STILL_SECONDS = 30.0
"""A database that has not grown for so long has got all it will get."""
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that takes OTLP and keeps spans in SQLite."""

    name: str
    package: str
    command: Callable[[Path, int], list[str]]
    database: str
    ready: str
    headers: dict[str, str] = field(default_factory=dict)
    settings: Callable[[Path, int], dict[str, str]] = lambda folder, port: {}


PEERS = (
    Peer(
        name="MLflow",
        package="mlflow",
        command=lambda folder, port: [
            *("mlflow", "server", "--workers", "1", "--port", str(port)),
            *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        ],
        database="mlflow.db",
        ready="/health",
        headers={"x-mlflow-experiment-id": "0"},
    ),
    Peer(
        name="Phoenix",
        package="arize-phoenix",
        command=lambda folder, port: ["phoenix", "serve"],
        database="phoenix.db",
        ready="/healthz",
        settings=lambda folder, port: {
            "PHOENIX_WORKING_DIR": str(folder),
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(free_port()),
            "PHOENIX_TELEMETRY_ENABLED": "false",
        },
    ),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """Spans acknowledged and spans stored, with the seconds until the last one was there."""

    acknowledged: int
    stored: int
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every acknowledged span is in the database."""
        return self.stored == self.acknowledged

    @property
    def rate(self) -> float:
        """Stored spans a second."""
        return self.stored / self.seconds


def peers_section(*, quick: bool) -> Section:
    """A row per load: Touchstone and the peers in turns, and how many times faster it is."""
    section = Section(
        "OTLP ingestion beside peers, SQLite, spans on disk a second",
        ("spans a request × connections", "Touchstone", *(peer.name for peer in PEERS), "ratios"),
    )
    folders = {peer.name: _installed(peer) for peer in PEERS}
    seconds, rounds = (1.0, 1) if quick else (2.0, 3)
    for spans, connections in LOADS:
        found: dict[str, list[Kept]] = {"Touchstone": [], **{one.name: [] for one in PEERS}}
        for _ in range(rounds):
            found["Touchstone"].append(_ours(spans, connections, seconds))
            for peer in PEERS:
                found[peer.name].append(
                    _theirs(peer, folders[peer.name], spans, connections, seconds)
                )
        section.rows.append(_row(f"{spans} × {connections}", found))
    versions = ", ".join(_version(peer, folders[peer.name]) for peer in PEERS)
    section.notes = [
        f"{versions}; each with one server process and its defaults. The generator runs on the "
        "same cores. Spans are counted in the database; the clock stops when the last one is there."
    ]
    return section


def _row(load: str, found: dict[str, list[Kept]]) -> tuple[str, ...]:
    ours = statistics.median(one.rate for one in found["Touchstone"])
    ratios = [
        f"{ours / statistics.median(one.rate for one in found[peer.name]):.0f} × {peer.name}"
        for peer in PEERS
        if all(one.complete for one in found[peer.name])
    ]
    return (load, *map(_shown, found.values()), ", ".join(ratios))


def _shown(rounds: list[Kept]) -> str:
    """The rates, or where spans were lost how many are left: a rate of lost spans means nothing."""
    if not all(one.complete for one in rounds):
        stored = sum(one.stored for one in rounds)
        return f"{stored:,} of {sum(one.acknowledged for one in rounds):,} acknowledged are there"
    rates = [one.rate for one in rounds]
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"


def _ours(spans: int, connections: int, seconds: float) -> Kept:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "bench.db"
        with serving(database, "--no-worker") as server:
            load = Load(server.port, "/v1/traces", spans, connections)
            return _kept(load, seconds, database, "span")


def _theirs(peer: Peer, home: Path, spans: int, connections: int, seconds: float) -> Kept:
    with tempfile.TemporaryDirectory() as made, _running(peer, home, Path(made)) as port:
        load = Load(port, "/v1/traces", spans, connections)
        load.headers |= peer.headers
        return _kept(load, seconds, Path(made) / peer.database, "spans")


def _kept(load: Load, seconds: float, database: Path, table: str) -> Kept:
    """What a load left in the database, once all is there or it has stopped growing."""
    started = time.perf_counter()
    load.run(seconds)
    stored, at = _count(database, table), time.perf_counter()
    while stored < load.acknowledged:
        time.sleep(0.2)
        now, found = time.perf_counter(), _count(database, table)
        if found > stored:
            stored, at = found, now
        if now - at > STILL_SECONDS or now - started > PATIENCE_SECONDS:
            break
    return Kept(load.acknowledged, stored, at - started)


def _count(database: Path, table: str) -> int:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    finally:
        connection.close()


def _installed(peer: Peer) -> Path:
    """The folder of a peer's programs, installed where it was not."""
    home = Path(tempfile.gettempdir()) / "touchstone-peers" / peer.name.lower()
    if not (home / "bin" / "pip").exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
    if not list(home.glob(f"lib/*/site-packages/{peer.package.replace('-', '_')}-*")):
        print(f"installing {peer.package} …", file=sys.stderr, flush=True)
        subprocess.run([home / "bin" / "pip", "install", "-q", peer.package], check=True)
    return home / "bin"


def _version(peer: Peer, home: Path) -> str:
    command = [str(home / "pip"), "show", peer.package]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return f"{peer.name} {shown.split('Version: ')[1].split()[0]}"


@contextmanager
def _running(peer: Peer, home: Path, folder: Path) -> Iterator[int]:
    port = free_port()
    program, *arguments = peer.command(folder, port)
    settings = [f"{name}={value}" for name, value in peer.settings(folder, port).items()]
    process = subprocess.Popen(
        ["env", *settings, f"PATH={home}:{os.defpath}", str(home / program), *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait(port, peer.ready)
        yield port
    finally:
        _end(process)


def _wait(port: int, path: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            if connection.getresponse().status < 400:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.2)
        finally:
            connection.close()
    raise RuntimeError(f"no peer was ready on port {port} after {READY_SECONDS:.0f} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server with the processes it started."""
    os.killpg(process.pid, 15)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait(20)
