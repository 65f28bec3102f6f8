"""`touchstone work` ends as it is told to, whatever its chores do."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAM = """
import atexit, threading
from app.commands.work import leave
atexit.register(print, "the interpreter ends")
chores = threading.Thread(target={chore}, daemon=True)
chores.start()
leave(chores)
"""


def output_of(chore: str) -> str:
    """What a program prints that leaves such a chore."""
    program = PROGRAM.format(chore=chore)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_worker_does_not_end_the_interpreter_over_a_chore_that_goes_on() -> None:
    assert output_of("threading.Event().wait") == ""
    assert output_of("int") == "the interpreter ends"
