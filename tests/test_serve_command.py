"""`touchstone serve` refuses a wrong set-up before it listens, and keeps a worker alive."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.commands import serve
from app.commands.serve import Supervisor


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("DELIVER_TO", "nonsense", "is not an address that Apprise understands"),
        ("TARGETS", "politeness=5%", "a target is set for 'politeness'"),
        ("CALIBRATION", "none.toml", "cannot read none.toml"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_a_sentence(
    tmp_path: Path, setting: str, value: str, message: str
) -> None:
    own = {
        "TOUCHSTONE_DATABASE_URL": f"sqlite:///{tmp_path}/serve.db",
        "TOUCHSTONE_PORT": "0",
        f"TOUCHSTONE_{setting}": value,
    }
    done = subprocess.run(
        [sys.executable, "-m", "app", "serve"],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_a_worker_that_could_not_be_started_is_started_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve, "FIRST_RESTART_SECONDS", 0.01)
    program, ran = tmp_path / "worker", tmp_path / "ran"
    supervisor = Supervisor([str(program)])
    supervisor.start()
    deadline = time.monotonic() + 30
    while "could not be started (No such file" not in capfd.readouterr().out:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    program.write_text(f"#!{sys.executable}\nopen({str(ran)!r}, 'w')\n")
    program.chmod(0o700)
    while not ran.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    supervisor.stop()
