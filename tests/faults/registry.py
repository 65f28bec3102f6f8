"""The list of faults, and what each of them returns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

DATABASES = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True)
class World:
    """Where a fault happens: an empty folder, a kind of database, and how long it may go on."""

    folder: Path
    database: str
    full: bool

    def times(self, full: int, short: int) -> int:
        """How often to repeat something."""
        return full if self.full else short


@dataclass(slots=True)
class Found:
    """What was done and seen; `wrong` holds a sentence for each promise that was broken."""

    figures: dict[str, object] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def check(self, holds: bool, sentence: str) -> None:
        """Note the sentence, which says what should have been, unless it holds."""
        if not holds:
            self.wrong.append(sentence)


@dataclass(frozen=True, slots=True)
class Fault:
    number: str
    title: str
    promise: str
    run: Callable[[World], Found]
    databases: tuple[str, ...]


FAULTS: list[Fault] = []


def fault(
    number: str, title: str, promise: str, *, databases: tuple[str, ...] = ("sqlite",)
) -> Callable[[Callable[[World], Found]], Callable[[World], Found]]:
    """Register a function as the fault of that number."""

    def register(run: Callable[[World], Found]) -> Callable[[World], Found]:
        FAULTS.append(Fault(number, title, promise, run, databases))
        return run

    return register
