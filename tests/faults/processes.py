"""Real processes to break: the server, a worker, PostgreSQL."""

import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
PATIENCE_SECONDS = 180.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(database_url: str, **settings: object) -> dict[str, str]:
    own = {f"TOUCHSTONE_{name}".upper(): str(value) for name, value in settings.items()}
    kept = {name: value for name, value in os.environ.items() if "TOUCHSTONE" not in name}
    return {**kept, "TOUCHSTONE_DATABASE_URL": database_url, "TOUCHSTONE_OPEN_ACCESS": "1", **own}


class Server:
    """The web process, on a port that it keeps when it is started again."""

    def __init__(self, database_url: str, folder: Path, **settings: object) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "server.log"
        self._environment = environment(database_url, port=self.port, **settings)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, prefix: Sequence[str] = ()) -> None:
        """Start it and return when it answers."""
        command = [*prefix, sys.executable, "-m", "app", "serve", "--no-worker", "--no-warm"]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self._environment, cwd=ROOT, stdout=log, stderr=log
            )
        try:
            wait_for(self.url, self.process)
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {self._log.read_text()[-2000:]}") from None

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)

    @property
    def resident_bytes(self) -> int:
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def open_files(self) -> int:
        assert self.process is not None
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the server answers; RuntimeError when it ends or does not."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("the server ended")
        with suppress(httpx.HTTPError):
            httpx.get(f"{url}/healthz", timeout=1)
            return
        time.sleep(0.02)
    raise RuntimeError("the server did not answer")


@contextmanager
def serving(database_url: str, folder: Path, **settings: object) -> Iterator[Server]:
    """A server, while the block runs."""
    server = Server(database_url, folder, **settings)
    server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.process.kill()
            server.process.wait()


class Postgres:
    """A cluster of its own with fsync on; PostgreSQL refuses to run as root, so root steps down."""

    def __init__(self, home: Path, folder: Path) -> None:
        self._user = "postgres" if os.geteuid() == 0 else None
        self._home, self._log = home, folder / "postgres.log"
        if self._user is not None:
            user = pwd.getpwnam(self._user)
            os.chown(self._home, user.pw_uid, user.pw_gid)
        self._data = self._home / "data"
        self.port = free_port()
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust")

    def start(self) -> None:
        """Start it as a child of ours, which alone can tell the system that it has died."""
        command = [
            str(PROGRAMS[-1] / "postgres"), "-D", str(self._data), "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
        ]  # fmt: skip
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, user=self._user, cwd="/"
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while subprocess.run(self._is_ready, stdout=subprocess.DEVNULL).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self._log.read_text()[-2000:])
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill the postmaster and every process below it with signal 9."""
        # Stopped first, or it would start another backend after they were listed.
        self._process.send_signal(signal.SIGSTOP)
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self._process.pid)], capture_output=True, text=True
        )
        family = [self._process.pid, *map(int, listed.stdout.split())]
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        # A new server refuses to start while one of them still holds the shared memory.
        while any(is_alive(pid) for pid in family):
            time.sleep(0.01)

    def stop(self) -> None:
        """End it at once, without a last checkpoint."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(PATIENCE_SECONDS)

    @property
    def _is_ready(self) -> list[str]:
        return [str(PROGRAMS[-1] / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(PROGRAMS[-1] / program), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            user=self._user,
            cwd="/",
        )


def is_alive(pid: int) -> bool:
    """Whether the process exists and is more than an entry that nobody has read yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """A running cluster, while the block runs."""
    # Not inside the folder, which may be closed to the user that PostgreSQL runs as.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        cluster = Postgres(Path(home), folder)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database of that kind."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'touchstone.db'}"
        return
    with postgres(folder) as cluster:
        yield cluster.url
