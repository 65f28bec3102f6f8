"""A server of its own for the demo: a fresh database, open access, this machine only."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.errors import SetupError, TouchstoneError
from app.settings import child_environment

DEFAULT_DATABASE = Path("touchstone-demo.db")
HOST = "127.0.0.1"
READY_SECONDS = 60.0
STUCK_SECONDS = 120.0
TARGETS = "groundedness=15% answer_relevance=15% context_relevance=20% toxicity=5% bias=5%"
STOP_SECONDS = 25.0
DYING_SECONDS = 5.0
POLL_SECONDS = 0.5
ATTEMPTS = 5
UNFINISHED = ("pending", "running")


class DemoFailed(TouchstoneError):
    """The demo could not go on."""


@dataclass(frozen=True, slots=True)
class DemoServer:
    """The running server and a client to talk to it."""

    address: str
    client: httpx.Client
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise DemoFailed when the server has died."""
        if self.process.poll() is not None:
            raise DemoFailed(
                f"the server ended with code {self.process.returncode}; its output is in {self.log}"
            )


def fresh_database(path: Path) -> Path:
    """The path, with a former demo database removed; any other file that exists is refused."""
    if path.exists() and path.name != DEFAULT_DATABASE.name:
        raise SetupError(
            f"{path} exists, and the demo overwrites only {DEFAULT_DATABASE.name}; "
            "give --database another name or remove the file yourself"
        )
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return path


def free_port(wanted: int) -> int:
    """The port if it can be had, otherwise one that is free."""
    for port in (wanted, 0):
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoFailed(f"no port is free on {HOST}")


@contextmanager
def running_server(database: Path, port: int, log: Path) -> Iterator[DemoServer]:
    """A server that is ready for traffic, stopped at the end of the block."""
    address = f"http://{HOST}:{port}"
    with log.open("wb") as output, _client(address) as client:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=child_environment(
                database_url=f"sqlite:///{database}",
                host=HOST,
                port=str(port),
                open_access="1",
                trace_quiet_seconds="1",
                report_schedule="0",
                targets=TARGETS,
            ),
        )
        try:
            server = DemoServer(address, client, process, log)
            _wait_until_ready(server)
            yield server
        finally:
            _stop(process)


def wait_for_evaluations(
    server: DemoServer, interactions: int, *, progress: Callable[[int, int], None]
) -> dict[str, dict[str, int]]:
    """How many evaluations of each criterion ended in which status, once all have ended.

    `progress` is called with the number that ended and the number expected. Raises DemoFailed
    when nothing has ended for two minutes.
    """
    expected = interactions * len(get(server, "/api/v1/evaluators")["evaluators"])
    last, changed_at = -1, time.monotonic()
    while True:
        server.check()
        counts: dict[str, dict[str, int]] = get(server, "/api/v1/coverage")["criteria"]
        ended = sum(_ended(statuses) for statuses in counts.values())
        progress(ended, expected)
        if ended >= expected:
            return counts
        if ended != last:
            last, changed_at = ended, time.monotonic()
        if time.monotonic() - changed_at > STUCK_SECONDS:
            raise DemoFailed(
                f"{ended} of {expected} evaluations ended and no more for {STUCK_SECONDS:.0f} s; "
                f"the output of server and worker is in {server.log}"
            )
        time.sleep(POLL_SECONDS)


def get(server: DemoServer, path: str, **query: str | int) -> Any:
    """The JSON that the server answers, or DemoFailed with what it said."""
    return _answer(server, "GET", path, params=query)


def post(server: DemoServer, path: str, body: object) -> Any:
    """The JSON that the server answers, or DemoFailed with what it said."""
    return _answer(server, "POST", path, json=body)


def _answer(server: DemoServer, method: str, path: str, **content: Any) -> Any:
    for attempt in range(ATTEMPTS):
        try:
            response = server.client.request(method, path, **content)
        except httpx.HTTPError as error:
            with suppress(subprocess.TimeoutExpired):
                server.process.wait(DYING_SECONDS)
            server.check()
            raise DemoFailed(f"{method} {path} failed: {error!r}") from None
        if response.status_code == 503 and attempt + 1 < ATTEMPTS:
            time.sleep(float(response.headers.get("retry-after", "1")))
            continue
        if response.is_success:
            return response.json()
        raise DemoFailed(f"{method} {path} answered {response.status_code}: {response.text[:500]}")


def _client(address: str) -> httpx.Client:
    return httpx.Client(base_url=address, timeout=30, trust_env=False)


def _wait_until_ready(server: DemoServer) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        server.check()
        try:
            if server.client.get("/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(POLL_SECONDS / 5)
    raise DemoFailed(
        f"the server was not ready after {READY_SECONDS:.0f} s; its output is in {server.log}"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _ended(statuses: Mapping[str, int]) -> int:
    return sum(n for status, n in statuses.items() if status not in UNFINISHED)
