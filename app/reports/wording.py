"""How the period that numbers are about is called: a week in a report, a period on a live page."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """The words for a period and the one before it."""

    one: str
    last: str

    @property
    def this(self) -> str:
        return f"this {self.one}"


WEEKLY = Wording("week", "last week")
LIVE = Wording("period", "the period before")
