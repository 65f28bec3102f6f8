"""How far reviewers agree with each other, with themselves, and with the evaluators.

Only blind labels count: what was said with a score in view would flatter the evaluator. "Can't
tell" is a missing label. The evaluator's table is weighted by 1/p, so that it speaks of all answers
the samples were drawn from, not of the harder ones that a sample looks at more often. Intervals
come from drawing whole conversations again.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, TypeVar

from sqlmodel import Session, col, select

from app.criteria import Criteria, Criterion
from app.statistics.agreement import Agreement, agreement
from app.statistics.bootstrap import cluster_bootstrap, clusters_of
from app.statistics.intervals import Interval, wilson
from app.statistics.reliability import (
    effective_size,
    negative_share,
    nominal_alpha,
    pair_table,
    patterns_of,
    positive_share,
)
from app.statistics.two_by_two import TwoByTwo, two_by_two
from app.store.annotations import annotations_of
from app.store.evaluations import evaluations_of
from app.store.gold import CALIBRATION
from app.tables import Annotation, Interaction

Item = TypeVar("Item")
DRAWS = 1000
IDS_PER_QUERY = 500


class Estimate(NamedTuple):
    """A number and its 95 % interval; None where there is too little to say either."""

    value: float | None
    interval: Interval | None


class Said(NamedTuple):
    """A blind label beside the verdicts on the same answer."""

    interaction_id: str
    conversation: str
    reviewer: str
    label: str
    fails: bool | None
    """None for "can't tell"."""
    changed: bool
    inclusion_probability: float | None
    flags: Mapping[str, bool]
    """Per evaluator whether it let the answer fail."""


@dataclass(frozen=True, slots=True)
class Between:
    """How far different reviewers agree on the same answers."""

    answers: int
    """How many answers two or more people labelled."""
    alpha: Estimate
    observed: Estimate
    kappa: Estimate
    ac1: Estimate
    positive: Estimate
    negative: Estimate
    pairs: tuple[tuple[str, str, Agreement], ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """How far an evaluator agrees with the reviewers, weighted to all answers."""

    evaluator: str
    labels: int
    effective: float
    observed: Estimate
    kappa: Estimate
    ac1: Estimate
    recall: Estimate
    precision: Estimate
    specificity: Estimate


class Share(NamedTuple):
    """Some out of n."""

    some: int
    n: int

    @property
    def value(self) -> float:
        return self.some / self.n if self.n else 0.0

    @property
    def interval(self) -> Interval:
        return wilson(self.some, self.n)


@dataclass(frozen=True, slots=True)
class Measures:
    """What the blind labels of one criterion say."""

    criterion: Criterion
    labels: int
    unsure: Share
    changed: Share
    """Labels that were changed after the verdicts were shown."""
    repeated: Share
    """Labels that the same reviewer gave again when asked a second time."""
    between: Between
    judged: tuple[Judged, ...]
    unweighted: int
    """Labels on answers that no plan chose out of all; no evaluator is measured by them."""


def measure(
    session: Session, project: str, criteria: Criteria, *, queue_id: int | None = None
) -> list[Measures]:
    """The measures of every criterion with blind labels, of a project or of one of its queues."""
    said = read_said(session, project, criteria, queue_id=queue_id)
    return [measures_of(one, said[one.name]) for one in criteria if said.get(one.name)]


def read_said(
    session: Session, project: str, criteria: Criteria, *, queue_id: int | None = None
) -> dict[str, list[Said]]:
    """The blind labels that stand, per criterion, the oldest first."""
    wanted = select(Annotation.interaction_id).where(
        Annotation.project == project, col(Annotation.blind_label).is_not(None)
    )
    if queue_id is not None:
        wanted = wanted.where(Annotation.queue_id == queue_id)
    ids = sorted(set(session.exec(wanted)))
    conversations = _conversations(session, ids)
    labels, flags = annotations_of(session, ids), _flags(session, ids)
    rows = [row for one in ids for row in labels.get(one, [])]
    found: dict[str, list[Said]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.id or 0):
        known = row.criterion in criteria.by_name and row.blind_label is not None
        known = known and row.stratum != CALIBRATION
        if known and queue_id in (None, row.queue_id):
            verdicts = flags.get((row.interaction_id, row.criterion), {})
            conversation = conversations.get(row.interaction_id) or row.interaction_id
            found[row.criterion].append(_said(row, criteria, conversation, verdicts))
    return found


def first_labels(said: Sequence[Said]) -> list[Said]:
    """What every reviewer said of an answer when first asked."""
    return _occasions(said)[0]


def measures_of(criterion: Criterion, said: Sequence[Said]) -> Measures:
    """What these labels of one criterion say."""
    first, again = _occasions(said)
    sure = [one for one in first if one.fails is not None]
    drawn = [one for one in sure if 0 < (one.inclusion_probability or 0) <= 1]
    names = sorted({name for one in first for name in one.flags})
    return Measures(
        criterion=criterion,
        labels=len(first),
        unsure=Share(len(first) - len(sure), len(first)),
        changed=Share(sum(one.changed for one in first), len(first)),
        repeated=Share(sum(one.label == other.label for one, other in again), len(again)),
        between=_between(sure),
        judged=tuple(_judged(name, [one for one in drawn if name in one.flags]) for name in names),
        unweighted=len(sure) - len(drawn),
    )


def _said(
    row: Annotation, criteria: Criteria, conversation: str, flags: Mapping[str, bool]
) -> Said:
    fails = {label.name: label.fails for label in criteria.get(row.criterion).labels}
    label = row.blind_label or ""
    return Said(
        interaction_id=row.interaction_id,
        conversation=conversation,
        reviewer=row.reviewer,
        label=label,
        fails=fails.get(label),
        changed=row.final_label != label,
        inclusion_probability=row.inclusion_probability,
        flags=flags,
    )


def _occasions(said: Sequence[Said]) -> tuple[list[Said], list[tuple[Said, Said]]]:
    """The first label of every reviewer per answer, and the pairs of first and second ones."""
    first: dict[tuple[str, str], Said] = {}
    again: dict[tuple[str, str], tuple[Said, Said]] = {}
    for one in said:
        key = (one.interaction_id, one.reviewer)
        earlier = first.setdefault(key, one)
        if earlier is not one:
            again.setdefault(key, (earlier, one))
    return list(first.values()), list(again.values())


def _between(sure: Sequence[Said]) -> Between:
    units: dict[str, list[Said]] = defaultdict(list)
    for one in sure:
        units[one.interaction_id].append(one)
    twice = [unit for unit in units.values() if len(unit) > 1]
    clusters = clusters_of((unit[0].conversation, unit) for unit in twice)
    estimates = _estimates(clusters, _reviewer_statistics)
    alpha, observed, kappa, ac1, positive, negative = estimates
    pairs = tuple(_pairs(twice))
    return Between(len(twice), alpha, observed, kappa, ac1, positive, negative, pairs)


def _reviewer_statistics(units: Sequence[Sequence[Said]]) -> list[float | None]:
    labels = patterns_of([one.label for one in unit] for unit in units)
    table = pair_table(patterns_of([one.fails for one in unit] for unit in units))
    if not table.total:
        return [None] * 6
    shares = [positive_share(table), negative_share(table)]
    return [nominal_alpha(labels), table.observed, table.kappa, table.ac1, *shares]


def _pairs(units: Iterable[Sequence[Said]]) -> Iterable[tuple[str, str, Agreement]]:
    found: dict[tuple[str, str], list[tuple[Hashable, Hashable]]] = defaultdict(list)
    for unit in units:
        for one, other in combinations(sorted(unit, key=lambda said: said.reviewer), 2):
            found[one.reviewer, other.reviewer].append((one.label, other.label))
    for (one_name, other_name), pairs in sorted(found.items()):
        both = agreement(pairs)
        if both is not None:
            yield one_name, other_name, both


def _judged(evaluator: str, drawn: Sequence[Said]) -> Judged:
    def statistics(said: Sequence[Said]) -> list[float | None]:
        table = _table(evaluator, said)
        if not table.total:
            return [None] * 6
        shares = [table.recall, table.precision, table.specificity]
        return [table.observed, table.kappa, table.ac1, *shares]

    clusters = clusters_of((one.conversation, one) for one in drawn)
    weights = [1 / (one.inclusion_probability or 1) for one in drawn]
    return Judged(evaluator, len(drawn), effective_size(weights), *_estimates(clusters, statistics))


def _table(evaluator: str, said: Sequence[Said]) -> TwoByTwo:
    counts = Counter((one.flags[evaluator], one.fails, one.inclusion_probability) for one in said)
    return two_by_two(
        (flagged, bool(fails), times / (chance or 1))
        for (flagged, fails, chance), times in counts.items()
    )


def _estimates(
    clusters: Sequence[Sequence[Item]],
    statistics: Callable[[Sequence[Item]], Sequence[float | None]],
) -> list[Estimate]:
    values = statistics([one for some in clusters for one in some])
    intervals = cluster_bootstrap(clusters, statistics, draws=DRAWS)
    return [
        # Draws from answers that are all alike say nothing about the answers that were not seen.
        Estimate(value, interval if interval is not None and interval.width > 0 else None)
        for value, interval in zip(values, intervals, strict=True)
    ]


def _conversations(session: Session, ids: Sequence[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for start in range(0, len(ids), IDS_PER_QUERY):
        some = ids[start : start + IDS_PER_QUERY]
        query = select(Interaction.id, Interaction.conversation_id)
        rows = session.exec(query.where(col(Interaction.id).in_(some)))
        found |= {one: conversation for one, conversation in rows}
    return found


def _flags(session: Session, ids: Sequence[str]) -> dict[tuple[str, str], dict[str, bool]]:
    """What the newest version of each evaluator says, per answer and criterion."""
    found: dict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
    for one, rows in evaluations_of(session, ids).items():
        for row in rows:
            if row.status == "scored" and row.passed is not None:
                found[one, row.criterion][row.evaluator] = not row.passed
    return found
