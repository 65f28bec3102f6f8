"""How the period that numbers are about is called: a week in a report, a period on a live page."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """The words for a period and the one before it."""

    one: str
    last: str
    compares: bool = True
    """Whether anything stands beside the period."""

    @property
    def this(self) -> str:
        return f"this {self.one}"


WEEKLY = Wording("week", "last week")
LIVE = Wording("period", "the period before")
ALONE = Wording("period", "", compares=False)


def same_days(weeks: int) -> Wording:
    """The words for the same weekdays, so many weeks before."""
    before = "a week before" if weeks == 1 else f"{weeks} weeks before"
    return Wording("period", f"the same days {before}")
