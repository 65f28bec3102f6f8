"""A server of ours in its own process, with its memory and its start-up time."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.settings import child_environment

READY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it listens, its process, and how long it took until it was ready."""

    port: int
    pid: int
    ready_seconds: float

    def get(self, path: str) -> bytes:
        """The body of a GET, or RuntimeError."""
        return request(self.port, "GET", path)

    def post(self, path: str, body: object) -> bytes:
        """The body of a POST of JSON, or RuntimeError."""
        content = {"Content-Type": "application/json"}
        return request(self.port, "POST", path, json.dumps(body).encode(), content)


@contextmanager
def serving(database: Path, *arguments: str, **settings: str) -> Iterator[Server]:
    """`touchstone serve` on a free port with open access, ended with the block."""
    port = free_port()
    own = {"database_url": f"sqlite:///{database}", "port": str(port), "open_access": "1"}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "serve", *arguments],
        env=child_environment(**own, **settings),
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_until_ready(port)
        yield Server(port, process.pid, time.perf_counter() - started)
    finally:
        process.terminate()
        process.wait(60)


def processor_seconds(pid: int) -> float:
    """How long a process has run on a processor so far, to the hundredth."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def request(
    port: int,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> bytes:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status >= 400:
        raise RuntimeError(f"{method} {path} was answered {answer.status}: {content[:200]!r}")
    return content


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children_of(pid: int) -> list[int]:
    """The processes below a process."""
    command = ["ps", "-o", "pid=", "--ppid", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return [below for one in map(int, found) for below in (one, *children_of(one))]


def memory_mb(pid: int) -> float:
    """Resident memory of a process, shared pages counted by their share, in megabytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"the memory of process {pid} cannot be read")


def command_of(pid: int) -> str:
    """The command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            request(port, "GET", "/readyz")
        except (OSError, RuntimeError, http.client.HTTPException):
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"no server was ready on port {port} after {READY_SECONDS:.0f} s")
