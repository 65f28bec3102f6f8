"""A process apart that answers one message at a time, and can be ended at any moment."""

import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

END_SECONDS = 5.0


class Child:
    """A running process and our end of the pipe to it; `target` gets the far end first."""

    def __init__(self, target: Callable[..., None], *arguments: Any) -> None:
        # A forked child would share this process's threads' locks and database connections.
        spawn = multiprocessing.get_context("spawn")
        self.pipe, far_end = spawn.Pipe()
        self.process = spawn.Process(target=target, args=(far_end, *arguments), daemon=True)
        self.process.start()
        far_end.close()

    def receive(self, seconds: float) -> Any:
        """Its next message; TimeoutError when none comes in time, EOFError when it has died."""
        if not self.pipe.poll(seconds):
            raise TimeoutError(f"no answer within {seconds:g} s")
        return self.pipe.recv()

    def end(self) -> int | None:
        """End it, whatever it does; its exit code, which is minus the signal that ended it."""
        self.pipe.close()
        self.process.join(0.5)
        code = self.process.exitcode
        self.process.kill()
        self.process.join(END_SECONDS)
        return code


def answer_all(pipe: Connection, first: Any, answer: Callable[[Any], Any]) -> None:
    """Send the first message, then an answer to each that comes until the other end is gone."""
    with suppress(EOFError, ConnectionError):
        pipe.send(first)
        while True:
            pipe.send(answer(pipe.recv()))
