"""Drift: whether what comes in, and what the evaluators say of it, is distributed as before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.reports import blocks
from app.reports.material import Material
from app.reports.numbers import listed, percent
from app.reports.tallies import Slice
from app.statistics.distances import (
    aligned,
    expected_stability,
    jensen_shannon,
    kolmogorov_smirnov,
    population_stability,
)

MIXES = ("application", "language", "channel", "user_group", "model", "release", "prompt_version")
LEAST_N = 30
LEAST_WEEKS = 2
CLEAR = 3.0
"""How many times the index expected from chance a shift must reach …"""
LEAST_INDEX = 0.1
"""… and how large it must be in itself."""
COLUMNS = ("What", "PSI", "By chance", "Usual weeks", "JS", "KS", "Reading")


class Counts(NamedTuple):
    """The counts of one week over the same places."""

    week: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Shift:
    """How far a distribution of this week lies from that of earlier weeks."""

    name: str
    index: float
    by_chance: float
    usual: tuple[float, float] | None
    distance: float
    largest_step: float | None
    """Kolmogorov-Smirnov; None where the places have no order."""
    grown: str
    """What grew most, in words."""

    @property
    def is_clear(self) -> bool:
        beyond = self.usual is None or self.index > self.usual[1]
        return beyond and self.index > max(LEAST_INDEX, CLEAR * self.by_chance)


def section(material: Material) -> blocks.Section:
    """The mixes of traffic and the scores of each criterion, against the earlier weeks."""
    shifts = find_shifts(material)
    content: list[blocks.Block] = []
    if shifts:
        rows = [_row(shift) for shift in shifts]
        content.append(blocks.table(COLUMNS, rows, caption="Distance to the earlier weeks"))
    note = ""
    if shifts:
        note = (
            "Population stability index (PSI), Jensen–Shannon distance and, for scores, "
            f"Kolmogorov–Smirnov, against the earlier weeks together. Called a shift above "
            f"{CLEAR:g} times what chance gives, above {LEAST_INDEX:g}, and above every usual week."
        )
    else:
        content.append(blocks.text("Two earlier weeks show what is usual; there are fewer."))
    return blocks.section("drift", "Drift", heading(shifts), content, note=note)


def heading(shifts: Sequence[Shift]) -> str:
    """What shifted, or that nothing did."""
    if not shifts:
        return "There are too few weeks to know what usually comes in"
    clear = [shift for shift in shifts if shift.is_clear]
    if not clear:
        return "What came in looks like the weeks before"
    names = listed([shift.name.lower() for shift in clear[:3]])
    verb = "is" if len(clear[:3]) == 1 else "are"
    return f"The {names} {verb} not distributed as before"


def find_shifts(material: Material) -> list[Shift]:
    """One shift per mix of traffic and per criterion's scores, where enough is known."""
    found = [_shift(f"{key.replace('_', ' ')} mix", _mix(material, key), None) for key in MIXES]
    for criterion in material.criteria:
        weeks = [
            Counts(week, {f"{place:02d}": n for place, n in enumerate(histogram)})
            for week, histogram in material.histograms.get(criterion.name, {}).items()
        ]
        found.append(_shift(f"scores on {criterion.title.lower()}", weeks, material.last))
    return [shift for shift in found if shift is not None]


def _mix(material: Material, key: str) -> list[Counts]:
    """How many answers of each value of a segment had their turn, per week."""
    criterion = max(
        material.names(), key=lambda name: material.tallies.of(name)[-1].judged, default=""
    )
    weeks: list[dict[str, int]] = [{} for _ in material.tallies.weeks]
    for where, series in material.tallies.by_criterion.get(criterion, {}).items():
        if isinstance(where, Slice) and where.key == key:
            for week, tally in enumerate(series):
                if tally.judged:
                    weeks[week][where.value] = tally.judged
    return [Counts(week, counts) for week, counts in enumerate(weeks)]


def _shift(name: str, weeks: Sequence[Counts], ordered: int | None) -> Shift | None:
    known = [one for one in weeks if sum(one.counts.values()) >= LEAST_N]
    if len(known) < LEAST_WEEKS + 1 or known[-1] != weeks[-1]:
        return None
    now, earlier = known[-1].counts, [one.counts for one in known[:-1]]
    counts, reference = aligned(now, _sum(earlier))
    if len(counts) < 2:
        return None
    usual = [
        population_stability(*aligned(one, _sum([o for o in earlier if o is not one])))
        for one in earlier
    ]
    grown = max(now, key=lambda value: _share(now, value) - _share(_sum(earlier), value))
    return Shift(
        name=name[:1].upper() + name[1:],
        index=population_stability(counts, reference),
        by_chance=expected_stability(counts, reference),
        usual=(min(usual), max(usual)),
        distance=jensen_shannon(counts, reference),
        largest_step=kolmogorov_smirnov(counts, reference) if ordered is not None else None,
        grown=""
        if ordered is not None
        else f"{grown} {percent(_share(now, grown))}, was {percent(_share(_sum(earlier), grown))}",
    )


def _sum(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for value, n in one.items():
            total[value] = total.get(value, 0) + n
    return total


def _share(counts: Mapping[str, int], value: str) -> float:
    total = sum(counts.values())
    return counts.get(value, 0) / total if total else 0.0


def _row(shift: Shift) -> list[blocks.Cell]:
    usual = f"{shift.usual[0]:.2f} to {shift.usual[1]:.2f}" if shift.usual else "–"
    reading = "Shifted" if shift.is_clear else "As usual"
    return [
        blocks.words(shift.name, shift.grown if shift.is_clear else ""),
        blocks.coefficient(shift.index),
        blocks.coefficient(shift.by_chance),
        blocks.words(usual),
        blocks.coefficient(shift.distance),
        blocks.coefficient(shift.largest_step),
        blocks.state(reading, "concern" if shift.is_clear else ""),
    ]
