"""The script for real clients, run as a program against a real server of the whole application."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn
from sqlalchemy import Engine

from app.criteria import Criteria
from app.settings import Settings
from app.worker import work_once
from tests.builders import FAKE_EVALUATORS
from tests.clients import an_app

SCRIPT = Path(__file__).parent / "real_clients" / "send_openai.py"
PATIENCE_SECONDS = 60


@contextmanager
def serving(settings: Settings, criteria: Criteria) -> Iterator[str]:
    """The URL of a real server on a free port, while the block runs."""
    config = uvicorn.Config(an_app(settings, criteria), port=0, log_level="error", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_real_clients_send_is_found(
    engine: Engine, settings: Settings, criteria: Criteria
) -> None:
    with serving(settings, criteria) as url:
        script = subprocess.Popen(
            [sys.executable, str(SCRIPT), "--endpoint", url],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while script.poll() is None:
            work_once(engine, FAKE_EVALUATORS, criteria, settings, now=lambda: datetime.now(UTC))
            time.sleep(0.2)
        output, _ = script.communicate()
    assert script.returncode == 0, output
    assert output.count(": found") == 3
