"""`touchstone serve`: the web process, and a worker that it keeps alive."""

import errno
import importlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
import uvicorn
from sqlalchemy import Engine

from app.commands.configured import note_start
from app.commands.operator import operator
from app.database import open_database, transaction
from app.errors import SetupError
from app.main import create_app
from app.migrate import migrate
from app.settings import Settings, address_of, read_settings
from app.store.audit import note
from app.store.reviewers import bootstrap_admin

WORKER = (sys.executable, "-m", "app", "work")
FIRST_RESTART_SECONDS = 1.0
LONGEST_RESTART_SECONDS = 30.0
STOP_SECONDS = 20.0


def command(
    worker: Annotated[bool, typer.Option(help="Also run a worker beside the server.")] = True,
    warm: Annotated[
        bool,
        typer.Option(help="Load the judges of /api/v1/score now, not at the first such request."),
    ] = True,
) -> None:
    """Run the server and its worker.

    Example: TOUCHSTONE_PORT=8080 touchstone serve
    """
    settings = read_settings()
    engine = open_database(settings.database_url)
    migrate(engine)
    listener = _listen(settings)
    app = create_app(settings)
    _check_channels(settings)
    _greet(engine, settings, listener.getsockname()[1])
    supervisor = Supervisor((*WORKER, "--parent", str(os.getpid()))) if worker else None
    if supervisor is not None:
        supervisor.start()
    last = note_start(engine, settings, app.state.criteria, app.state.specs)
    # The application has connections of its own; one of these would stay open as long as it lives.
    engine.dispose()
    print(f"Audit log: {last.seq} entries; to prove it whole later, keep {last}", flush=True)
    if warm:
        app.state.score.warm()
    try:
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=10,
        )
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        if supervisor is not None:
            supervisor.stop()


class Supervisor:
    """Keeps one worker process alive: a dead one is started again, ever more slowly."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = list(arguments)
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep_alive, daemon=True)

    def start(self) -> None:
        """Start the worker and watch it."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the worker to finish its round; kill it when it takes too long."""
        self._stop.set()
        process = self._process
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join(STOP_SECONDS)

    def _keep_alive(self) -> None:
        pause = FIRST_RESTART_SECONDS
        while not self._stop.is_set():
            started = datetime.now(UTC)
            end = self._run()
            if self._stop.is_set():
                return
            lived = (datetime.now(UTC) - started).total_seconds()
            pause = FIRST_RESTART_SECONDS if lived > LONGEST_RESTART_SECONDS else pause
            print(f"touchstone: the worker {end}; again in {pause:.0f} s", flush=True)
            self._stop.wait(pause)
            pause = min(2 * pause, LONGEST_RESTART_SECONDS)

    def _run(self) -> str:
        """Run the worker until it ends; how it did, or why the system did not let it start."""
        try:
            self._process = subprocess.Popen(self._arguments)
        except OSError as error:
            return f"could not be started ({error.strerror})"
        return f"ended with code {self._process.wait()}"


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio switches Nagle's algorithm off, 40 ms a request, only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        remedy = (
            "stop the other server or set TOUCHSTONE_PORT to a free port"
            if error.errno == errno.EADDRINUSE
            else "set TOUCHSTONE_HOST to an address of this machine, TOUCHSTONE_PORT to one you may"
        )
        raise SetupError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}); {remedy}"
        ) from None
    return listener


def _check_channels(settings: Settings) -> None:
    """Raise SetupError for an address that means nothing, which would end every worker."""
    if settings.channels:
        # Imported only where reports are sent, so that the server stays light elsewhere.
        importlib.import_module("app.delivery").by_masked_name(settings.channels)


def _greet(engine: Engine, settings: Settings, port: int) -> None:
    address = address_of(settings.host, port)
    with transaction(engine) as session:
        now = datetime.now(UTC)
        token = bootstrap_admin(session, now=now)
        if token is not None:
            note(session, operator(), "reviewer.added", now=now, about="admin", role="admin")
    print(f"Touchstone listens on {address}", flush=True)
    if settings.open_access:
        print("Open access: keys and sign-in are off, on loopback only.", flush=True)
    elif token is not None:
        link = f"{settings.public_address or address}/sign-in?link={token}"
        print(f"First start: sign in once as admin at {link}", flush=True)
