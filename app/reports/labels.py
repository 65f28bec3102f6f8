"""What reviewers said about the answers of some weeks, beside the evaluator's verdicts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col

from app.criteria import Criteria
from app.reports.samples import Days, are_whole, days_in, speaker_for
from app.reports.scope import Scope
from app.reports.tallies import Slice, Tallies
from app.reports.weeks import Period
from app.statistics.corrected_rate import Labelled
from app.store.gold import CALIBRATION
from app.store.reviews import speaks_of_all
from app.tables import Annotation, Evaluation, Interaction, ReviewQueue

IDS_PER_QUERY = 500


class Label(NamedTuple):
    """A reviewer's blind label beside the verdict on the same interaction."""

    interaction_id: str
    criterion: str
    reviewer: str
    fails: bool
    flagged: bool | None
    """Whether the evaluator let the answer fail; None where it gave no score."""
    inclusion_probability: float | None
    failing_score: float | None
    """How sure the evaluator is that the answer fails, in [0, 1]."""
    conversation: str
    week: int
    """The place of the week among the weeks of the tallies."""
    changed: bool
    """Whether the reviewer chose another label after seeing the verdict."""
    segments: Mapping[str, str]
    limits: tuple[Slice, ...] = ()
    """The places and days that its sample was drawn from, where these are not all that is looked
    at."""
    is_by_outcome: bool = False
    """Whether its queue left answers out by how they turned out, so that it measures nothing."""

    @property
    def is_drawn(self) -> bool:
        """Whether a sampling plan chose the interaction out of all, so that the label can be
        weighted."""
        chance = self.inclusion_probability
        return chance is not None and 0 < chance <= 1 and not self.limits

    def within(self, place: Slice) -> "Label":
        """The label where only the answers of a place are looked at."""
        return self._replace(limits=tuple(one for one in self.limits if one != place))


def read_labels(
    session: Session,
    scope: Scope,
    periods: Sequence[Period],
    chosen: Mapping[str, str],
    criteria: Criteria,
    tallies: Tallies,
) -> list[Label]:
    """The blind labels of all weeks that stand: the newest per interaction, criterion and reviewer.

    Labels that mean "can't tell" are left out, and those of weeks that another evaluator, version
    or threshold judged.
    """
    rows = session.execute(
        select(Annotation, Interaction)
        .join(Interaction, col(Interaction.id) == col(Annotation.interaction_id))
        .where(*scope.holds(), col(Annotation.blind_label).is_not(None))
        .where(col(Annotation.occasion) == 1, col(Annotation.stratum).is_distinct_from(CALIBRATION))
        .order_by(col(Annotation.id))
    ).all()
    replaced = {one.replaces_id for one, _ in rows}
    current = {
        (one.interaction_id, one.criterion, one.reviewer): (one, at)
        for one, at in rows
        if one.id not in replaced and not one.is_withdrawn
    }
    verdicts = _verdicts(session, {key[0] for key in current}, chosen)
    queues = _queues(session, scope)
    ends = [period.to_at for period in periods]
    days_of = cache(lambda id, week: days_in(session, scope, periods[week], queues.get(id)))
    found: list[_Sampled] = []
    for annotation, interaction in current.values():
        fails = _fails(criteria, annotation)
        week = _week_of(interaction.started_at, ends)
        if fails is not None and _is_comparable(tallies, annotation.criterion, week):
            verdict = verdicts.get((annotation.interaction_id, annotation.criterion))
            one = _label(annotation, interaction, fails, week, verdict, criteria)
            queue = queues.get(annotation.queue_id or 0)
            picked = queue is not None and not speaks_of_all(queue)
            one = one._replace(limits=_limits(queue, scope), is_by_outcome=picked)
            at, received_at = interaction.started_at, interaction.received_at
            found.append(_Sampled(one, at, received_at, days_of(annotation.queue_id, week)))
    return _with_one_sample_each(_of_whole_periods(session, scope, periods, found), tallies)


class _Sampled(NamedTuple):
    """A label, when its answer came and got here, and the days its sample was drawn from."""

    label: Label
    at: datetime
    received_at: datetime
    days: Days

    @property
    def pool(self) -> tuple[str, int, tuple[Slice, ...]]:
        return self.label.criterion, self.label.week, self.label.limits


def _of_whole_periods(
    session: Session, scope: Scope, periods: Sequence[Period], found: Sequence[_Sampled]
) -> list[Label]:
    """The labels; limited to their days where no samples together are of the whole period.

    Where samples overlap, the labels of one of them count.
    """
    pools: dict[tuple[str, int, tuple[Slice, ...]], set[Days]] = defaultdict(set)
    for one in found:
        if one.label.inclusion_probability is not None:
            pools[one.pool].add(one.days)
    asked = {(week, frozenset(days)) for (_, week, _), days in pools.items()}
    whole = {(week, days): are_whole(session, scope, periods[week], days) for week, days in asked}
    labels = []
    for one in found:
        days = pools.get(one.pool, set())
        counts = whole.get((one.label.week, frozenset(days)), False)
        is_ours = counts and speaker_for(one.at, one.received_at, days) == one.days
        labels.append(one.label if is_ours else _of_days(one))
    return labels


def _of_days(one: _Sampled) -> Label:
    limit = Slice("days", f"{one.days.from_at:%Y-%m-%d} to {one.days.to_at:%Y-%m-%d}")
    return one.label._replace(limits=(*one.label.limits, limit))


def _queues(session: Session, scope: Scope) -> dict[int | None, ReviewQueue]:
    queues = session.scalars(select(ReviewQueue).where(col(ReviewQueue.project) == scope.project))
    return {queue.id: queue for queue in queues}


def _limits(queue: ReviewQueue | None, scope: Scope) -> tuple[Slice, ...]:
    """The places that a queue was restricted to, beyond what the scope is."""
    asked = queue.filters.get("filter", {}) if queue is not None else {}
    named = {"application": asked.get("application"), "model": asked.get("model")}
    places = {**named, **asked.get("segments", {})}
    own = Slice("application", scope.application or "")
    limits = sorted(Slice(key, value) for key, value in places.items() if value)
    return tuple(one for one in limits if one != own)


def _with_one_sample_each(labels: Sequence[Label], tallies: Tallies) -> list[Label]:
    """The labels, those of a sample of each application without limits: together they are of all.

    Beside a sample of everything they would count their application twice.
    """
    pools: dict[tuple[str, int], set[tuple[Slice, ...]]] = defaultdict(set)
    for one in labels:
        if one.inclusion_probability is not None:
            pools[one.criterion, one.week].add(one.limits)
    whole = {
        (criterion, week)
        for (criterion, week), limits in pools.items()
        if () not in limits and _are_all(limits, _applications(tallies, criterion, week))
    }
    return [
        one._replace(limits=())
        if (one.criterion, one.week) in whole and _is_of_application(one.limits)
        else one
        for one in labels
    ]


def _are_all(limits: set[tuple[Slice, ...]], applications: Sequence[Slice]) -> bool:
    return bool(applications) and all((each,) in limits for each in applications)


def _applications(tallies: Tallies, criterion: str, week: int) -> list[Slice]:
    parts = tallies.by_criterion.get(criterion, {}).items()
    return [each for each, own in parts if each.key == "application" and own[week].scored]


def _is_of_application(limits: tuple[Slice, ...]) -> bool:
    return [each.key for each in limits] == ["application"]


def labels_by_criterion(labels: Iterable[Label]) -> dict[str, list[Label]]:
    """The labels of each criterion."""
    found: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        found[label.criterion].append(label)
    return dict(found)


def drawn_labels(labels: Sequence[Label]) -> list[Labelled]:
    """The first label of each interaction that was drawn with a known probability and scored."""
    drawn: dict[str, Labelled] = {}
    for label in labels:
        if label.is_drawn and label.flagged is not None:
            chance = label.inclusion_probability or 1.0
            drawn.setdefault(label.interaction_id, Labelled(label.flagged, label.fails, chance))
    return list(drawn.values())


def _label(
    annotation: Annotation,
    interaction: Interaction,
    fails: bool,
    week: int,
    verdict: tuple[bool, float] | None,
    criteria: Criteria,
) -> Label:
    flagged, score = verdict if verdict is not None else (None, None)
    if score is not None and criteria.get(annotation.criterion).higher_is_better:
        score = 1 - score
    parts = {"application": interaction.application, "model": interaction.model or ""}
    return Label(
        interaction_id=annotation.interaction_id,
        criterion=annotation.criterion,
        reviewer=annotation.reviewer,
        fails=fails,
        flagged=flagged,
        inclusion_probability=annotation.inclusion_probability,
        failing_score=score,
        conversation=interaction.conversation_id or interaction.id,
        week=week,
        changed=annotation.final_label != annotation.blind_label,
        segments={**parts, **interaction.segments},
    )


def _fails(criteria: Criteria, row: Annotation) -> bool | None:
    """Whether the label means failure; None for "can't tell" and for names no longer in use."""
    criterion = criteria.by_name.get(row.criterion)
    known = {label.name: label.fails for label in criterion.labels} if criterion else {}
    return known.get(row.blind_label or "")


def _week_of(at: datetime, ends: Sequence[datetime]) -> int:
    return next(number for number, end in enumerate(ends) if at < end)


def _is_comparable(tallies: Tallies, criterion: str, week: int) -> bool:
    return week == len(tallies.weeks) - 1 or tallies.comparable(criterion)[week]


def _verdicts(
    session: Session, interactions: Iterable[str], chosen: Mapping[str, str]
) -> dict[tuple[str, str], tuple[bool, float]]:
    """Whether the newest verdict of the evaluator that counts is a failure, and its score."""
    ids, found = sorted(interactions), dict[tuple[str, str], tuple[bool, float]]()
    for start in range(0, len(ids), IDS_PER_QUERY):
        rows = session.execute(
            select(Evaluation)
            .where(col(Evaluation.interaction_id).in_(ids[start : start + IDS_PER_QUERY]))
            .order_by(col(Evaluation.id))
        ).scalars()
        for row in rows:
            key = (row.interaction_id, row.criterion)
            if chosen.get(row.criterion) == row.evaluator:
                found.pop(key, None)
                if row.status == "scored" and row.score is not None:
                    found[key] = (row.passed is False, row.score)
    return found
