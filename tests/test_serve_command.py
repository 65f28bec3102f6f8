"""`touchstone serve` refuses a wrong set-up before it says that it listens."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


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
