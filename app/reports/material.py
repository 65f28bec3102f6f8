"""Everything that a report of a week is made from, read once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import case, func, select
from sqlmodel import Session, col

from app.criteria import Criteria, Criterion
from app.reports.findings import Findings, find
from app.reports.histograms import read_histograms
from app.reports.labels import Label, read_labels
from app.reports.tallies import (
    EARLIER_WEEKS,
    Scope,
    Tallies,
    count_weeks,
    main_evaluators,
    newest_rows,
    scope_of,
)
from app.reports.weeks import days_of, weeks_up_to
from app.store.deliveries import troubled_deliveries
from app.store.studies import load_study
from app.tables import Evaluation, Interaction

EXAMPLES_READ = 12


class Reason(NamedTuple):
    """Why some answers could not be judged."""

    criterion: str
    status: str
    words: str
    n: int


class Judge(NamedTuple):
    """Who judged a criterion this week, and how often."""

    criterion: str
    evaluator: str
    version: str
    weights_digest: str | None
    calibration: str | None
    threshold: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Material:
    """What is known about a week and the weeks before it."""

    project: str
    application: str | None
    week: str
    time_zone: str
    criteria: Criteria
    tallies: Tallies
    findings: Findings
    days: tuple[tuple[date, int], ...]
    reasons: tuple[Reason, ...]
    judges: tuple[Judge, ...]
    labels: tuple[Label, ...]
    """Blind labels of answers of this week."""
    earlier_labels: tuple[Label, ...]
    """Those of the weeks before that the same evaluators judged."""
    failures: dict[str, list[tuple[Evaluation, Interaction]]]
    study: dict[str, Any] | None
    """What a worker found in the texts of the week, if one looked."""
    earlier_study: dict[str, Any] | None
    troubles: tuple[str, ...]
    """Deliveries of earlier weeks' reports that have not arrived, in words."""
    histograms: dict[str, dict[int, list[int]]]
    """Per criterion and comparable week how many scores lie in each of twenty equal bins."""

    @property
    def received(self) -> int:
        return self.tallies.received[-1]

    @property
    def weeks_with_data(self) -> int:
        """How many weeks before this one have interactions."""
        return sum(number > 0 for number in self.tallies.received[:-1])

    @property
    def last(self) -> int:
        """The place of this week among the weeks of the tallies."""
        return len(self.tallies.weeks) - 1

    def names(self) -> list[str]:
        return list(self.criteria.by_name)


def read_material(
    session: Session,
    *,
    project: str,
    criteria: Criteria,
    week: str,
    application: str | None,
    time_zone: str,
) -> Material:
    """Read a week and up to twelve weeks before it."""
    names = list(criteria.by_name)
    weeks = weeks_up_to(week, EARLIER_WEEKS)
    scope = scope_of(project, application, [week], time_zone)
    everything = scope_of(project, application, weeks, time_zone)
    chosen = main_evaluators(session, everything, since=scope.from_at, criteria=names)
    tallies = count_weeks(
        session,
        project=project,
        application=application,
        weeks=weeks,
        time_zone=time_zone,
        evaluators=chosen,
    )
    labels = read_labels(session, everything, chosen, criteria, tallies)
    return Material(
        project=project,
        application=application,
        week=week,
        time_zone=time_zone,
        criteria=criteria,
        tallies=tallies,
        findings=find(tallies, names),
        days=_days(session, scope, week, time_zone),
        reasons=_reasons(session, scope, chosen),
        judges=_judges(session, scope, chosen),
        labels=tuple(one for one in labels if one.week == len(weeks) - 1),
        earlier_labels=tuple(one for one in labels if one.week < len(weeks) - 1),
        study=load_study(session, project, week=week, application=application),
        earlier_study=load_study(session, project, week=weeks[-2], application=application),
        troubles=_troubles(session, project, week),
        histograms=read_histograms(session, everything, chosen, tallies),
        failures={each.name: _failures(session, scope, chosen, each) for each in criteria},
    )


def _days(
    session: Session, scope: Scope, week: str, time_zone: str
) -> tuple[tuple[date, int], ...]:
    days = days_of(week, time_zone)
    branches = [
        (col(Interaction.started_at) < end, place) for place, (_, _, end) in enumerate(days)
    ]
    place = case(*branches, else_=len(days)).label("day")
    statement = select(place, func.count().label("interactions")).where(*scope.holds())
    found = {row.day: row.interactions for row in session.execute(statement.group_by("day"))}
    return tuple((day, found.get(place, 0)) for place, (day, _, _) in enumerate(days))


def _reasons(session: Session, scope: Scope, chosen: dict[str, str]) -> tuple[Reason, ...]:
    columns = (col(Evaluation.criterion), col(Evaluation.status), col(Evaluation.explanation))
    n = func.count().label("n")
    rows = session.execute(
        select(*columns, n)
        .where(col(Evaluation.id).in_(newest_rows(scope, chosen)))
        .where(col(Evaluation.status).in_(("abstained", "failed")))
        .group_by(*columns)
        .order_by(n.desc(), *columns)
        .limit(200)
    )
    return tuple(
        Reason(name, status, words or "No reason given.", n) for name, status, words, n in rows
    )


def _judges(session: Session, scope: Scope, chosen: dict[str, str]) -> tuple[Judge, ...]:
    columns = (
        col(Evaluation.criterion),
        col(Evaluation.evaluator),
        col(Evaluation.version),
        col(Evaluation.weights_digest),
        col(Evaluation.calibration),
        col(Evaluation.threshold),
    )
    rows = session.execute(
        select(*columns, func.count())
        .where(col(Evaluation.id).in_(newest_rows(scope, chosen)))
        .where(col(Evaluation.status) == "scored")
        .group_by(*columns)
        .order_by(*columns)
    )
    return tuple(Judge(*row) for row in rows)


def _failures(
    session: Session, scope: Scope, chosen: dict[str, str], criterion: Criterion
) -> list[tuple[Evaluation, Interaction]]:
    """The clearest failures first."""
    score = col(Evaluation.score)
    own = {criterion.name: chosen[criterion.name]} if criterion.name in chosen else {}
    rows: Sequence[Any] = session.execute(
        select(Evaluation, Interaction)
        .join(Interaction, col(Interaction.id) == col(Evaluation.interaction_id))
        .where(col(Evaluation.id).in_(newest_rows(scope, own)))
        .where(col(Evaluation.status) == "scored", col(Evaluation.passed).is_(False))
        .order_by(score.asc() if criterion.higher_is_better else score.desc())
        .order_by(col(Interaction.started_at), col(Interaction.id))
        .limit(EXAMPLES_READ)
    ).all()
    return [(evaluation, interaction) for evaluation, interaction in rows]


def _troubles(session: Session, project: str, week: str) -> tuple[str, ...]:
    return tuple(
        f"The report of {report.week} has not reached {delivery.channel}: {delivery.error}"
        for delivery, report in troubled_deliveries(session, project)
        if report.week < week
    )


def reasons_of(material: Material, criterion: str, most: int = 3) -> list[Reason]:
    """The commonest reasons why answers could not be judged on a criterion."""
    return [reason for reason in material.reasons if reason.criterion == criterion][:most]
