"""What an action rests on, so that the next report can tell whether it still holds."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from app.reports.tallies import Slice

Kind = Literal["worse", "unjudged", "slice", "target", "unlabelled", "wide", "off"]
"""Failures, gaps in judging or a slice worse than they should be; a missed target; no labels, or a
wide interval; scores that are off."""


class Cause(NamedTuple):
    """The kind of finding, and what it is about."""

    kind: Kind
    criteria: tuple[str, ...] = ()
    where: Slice | None = None
    size: float | None = None
    """Half the width of an interval that is to become half as wide."""

    def plain(self) -> dict[str, Any]:
        """As report.json holds it."""
        place = self.where
        return {
            "kind": self.kind,
            "criteria": list(self.criteria),
            "slice": None if place is None else {"key": place.key, "value": place.value},
            "size": self.size,
        }


class Miscalibrated(NamedTuple):
    """A criterion whose scores are not the probabilities that they look like."""

    criterion: str
    labels: int
    error: float
    """The expected calibration error."""
    refusal: str | None
    """Why `touchstone calibrate` would leave them as they are; None where it would mend them."""


def cause_of(plain: Mapping[str, Any]) -> Cause:
    """The cause that report.json holds."""
    place = plain["slice"]
    where = None if place is None else Slice(place["key"], place["value"])
    return Cause(plain["kind"], tuple(plain["criteria"]), where, plain["size"])
