"""A database that goes away and comes back: each is told once, in words for the operator."""

import logging

from app.errors import Busy, SetupError, TouchstoneError

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0

logger = logging.getLogger("touchstone.database")


class Outage:
    """Tells once when the database goes away and once when it is back, and how long to wait."""

    def __init__(self, meanwhile: str) -> None:
        self.wait_seconds = 0.0
        self._meanwhile = meanwhile
        self._told: type[TouchstoneError] | None = None

    @property
    def is_on(self) -> bool:
        """Whether the last try failed."""
        return self._told is not None

    def note(self, error: Busy | SetupError) -> None:
        """Log what is the matter, where that is news, and wait longer than the last time."""
        self.wait_seconds = min(
            max(2 * self.wait_seconds, FIRST_WAIT_SECONDS), LONGEST_WAIT_SECONDS
        )
        if type(error) is not self._told:
            reason = error.reason if isinstance(error, Busy) else error.detail
            logger.warning("the database cannot be used: %s; %s", reason, self._meanwhile)
        self._told = type(error)

    def end(self) -> None:
        """Log that the database is back, if it was away."""
        if self.is_on:
            logger.warning("the database can be used again; the work goes on")
        self._told, self.wait_seconds = None, 0.0
