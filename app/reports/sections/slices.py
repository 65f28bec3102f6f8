"""Where it changed: every slice against its own usual rate, last week and the rest of the week."""

from collections.abc import Sequence
from operator import itemgetter

from app.reports import blocks
from app.reports.findings import (
    FALSE_DISCOVERY_RATE,
    LEAST_CHANGE_SLICE,
    LEAST_SLICE_N,
    Findings,
    Part,
    Place,
)
from app.reports.material import Material
from app.reports.numbers import counted, listed
from app.reports.pairs import Pair, find_pairs
from app.reports.phrases import capital, gap_sentence, lead_places, sample_words, slice_name
from app.reports.quiet import changed_within
from app.reports.tallies import Slice
from app.statistics.comparison import Comparison

PAIR_COLUMNS = ("Within", "And", "Both", "The rest within", "Difference", "Reading")
MOST_PAIRS = 8
MOST_ROWS = 12
READINGS = {
    "worse": ("Worse", "concern"),
    "still_worse": ("Still worse", "concern"),
    "gap": ("Worse than the rest", "concern"),
    "none": ("No clear difference", ""),
}


def section(material: Material) -> blocks.Section:
    """The slices with a finding and the largest other changes, as chart and table."""
    parts = _shown(material)
    content: list[blocks.Block] = []
    drawn = [part for part in parts if part.change is not None]
    if drawn:
        content.append(
            blocks.forest_chart(
                "Change by slice against its usual rate",
                "Percentage points with 95 percent intervals, the worst first.",
                [_forest_row(material, part) for part in drawn],
            )
        )
    if parts:
        rows = [_row(material, part) for part in parts]
        card = blocks.table(_columns(material), rows, caption="Slices compared")
        content.append(blocks.folded("The numbers, and the comparison with the rest", [card]))
    pairs = material.findings.pairs
    if pairs:
        content.append(_pair_table(material, pairs))
    if not content:
        content.append(blocks.text(_advice(material)))
    return blocks.section("slices", "Slices", heading(material), content, note=_note(material))


def section_within(material: Material, part: Slice) -> blocks.Section:
    """What else the answers of a slice share, each against the rest of the slice."""
    pairs = find_pairs(
        material.tallies,
        [(name, part) for name in material.names() if material.tallies.is_judged_alike(name)],
        level=FALSE_DISCOVERY_RATE,
        least=LEAST_CHANGE_SLICE,
    )
    content = [_pair_table(material, pairs)] if pairs else [blocks.text(_advice(material))]
    return blocks.section("slices", "Slices", _heading_within(material, part, pairs), content)


def _heading_within(material: Material, part: Slice, pairs: Sequence[Pair]) -> str:
    name = slice_name(part)
    first = next((pair for pair in pairs if pair.holds), None)
    if first is not None:
        failures = material.criteria.get(first.criterion).failures
        return f"Within {name}, {slice_name(first.other)} has more {failures} than the rest"
    if not pairs:
        return f"There are too few answers within {name} to compare slices"
    return f"Within {name} no other slice stands out"


def heading(material: Material) -> str:
    """Where a change sits, or that no slice changed."""
    findings = material.findings
    if not any(part.change for part in findings.parts):
        return _heading_alone(material)
    for event in findings.events:
        if event.about == "failing" and event.change == "worse":
            failures = material.criteria.get(event.criterion).failures
            return f"The rise of {failures} sits in {_seat(findings, event.criterion)}"
    worse = findings.places(None, "worse", once=True)
    if worse:
        failures = material.criteria.get(worse[0].criterion).failures
        return f"{capital(failures)} rose in {slice_name(worse[0].where)}"
    lasting = findings.places(None, "still_worse")
    if lasting:
        failures = material.criteria.get(lasting[0].criterion).failures
        name = slice_name(lasting[0].where)
        return f"No slice got worse; {name} still has more {failures} than usual"
    gaps = findings.places(None, "gap")
    if gaps:
        return f"No slice got worse. {gap_sentence(material, gaps[0]).removesuffix('.')}"
    return "No slice got worse" if findings.able_slices else _too_few(material)


def _heading_alone(material: Material) -> str:
    """What stands out against the rest, where nothing earlier can be held beside it."""
    gaps = material.findings.places(None, "gap")
    if gaps:
        return gap_sentence(material, gaps[0]).removesuffix(".")
    if not material.findings.able_slices:
        return _too_few(material)
    return "No slice stands out against the rest"


def _too_few(material: Material) -> str:
    """Why nothing can be said of slices: what was compared could not have shown a difference."""
    if changed := changed_within(material):
        return f"Slices are not compared: {changed}"
    if not material.findings.compared_slices:
        return "There are too few answers per slice to compare them"
    return "Too few answers fail for slices to be told apart"


def _seat(findings: Findings, criterion: str) -> str:
    """The slices in which a rise sits, and the part of the first in which it sits most."""
    places = lead_places(findings, criterion)
    if not places:
        return "no single slice"
    lead = findings.leads(criterion)[0].where
    within = [one for one in findings.pairs if (one.criterion, one.where) == (criterion, lead)]
    most = next((slice_name(pair.other) for pair in within if pair.holds), None)
    if most is None:
        return listed(places)
    return f"{listed([name for name in places if name != most])}, most of all in {most}"


def _pair_table(material: Material, pairs: Sequence[Pair]) -> blocks.Block:
    standing = [pair for pair in pairs if pair.holds]
    rows = [_pair_row(material, pair) for pair in pairs[: max(MOST_PAIRS, len(standing))]]
    number = counted(len(pairs), "comparison")
    sample = sample_words(material.tallies)
    caption = "; ".join(filter(None, [f"Two slices at once: {number}, corrected together", sample]))
    table = blocks.table(PAIR_COLUMNS, rows, caption=caption)
    return table if standing else blocks.folded(caption, [table])


def _pair_row(material: Material, pair: Pair) -> list[blocks.Cell]:
    tone = "concern" if pair.holds else ""
    title = material.criteria.get(pair.criterion).title.lower()
    reading = "Stands out" if pair.holds else "As the rest within"
    return [
        blocks.words(f"{capital(slice_name(pair.where))}: {title}"),
        blocks.words(slice_name(pair.other)),
        blocks.share(pair.share, tone=tone, is_supported=pair.holds),
        blocks.share(pair.rest, is_supported=pair.holds),
        blocks.difference(pair.gap, tone=tone),
        blocks.state(reading, tone),
    ]


def _columns(material: Material) -> list[str]:
    if not material.said.compares:
        return ["Slice", capital(material.said.this), "The rest", "Against the rest", "Reading"]
    this, last = capital(material.said.this), f"Against {material.said.last}"
    return ["Slice", this, "Usual", "Change", last, "Against the rest", "Reading"]


def _shown(material: Material) -> list[Part]:
    """All findings, then the largest rises; a table of noise helps nobody."""
    order: tuple[Place, ...] = ("worse", "still_worse", "gap")
    found = [part for verdict in order for part in material.findings.places(None, verdict)]
    of = _difference if material.said.compares else _gap
    rest = [
        (against.p_value, number, part)
        for number, part in enumerate(material.findings.parts)
        if part.verdict == "none" and (against := of(part)) is not None and against.p_value < 0.5
    ]
    shown = [*found, *(part for *_, part in sorted(rest, key=itemgetter(0, 1)))][
        : max(MOST_ROWS, len(found[:20]))
    ]
    return sorted(shown, key=lambda part: -(one.difference if (one := of(part)) else 0.0))


def _difference(part: Part) -> Comparison | None:
    return part.change


def _gap(part: Part) -> Comparison | None:
    return part.gap


def _label(material: Material, part: Part) -> str:
    return (
        f"{capital(slice_name(part.where))}: {material.criteria.get(part.criterion).title.lower()}"
    )


def _forest_row(material: Material, part: Part) -> blocks.Block:
    change = part.change
    assert change is not None
    return {
        "label": _label(material, part),
        "difference": change.difference,
        "low": change.interval.low,
        "high": change.interval.high,
        "n": part.course.now.n,
        "tone": _change_tone(part),
    }


def _change_tone(part: Part) -> str:
    return "" if part.verdict == "gap" else READINGS[part.verdict][1]


def _row(material: Material, part: Part) -> list[blocks.Cell]:
    tone = READINGS[part.verdict][1]
    is_supported = part.verdict != "none"
    if not material.said.compares:
        return [
            blocks.words(_label(material, part)),
            blocks.share(part.course.now, tone=tone, is_supported=is_supported),
            blocks.share(part.rest, is_supported=True),
            blocks.difference(part.gap, tone=tone),
            blocks.state(*READINGS[part.verdict]),
        ]
    new = f"new {material.said.this}; usual rate of all answers" if part.is_new else ""
    return [
        blocks.words(_label(material, part), new),
        blocks.share(part.course.now, tone=tone, is_supported=is_supported),
        blocks.share(part.reference, is_supported=True),
        blocks.difference(part.change, tone=_change_tone(part)),
        blocks.difference(part.course.against_last),
        blocks.difference(part.gap, tone=tone if part.verdict == "gap" else ""),
        blocks.state(*READINGS[part.verdict]),
    ]


def _note(material: Material) -> str:
    findings = material.findings
    if not findings.compared_slices:
        return ""
    comparisons = counted(findings.compared_slices, "comparison")
    unusual = ", leave the usual variation," if material.said.compares else ""
    return (
        f"{comparisons} of slices with at least {LEAST_SLICE_N} scored answers, "
        f"{findings.able_slices} of which could show a difference. Coloured rows hold after "
        f"correcting for all of these{unusual} and differ by at least "
        f"{round(100 * LEAST_CHANGE_SLICE)} percentage points. Slices overlap."
    )


def _advice(material: Material) -> str:
    if material.received:
        return (
            f"A slice is compared when it has at least {LEAST_SLICE_N} scored answers "
            f"{material.said.this}. Send segments such as language, release or user group with "
            "your traces to see more."
        )
    return "Nothing was received."
