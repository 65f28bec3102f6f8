"""Coverage: what was received, what was judged, and why the rest was not."""

from collections import Counter
from collections.abc import Sequence

from app.reports import blocks
from app.reports.courses import Share
from app.reports.findings import Measure
from app.reports.labels import Label
from app.reports.material import Material, reasons_of
from app.reports.numbers import count, counted, listed, percent
from app.reports.phrases import measure_verdict

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


def section(material: Material) -> blocks.Section:
    """Received, scored, abstained, failed and pending per criterion, with reasons."""
    content: list[blocks.Block] = []
    if material.received:
        rows = [_row(material, name) for name in material.names()]
        content.append(_flow(material))
        content.append(
            blocks.table(_columns(material), rows, caption="Judged and not judged, per criterion")
        )
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
    pending = sum(material.tallies.of(name)[-1].pending for name in material.names())
    judged = sum(share.n for share in shares)
    if not judged:
        return f"None of the {counted(material.received, 'interaction')} has been judged yet"
    if pending:
        return f"{counted(pending, 'verdict')} of {material.said.this} are still to come"
    scored = 1 - sum(share.failing for share in shares) / judged
    received = counted(material.received, "interaction")
    if scored == 1:
        return f"Every verdict asked for was given, on {received}"
    return f"{percent(scored)} of the verdicts asked for were given, on {received}"


def _flow(material: Material) -> blocks.Block:
    tallies = [material.tallies.of(name)[-1] for name in material.names()]
    labelled = len({label.interaction_id for label in material.labels})
    return blocks.figures(
        [
            ("interactions received", material.received),
            ("scored on at least one criterion, at most", max(one.scored for one in tallies)),
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
