"""Can we trust the evaluator: what people say about the same answers, and the corrected rate."""

from collections import defaultdict
from collections.abc import Sequence
from math import ceil

from app.criteria import Criterion
from app.reports import blocks
from app.reports.courses import Share
from app.reports.material import Label, Material, labels_by_criterion
from app.reports.numbers import counted, percent
from app.reports.phrases import capital
from app.statistics.agreement import Agreement, agreement, krippendorff_alpha
from app.statistics.corrected_rate import CorrectedRate, Labelled, prediction_powered_rate
from app.statistics.intervals import normal_quantile

LEAST_LABELS = 20
"""Fewer labels are counted, but no rate is corrected by them."""
WANTED_HALF_WIDTH = 0.05
COLUMNS = (
    "Criterion",
    "Labelled",
    "Evaluator agrees",
    "Kappa",
    "AC1",
    "Reviewers among themselves, alpha",
    "Evaluator's rate",
    "Corrected rate",
)


def section(material: Material) -> blocks.Section:
    """Agreement from blind labels, and the failure rate corrected by them."""
    labels = labels_by_criterion(material)
    content: list[blocks.Block] = []
    if labels:
        rows = [
            _row(material, criterion, labels[criterion.name])
            for criterion in material.criteria
            if criterion.name in labels
        ]
        content.append(blocks.table(COLUMNS, rows, caption="Evaluator and reviewers"))
    content.extend(blocks.text(words, style="note") for words in _advice(material, labels))
    note = "Labels given blind only, before the reviewer saw any score." if labels else ""
    return blocks.section("reviewers", "Reviewers", heading(material), content, note=note)


def heading(material: Material) -> str:
    """How many answers people labelled, and how far the evaluator agrees with them."""
    if not material.labels:
        return "Nobody has labelled answers of this week yet"
    answers = counted(len({label.interaction_id for label in material.labels}), "answer")
    pairs = [(label.flagged, label.fails) for label in material.labels if label.flagged is not None]
    found = agreement(pairs)
    if found is None or found.n < LEAST_LABELS:
        return f"Reviewers labelled {answers}: too few to judge the evaluator"
    agreed = percent(found.observed)
    return f"Reviewers labelled {answers} and agree with the evaluator in {agreed} of verdicts"


def corrected(material: Material, criterion: str, labels: Sequence[Label]) -> CorrectedRate | None:
    """The failure rate corrected by labels drawn with known probability, if there are enough."""
    share = material.findings.failing[criterion].course.now
    drawn: dict[str, Labelled] = {}
    for label in labels:
        chance = label.inclusion_probability
        if label.flagged is not None and chance is not None and 0 < chance <= 1:
            item = Labelled(label.flagged, label.fails, chance)
            drawn.setdefault(label.interaction_id, item)
    if len(drawn) < LEAST_LABELS:
        return None
    return prediction_powered_rate(share.failing, share.n, list(drawn.values()))


def _row(material: Material, criterion: Criterion, labels: Sequence[Label]) -> list[blocks.Cell]:
    pairs = [(label.flagged, label.fails) for label in labels if label.flagged is not None]
    found: Agreement | None = agreement(pairs)
    agreeing = Share(found.agreeing, found.n) if found else None
    fixed = corrected(material, criterion.name, labels)
    return [
        blocks.words(criterion.title),
        blocks.number(len({label.interaction_id for label in labels})),
        blocks.share(agreeing),
        blocks.coefficient(found.kappa if found else None),
        blocks.coefficient(found.ac1 if found else None),
        blocks.coefficient(_among_reviewers(labels)),
        blocks.share(material.findings.failing[criterion.name].course.now, is_supported=True),
        blocks.estimate(fixed.rate, fixed.interval, fixed.labels)
        if fixed
        else blocks.words("too few to say"),
    ]


def _among_reviewers(labels: Sequence[Label]) -> float | None:
    units: dict[str, list[bool]] = defaultdict(list)
    for label in labels:
        units[label.interaction_id].append(label.fails)
    return krippendorff_alpha(list(units.values()))


def _advice(material: Material, labels: dict[str, list[Label]]) -> list[str]:
    if not material.received:
        return []
    if not labels:
        needed = _labels_for(material, material.names())
        return [
            "The rates above are the evaluator's alone. Make a review queue for this week and "
            f"label about {needed} answers drawn at random, and the next edition shows the true "
            "rate with its interval beside them."
        ]
    uncorrected = [
        name for name in material.names() if corrected(material, name, labels.get(name, [])) is None
    ]
    if not uncorrected:
        return []
    titles = ", ".join(material.criteria.get(name).title.lower() for name in uncorrected)
    return [
        f"{capital(titles)}: not corrected. This takes at least {LEAST_LABELS} blind labels from a "
        "review queue, which draws answers with a known probability."
    ]


def _labels_for(material: Material, criteria: Sequence[str]) -> int:
    """Labels for an interval of ±5 points at the highest rate seen, at most all answers."""
    rates = [material.findings.failing[name].course.now.rate or 0.0 for name in criteria]
    rate = min(0.5, max([0.05, *rates]))
    z = normal_quantile(0.95)
    wanted = ceil(z * z * rate * (1 - rate) / WANTED_HALF_WIDTH**2)
    drawn = ceil(wanted / (1 + wanted / max(1, material.received)))
    return min(material.received, max(LEAST_LABELS, drawn))
