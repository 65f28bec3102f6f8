"""Can we trust the evaluator: what people say about the same answers, and the corrected rate."""

from math import ceil

from app.criteria import Criterion
from app.reports import blocks
from app.reports.judgement import (
    LEAST_LABELS,
    Estimate,
    Judgement,
    corrected,
    judge,
    rogan_gladen_rate,
)
from app.reports.material import Material
from app.reports.numbers import count, counted, listed, percent
from app.reports.phrases import capital
from app.statistics.intervals import normal_quantile

WANTED_HALF_WIDTH = 0.05
CONFIDENCE = 0.95
RATE_COLUMNS = (
    "Criterion",
    "Labels",
    "Evaluator's rate",
    "Corrected rate",
    "Rogan–Gladen",
    "Labels to halve the interval",
)
TRUST_COLUMNS = (
    "Criterion",
    "Labels",
    "Agrees",
    "Kappa",
    "AC1",
    "Reviewers among themselves, alpha",
    "Precision",
    "Recall",
    "Calibration error",
)


def section(material: Material) -> blocks.Section:
    """The corrected rates, then how far evaluator and reviewers agree, then the calibration."""
    content: list[blocks.Block] = []
    judged = [found for name in material.names() if (found := judge(material, name))]
    if material.labels:
        rows = [_rate_row(material, criterion) for criterion in material.criteria]
        content.append(
            blocks.table(
                RATE_COLUMNS,
                rows,
                caption=f"Rates of {material.said.this}, corrected by its labels",
            )
        )
    if judged:
        rows = [_trust_row(material, found) for found in judged]
        content.append(blocks.table(TRUST_COLUMNS, rows, caption="Evaluator and reviewers"))
        content.extend(_calibration(material, judged))
    content.extend(blocks.text(words, style="note") for words in _advice(material))
    return blocks.section(
        "trust", "Trust", heading(material, judged), content, note=_note(material, judged)
    )


def heading(material: Material, judged: list[Judgement]) -> str:
    """Whether the evaluator agrees with reviewers as well as they do with each other."""
    if not material.labels and not judged:
        return f"Nobody has labelled answers of {material.said.this} yet"
    answers = counted(len({label.interaction_id for label in material.labels}), "answer")
    if not judged:
        # Measured by what it flagged, an evaluator would seem to miss nothing.
        picked = all(label.is_by_outcome for label in material.labels)
        why = "chosen by how they turned out, which measures nothing"
        return f"Reviewers labelled {answers}" + (
            f", {why}" if picked else ": too few to judge the evaluator"
        )
    wrong = [found for found in judged if _differs(material, found.criterion)]
    if wrong:
        names = listed([_title(material, found.criterion) for found in wrong])
        return f"The raw rate of {names} is not what reviewers find: use the corrected one"
    ceiling = [found for found in judged if _is_below_ceiling(found)]
    if ceiling:
        names = listed([_title(material, found.criterion) for found in ceiling])
        return f"On {names} the evaluator agrees with reviewers less than they do with each other"
    labels = sum(found.labels for found in judged)
    agreeing = sum((found.agreement.value or 0.0) * found.labels for found in judged)
    words = f"Reviewers agree with the evaluator in {percent(agreeing / labels)} of verdicts"
    twice = sum(found.labelled_twice for found in judged)
    if twice < LEAST_LABELS:
        return words
    agreed = sum(found.agreed_twice for found in judged)
    return f"{words}, and with each other in {percent(agreed / twice)}"


def _differs(material: Material, criterion: str) -> bool:
    """Whether labels exclude the raw rate, in an interval that is wide enough for all criteria of
    the report together (Bonferroni)."""
    compared = max(1, len(material.names()))
    fixed = corrected(material, criterion, 1 - (1 - CONFIDENCE) / compared)
    raw = material.findings.failing[criterion].course.now
    return fixed is not None and raw.rate is not None and not fixed.interval.holds(raw.rate)


def _is_below_ceiling(found: Judgement) -> bool:
    kappa, alpha = found.kappa.interval, found.alpha.interval
    return kappa is not None and alpha is not None and kappa.high < alpha.low


def _rate_row(material: Material, criterion: Criterion) -> list[blocks.Cell]:
    labels = [one for one in material.labels if one.criterion == criterion.name]
    fixed = corrected(material, criterion.name)
    second = rogan_gladen_rate(material, criterion.name)
    raw = material.findings.failing[criterion.name].course.now
    tone = "concern" if _differs(material, criterion.name) else ""
    return [
        blocks.words(criterion.title),
        blocks.number(len({label.interaction_id for label in labels})),
        blocks.share(raw, is_supported=True),
        blocks.estimate(fixed.rate, fixed.interval, fixed.labels, tone=tone)
        if fixed
        else blocks.words("too few to say"),
        blocks.estimate(second[0], second[1], raw.n, of="answers") if second else blocks.words("–"),
        blocks.words(_to_halve(material, criterion.name)),
    ]


def _to_halve(material: Material, criterion: str) -> str:
    fixed = corrected(material, criterion)
    if fixed is None:
        return "–"
    more = fixed.labels_to_halve
    return "more labels cannot" if more is None else f"{count(more)} more"


def _trust_row(material: Material, found: Judgement) -> list[blocks.Cell]:
    return [
        blocks.words(material.criteria.get(found.criterion).title),
        blocks.words(count(found.labels), f"{count(found.failing)} failing"),
        _rate(found.agreement, found.labels, "labels"),
        _coefficient(found.kappa),
        _coefficient(found.ac1),
        _coefficient(found.alpha),
        _rate(found.precision, found.flagged, "flagged"),
        _rate(found.recall, found.failing, "failing"),
        _coefficient(found.calibration_error),
    ]


def _coefficient(one: Estimate) -> blocks.Cell:
    return blocks.coefficient(one.value, one.interval)


def _rate(one: Estimate, n: int, of: str) -> blocks.Cell:
    if one.value is None or one.interval is None:
        return blocks.words("too few to say", f"{count(n)} {of}")
    return blocks.estimate(one.value, one.interval, n, of=of)


def _calibration(material: Material, judged: list[Judgement]) -> list[blocks.Block]:
    """The calibration of the criterion with most failing labels; the others are folded."""
    ordered = sorted(judged, key=lambda found: -found.failing)
    charts = [_chart(material, found) for found in ordered]
    parts = [charts[0]]
    if charts[1:]:
        parts.append(blocks.folded("Calibration of the other criteria", charts[1:]))
    return parts


def _chart(material: Material, found: Judgement) -> blocks.Block:
    failures = material.criteria.get(found.criterion).failures
    widest = max(found.bins, key=lambda one: one.n)
    error = found.calibration_error.value or 0.0
    return blocks.calibration_chart(
        f"{capital(failures)}: what the evaluator expects and what reviewers find",
        f"{counted(len(found.bins), 'range')} of scores; the commonest holds "
        f"{counted(widest.n, 'label')}, expected {percent(widest.mean_score)}, found "
        f"{percent(widest.share)}. Mean distance to the diagonal {error:.2f}.",
        [
            {
                "label": f"{one.low:.1f} to {one.high:.1f}",
                "rate": one.share,
                "low": one.interval.low,
                "high": one.interval.high,
                "n": one.n,
            }
            for one in found.bins
        ],
        [one.mean_score for one in found.bins],
    )


def _note(material: Material, judged: list[Judgement]) -> str:
    if not judged and not material.labels:
        return ""
    words = ["Labels given blind only, before the reviewer saw any score."]
    if judged:
        earlier = (
            f" and the earlier {material.said.one}s that the same evaluator judged at the same "
            "threshold"
        )
        words.append(
            f"Agreement, precision, recall and calibration come from {material.said.this}"
            f"{earlier if material.said.compares else ''}, weighted by 1/p to all answers; "
            "intervals are drawn over conversations."
        )
        words += _unweighted(material, judged)
    if material.labels and len(material.names()) > 1:
        words.append(
            "A raw rate is said to be off where labels exclude it even at the confidence that the "
            f"{len(material.names())} criteria need together (Bonferroni)."
        )
    changed = [one for one in material.labels if one.changed]
    if changed:
        share = percent(len(changed) / len(material.labels))
        words.append(f"{share} of labels were changed after the verdict was shown.")
    return " ".join(words)


def _unweighted(material: Material, judged: list[Judgement]) -> list[str]:
    names = [_title(material, found.criterion) for found in judged if not found.is_weighted]
    if not names:
        return []
    return [
        f"{capital(listed(names))}: not weighted, as no sampling plan chose these answers out of "
        "all; they may be harder or easier than the others."
    ]


def _advice(material: Material) -> list[str]:
    if not material.received:
        return []
    if not material.labels:
        needed = counted(_labels_for(material), "answer")
        return [
            "The rates above are the evaluator's alone. Make a review queue for "
            f"{material.said.this} and label about {needed} drawn at random, and the true rate "
            "stands with its interval beside them."
        ]
    uncorrected = [name for name in material.names() if corrected(material, name) is None]
    if not uncorrected:
        return []
    titles = ", ".join(_title(material, name) for name in uncorrected)
    return [
        f"{capital(titles)}: not corrected. This takes at least {LEAST_LABELS} blind labels from a "
        "review queue, which draws answers with a known probability, out of all that is looked at "
        "here or with one for each application, leaves no day out, and was made when all had come."
    ]


def _title(material: Material, criterion: str) -> str:
    return material.criteria.get(criterion).title.lower()


def _labels_for(material: Material) -> int:
    """Labels for an interval of ±5 points at the highest rate seen, at most all answers."""
    rates = [one.course.now.rate or 0.0 for one in material.findings.failing.values()]
    rate = min(0.5, max([0.05, *rates]))
    z = normal_quantile(0.95)
    wanted = ceil(z * z * rate * (1 - rate) / WANTED_HALF_WIDTH**2)
    drawn = ceil(wanted / (1 + wanted / max(1, material.received)))
    return min(material.received, max(LEAST_LABELS, drawn))
