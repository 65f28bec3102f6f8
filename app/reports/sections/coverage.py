"""Coverage: what was received, what was judged, and why the rest was not."""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

from app.reports import blocks
from app.reports.courses import Share
from app.reports.findings import LEAST_CHANGE_UNJUDGED, LEAST_N, Measure
from app.reports.labels import Label
from app.reports.material import Material, reasons_of
from app.reports.numbers import count, counted, listed, percent
from app.reports.phrases import capital, measure_verdict, slice_name
from app.reports.quiet import pending_words
from app.reports.tallies import EVERYTHING, Slice
from app.statistics.comparison import Comparison, compare_shares
from app.statistics.correction import adjust_discrete

MOST_WEAK = 5
LEVEL = 0.05

COLUMNS = (
    "Criterion",
    "Scored",
    "Abstained",
    "Failed",
    "Pending",
    "Not judged",
    "Usually",
    "Commonest reasons",
)


class Weak(NamedTuple):
    """A slice of which fewer answers could be judged than of all others together."""

    criterion: str
    where: Slice
    comparison: Comparison
    """Of the shares that could not be judged."""


def section(material: Material) -> blocks.Section:
    """Received, scored, abstained, failed and pending per criterion, with reasons."""
    content: list[blocks.Block] = []
    if material.received:
        rows = [_row(material, name) for name in material.names()]
        content.append(_flow(material))
        content.append(
            blocks.table(_columns(material), rows, caption="Judged and not judged, per criterion")
        )
        content += _weak_table(material)
        content += _work(material)
    empty = [f"{day:%a} {day.day} {day:%b}" for day, number in material.days if not number]
    if empty and material.received:
        content.append(
            blocks.text(f"No interaction was received on {listed(empty)}.", style="note")
        )
    note = "A missing score is never counted as a score of 0." if material.received else ""
    return blocks.section("coverage", "Coverage", heading(material), content, note=note)


def heading(material: Material) -> str:
    """Whether everything was judged, or what could not be."""
    if not material.received:
        return "Nothing was received"
    for event in material.findings.events:
        if event.about == "unjudged":
            return measure_verdict(material, event)
    shares = [one.course.now for one in material.findings.unjudged.values()]
    judged = sum(share.n for share in shares)
    if not judged and material.received == 1:
        return "The one interaction has not been judged yet"
    if not judged:
        return f"None of the {counted(material.received, 'interaction')} has been judged yet"
    if pending := pending_words(material):
        return pending
    scored = 1 - sum(share.failing for share in shares) / judged
    received = counted(material.received, "interaction")
    if scored == 1:
        return f"Every verdict asked for was given, on {received}"
    given = f"{percent(scored)} of the verdicts asked for were given, on {received}"
    for weak in find_weak(material)[:1]:
        return f"{given}; fewest of {slice_name(weak.where)}"
    return given


def find_weak(material: Material) -> list[Weak]:
    """The slices of which clearly fewer answers were judged than of the others, weakest first.

    The difference is as large as counts for a whole criterion, and holds after the correction for
    the number of slices.
    """
    known = list(_slices(material))
    above = [one.comparison.p_above for one in known]
    adjusted = adjust_discrete(above, [one.comparison.least_p_above for one in known], LEVEL)
    found = [
        one
        for one, p_value in zip(known, adjusted, strict=True)
        if p_value is not None
        and p_value < LEVEL
        and one.comparison.difference >= LEAST_CHANGE_UNJUDGED
    ]
    return sorted(found, key=lambda one: -one.comparison.difference)


def _slices(material: Material) -> Iterator[Weak]:
    for criterion in material.names():
        tallies = material.tallies.of(criterion)
        for where, weeks in material.tallies.by_criterion.get(criterion, {}).items():
            own, rest = weeks[-1], tallies[-1].judged - weeks[-1].judged
            if where == EVERYTHING or own.judged < LEAST_N:
                continue
            others = tallies[-1].unjudged - own.unjudged
            comparison = compare_shares(own.unjudged, own.judged, others, rest)
            if comparison is not None:
                yield Weak(criterion, where, comparison)


def _weak_table(material: Material) -> list[blocks.Block]:
    rows = [_weak_row(material, weak) for weak in find_weak(material)[:MOST_WEAK]]
    columns = ("Slice", "Criterion", "Not judged", "Elsewhere", "Difference", "Answers labelled")
    caption = "Slices of which fewest answers were judged"
    return [blocks.table(columns, rows, caption=caption)] if rows else []


def _weak_row(material: Material, weak: Weak) -> list[blocks.Cell]:
    found = weak.comparison
    own = Share(found.failing, found.n)
    labelled = {one.interaction_id for one in material.labels if _lies_in(one, weak.where)}
    return [
        blocks.words(capital(slice_name(weak.where))),
        blocks.words(material.criteria.get(weak.criterion).title),
        blocks.share(own, tone="concern", is_supported=True),
        blocks.share(Share(found.other_failing, found.other_n), is_supported=True),
        blocks.difference(found, tone="concern"),
        blocks.number(len(labelled)),
    ]


def _lies_in(label: Label, where: Slice) -> bool:
    return label.segments.get(where.key) == where.value


def _work(material: Material) -> list[blocks.Block]:
    work = material.review_work
    if work is None or not work.reviewers:
        return []
    words = f"{capital(counted(work.reviewers, 'reviewer'))} labelled"
    if work.median_seconds is not None:
        seconds = counted(ceil(work.median_seconds), "second")
        words += f"; half of their turns took at most {seconds}"
    skipped, decided = counted(work.skipped, "turn"), counted(work.adjudicated, "label")
    words += f". They skipped {skipped}, and a lead decided {decided}."
    return [blocks.text(words, style="note")]


def _flow(material: Material) -> blocks.Block:
    tallies = [material.tallies.of(name)[-1] for name in material.names()]
    labelled = len({label.interaction_id for label in material.labels})
    return blocks.figures(
        [
            ("interactions received", material.received),
            ("scored on any one criterion, at most", max(one.scored for one in tallies)),
            ("verdicts withheld or failed", sum(one.unjudged for one in tallies)),
            ("answers labelled by people", labelled),
            ("labels given twice", given_twice(material.labels)),
        ]
    )


def given_twice(labels: Sequence[Label]) -> int:
    """How many answers have labels of one criterion by more than one reviewer."""
    given = {(one.interaction_id, one.criterion, one.reviewer) for one in labels}
    reviewers = Counter((interaction_id, criterion) for interaction_id, criterion, _ in given)
    return sum(number > 1 for number in reviewers.values())


def _columns(material: Material) -> list[str]:
    return [name for name in COLUMNS if name != "Usually" or material.said.compares]


def _row(material: Material, criterion: str) -> list[blocks.Cell]:
    tally = material.tallies.of(criterion)[-1]
    measure: Measure = material.findings.unjudged[criterion]
    usual = measure.course.usual if measure.course.usual.n else None
    compared = [blocks.share(usual, is_supported=True)] if material.said.compares else []
    reasons = reasons_of(material, criterion)
    words = "; ".join(f"{reason.words} ({count(reason.n)})" for reason in reasons)
    tone = "concern" if measure.change in ("worse", "still_worse") else ""
    return [
        blocks.words(material.criteria.get(criterion).title),
        blocks.number(tally.scored),
        blocks.number(tally.abstained),
        blocks.number(tally.failed),
        blocks.number(tally.pending),
        blocks.share(Share(tally.unjudged, tally.judged), tone=tone, is_supported=True),
        *compared,
        blocks.words("", words or "none"),
    ]
