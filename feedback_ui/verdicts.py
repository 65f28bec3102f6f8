"""Evaluations as people read them: an icon, a word, and whether a reviewer said otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.criteria import Criteria, Criterion
from app.tables import Annotation, Evaluation

UNSCORED: Mapping[str, tuple[str, str]] = {
    "pending": ("wa", "waiting"),
    "running": ("wa", "waiting"),
    "abstained": ("da", "cannot say"),
    "failed": ("ex", "could not be scored"),
    "skipped": ("da", "skipped"),
}


@dataclass(frozen=True, slots=True)
class ShownVerdict:
    """An evaluation with the icon and word that stand for it."""

    row: Evaluation
    criterion: Criterion
    kind: str
    """`pass`, `fail`, or `none` without a score."""
    icon: str
    word: str
    differs: bool = False
    """Whether a reviewer's label says the opposite."""

    @property
    def number(self) -> str:
        return f", {self.row.score:.2f}" if self.row.score is not None else ""


@dataclass(frozen=True, slots=True)
class ShownAnnotation:
    """A reviewer's label with its title."""

    row: Annotation
    criterion: Criterion
    title: str


def shown_verdicts(rows: Sequence[Evaluation], criteria: Criteria) -> list[ShownVerdict]:
    """The newest verdict of every evaluator, in the order of the criteria."""
    newest = {(row.criterion, row.evaluator): row for row in rows}
    return [
        shown_verdict(row, criterion)
        for criterion in criteria
        for row in newest.values()
        if row.criterion == criterion.name
    ]


def shown_verdict(row: Evaluation, criterion: Criterion, label: str | None = None) -> ShownVerdict:
    """The verdict, compared with a reviewer's label where one is given."""
    if row.status != "scored" or row.passed is None:
        icon, word = UNSCORED.get(row.status, ("qm", row.status))
        return ShownVerdict(row, criterion, "none", icon, word)
    fails = criterion.label(label).fails if label is not None else None
    differs = fails is not None and fails == row.passed
    word = title_of(criterion, row.label or "")
    if row.passed:
        return ShownVerdict(row, criterion, "pass", "ok", word, differs)
    return ShownVerdict(row, criterion, "fail", "no", word, differs)


def shown_annotations(rows: Sequence[Annotation], criteria: Criteria) -> list[ShownAnnotation]:
    """Reviewers' labels, in the order of the criteria."""
    return [
        ShownAnnotation(row, criterion, title_of(criterion, row.final_label))
        for criterion in criteria
        for row in rows
        if row.criterion == criterion.name
    ]


def title_of(criterion: Criterion, name: str) -> str:
    """The title of a label, or its name with a capital where only evaluators use it."""
    titles = {label.name: label.title for label in criterion.labels}
    return titles.get(name, name[:1].upper() + name[1:])
