"""What an evaluator's flags are worth beside what people say: one weighted table of four counts."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TwoByTwo:
    """Weighted counts: flagged and failing, flagged only, failing only, neither."""

    both: float
    only_flagged: float
    only_failing: float
    neither: float

    @property
    def total(self) -> float:
        return self.both + self.only_flagged + self.only_failing + self.neither

    @property
    def precision(self) -> float | None:
        """The share of flagged answers that fail."""
        return _share(self.both, self.only_flagged)

    @property
    def recall(self) -> float | None:
        """The share of failing answers that are flagged; also called sensitivity."""
        return _share(self.both, self.only_failing)

    @property
    def specificity(self) -> float | None:
        """The share of passing answers that are not flagged."""
        return _share(self.neither, self.only_flagged)

    @property
    def observed(self) -> float:
        """The share of agreement."""
        return (self.both + self.neither) / self.total

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa, 1960; None where one and the same label was used throughout."""
        flagged = (self.both + self.only_flagged) / self.total
        failing = (self.both + self.only_failing) / self.total
        return _beyond(self.observed, flagged * failing + (1 - flagged) * (1 - failing))

    @property
    def ac1(self) -> float | None:
        """Gwet's AC1, 2008; None for a single label."""
        mean = (2 * self.both + self.only_flagged + self.only_failing) / (2 * self.total)
        return None if mean in (0, 1) else _beyond(self.observed, 2 * mean * (1 - mean))


def two_by_two(items: Iterable[tuple[bool, bool, float]]) -> TwoByTwo:
    """The table of (flagged, fails, weight)."""
    sums = {(True, True): 0.0, (True, False): 0.0, (False, True): 0.0, (False, False): 0.0}
    for flagged, fails, weight in items:
        sums[flagged, fails] += weight
    return TwoByTwo(sums[True, True], sums[True, False], sums[False, True], sums[False, False])


def _share(part: float, rest: float) -> float | None:
    return part / (part + rest) if part + rest else None


def _beyond(observed: float, chance: float) -> float | None:
    return None if chance >= 1 - 1e-12 else (observed - chance) / (1 - chance)
