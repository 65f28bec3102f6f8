"""Drift: whether what comes in, and what the evaluators say of it, is distributed as before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from app.reports import blocks
from app.reports.material import Material
from app.reports.numbers import listed, percent
from app.reports.tallies import Slice
from app.statistics.correction import holm
from app.statistics.distances import (
    aligned,
    expected_stability,
    jensen_shannon,
    kolmogorov_smirnov,
    merged,
    population_stability,
    stability_p_value,
)

MIXES = ("application", "language", "channel", "user_group", "region", "model")
"""Releases and prompts change on purpose; they are compared as slices."""
LEAST_N = 30
LEAST_WEEKS = 2
CLEAR_AUROC = 0.65
LEVEL = 0.01
"""The chance that any of the distributions is called shifted when none is (Holm) …"""
LEAST_INDEX = 0.1
"""… and how large a shift must be in itself."""
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
    p_value: float
    adjusted_p: float = 1.0

    @property
    def is_clear(self) -> bool:
        beyond = self.usual is None or self.index > self.usual[1]
        return beyond and self.index > LEAST_INDEX and self.adjusted_p <= LEVEL


def section(material: Material) -> blocks.Section:
    """The mixes of traffic and the scores of each criterion, against the earlier weeks."""
    shifts = find_shifts(material)
    content: list[blocks.Block] = []
    if shifts:
        rows = [*map(_row, shifts), *_study_rows(material)]
        content.append(blocks.table(COLUMNS, rows, caption="Distance to the earlier weeks"))
    note = ""
    if shifts:
        note = (
            "Population stability index (PSI), Jensen–Shannon distance and, for scores, "
            "Kolmogorov–Smirnov, against the earlier weeks together. Called a shift when it is "
            f"above every usual week, above {LEAST_INDEX:g}, and chance would give one in "
            f"{100 * LEVEL:g} % of reports at most (Holm)."
        )
    else:
        content.append(blocks.text(_advice(material)))
    return blocks.section("drift", "Drift", heading(material, shifts), content, note=note)


def heading(material: Material, shifts: Sequence[Shift]) -> str:
    """What shifted, or that nothing did."""
    changed = _changed_evaluators(material)
    if changed:
        return f"The evaluator of {listed(changed)} does not score as last week: compare with care"
    if not shifts and material.weeks_with_data >= LEAST_WEEKS:
        return "Too little came in to compare it with the weeks before"
    if not shifts:
        return "There are too few weeks to know what usually comes in"
    clear = [shift for shift in shifts if shift.is_clear]
    if not clear:
        return "What came in looks like the weeks before"
    names = listed([shift.name.lower() for shift in clear[:3]])
    verb = "is" if len(clear) == 1 and names.endswith("mix") else "are"
    return f"The {names} {verb} not distributed as before"


def _advice(material: Material) -> str:
    if material.weeks_with_data >= LEAST_WEEKS:
        return f"It takes {LEAST_N} answers this week and in {LEAST_WEEKS} comparable weeks before."
    return "Two earlier weeks show what is usual; there are fewer."


def find_shifts(material: Material) -> list[Shift]:
    """One shift per mix of traffic and per criterion's scores, where enough is known."""
    found = [_shift(f"{key.replace('_', ' ')} mix", _mix(material, key), None) for key in MIXES]
    for criterion in material.criteria:
        weeks = [
            Counts(week, {f"{place:02d}": n for place, n in enumerate(histogram)})
            for week, histogram in material.histograms.get(criterion.name, {}).items()
        ]
        found.append(_shift(f"scores on {criterion.title.lower()}", weeks, material.last))
    known = [shift for shift in found if shift is not None]
    adjusted = holm([shift.p_value for shift in known])
    return [replace(shift, adjusted_p=p) for shift, p in zip(known, adjusted, strict=True)]


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
    counts, reference = merged(*aligned(now, _sum(earlier)))
    if len(counts) < 2:
        return None
    usual = [
        population_stability(*merged(*aligned(one, _sum([o for o in earlier if o is not one]))))
        for one in earlier
    ]
    grown = max(now, key=lambda value: _share(now, value) - _share(_sum(earlier), value))
    return Shift(
        name=name[:1].upper() + name[1:],
        index=population_stability(counts, reference),
        p_value=stability_p_value(counts, reference),
        by_chance=expected_stability(counts, reference),
        usual=(min(usual), max(usual)),
        distance=jensen_shannon(counts, reference),
        largest_step=kolmogorov_smirnov(counts, reference) if ordered is not None else None,
        grown=""
        if ordered is not None
        else f"{grown} {percent(_share(now, grown))}, was {percent(_share(_sum(earlier), grown))}",
    )


def _study_rows(material: Material) -> list[list[blocks.Cell]]:
    """What the worker found: questions told apart by their vectors, and steady evaluators."""
    rows = []
    questions = (material.study or {}).get("questions")
    if questions:
        clear = questions["auroc"] >= CLEAR_AUROC and questions["p_value"] <= 0.01
        words = (
            f"{questions['n']} questions against {questions['reference']} earlier ones: a "
            f"classifier tells them apart with AUROC {questions['auroc']:.2f} (0.5 is not at all)"
        )
        rows.append(_text_row("Topics of questions", words, clear))
    if (material.study or {}).get("swaps") and (material.earlier_study or {}).get("swaps"):
        changed = _changed_evaluators(material)
        words = "Scores of fixed texts against last week's, to four decimals"
        rows.append(_text_row("Evaluators on fixed texts", words, bool(changed)))
    return rows


def _text_row(name: str, words: str, clear: bool) -> list[blocks.Cell]:
    dashes = [blocks.words("–") for _ in range(5)]
    reading = blocks.state("Shifted" if clear else "As usual", "concern" if clear else "")
    return [blocks.words(name, words), *dashes, reading]


def _changed_evaluators(material: Material) -> list[str]:
    """The criteria whose evaluator keeps its version but not its scores on fixed texts."""
    before = {
        (one["evaluator"], one["version"]): one["digest"]
        for one in (material.earlier_study or {}).get("swaps", [])
    }
    return [
        material.criteria.get(one["criterion"]).title.lower()
        for one in (material.study or {}).get("swaps", [])
        if before.get((one["evaluator"], one["version"]), one["digest"]) != one["digest"]
    ]


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
