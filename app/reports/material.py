"""Everything that a report of a week is made from, read once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlmodel import Session

from app.criteria import Criteria
from app.reports.causes import Miscalibrated
from app.reports.counting import count_days, count_periods, with_combinations
from app.reports.failures import clearest_failures
from app.reports.findings import Findings, find, with_pairs
from app.reports.guidelines import read_guidelines
from app.reports.histograms import read_histograms
from app.reports.labels import Label, read_labels
from app.reports.review_work import ReviewWork, read_review_work
from app.reports.scope import scope_over
from app.reports.tallies import EARLIER_WEEKS, Judge, Reason, Tallies
from app.reports.weeks import as_periods, days_of, weeks_up_to
from app.reports.wording import WEEKLY, Wording
from app.store.deliveries import troubled_deliveries
from app.store.reports import load_report
from app.store.studies import load_study
from app.tables import Evaluation, Interaction


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
    days: tuple[tuple[date, int], ...] = ()
    labels: tuple[Label, ...] = ()
    """Blind labels of answers of this week."""
    earlier_labels: tuple[Label, ...] = ()
    """Those of the weeks before that the same evaluators judged."""
    failures: dict[str, list[tuple[Evaluation, Interaction]]] = field(default_factory=dict)
    study: dict[str, Any] | None = None
    """What a worker found in the texts of the week, if one looked."""
    earlier_study: dict[str, Any] | None = None
    last_report: dict[str, Any] | None = None
    """The report of the week before as issued, if it was."""
    off: tuple[Miscalibrated, ...] = ()
    """The criteria whose scores are off for sure."""
    troubles: tuple[str, ...] = ()
    """Deliveries of earlier weeks' reports that have not arrived, in words."""
    histograms: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    """Per criterion and comparable week how many scores lie in each of twenty equal bins."""
    guidelines: Mapping[str, Sequence[frozenset[str]]] = field(default_factory=dict)
    """Per criterion and week the versions of the guideline by which labels were given."""
    review_work: ReviewWork | None = None
    """How labelling this week's answers went; None where nobody looked."""
    said: Wording = WEEKLY

    @property
    def received(self) -> int:
        return self.tallies.received[-1]

    @property
    def judges(self) -> Sequence[Judge]:
        return self.tallies.judges

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
    periods = as_periods(weeks, time_zone)
    scope = scope_over(project, application, periods[-1:], time_zone)
    everything = scope_over(project, application, periods, time_zone)
    tallies, chosen = count_periods(session, everything, periods, names)
    findings = find(tallies, names)
    if findings.hits:
        tallies = with_combinations(session, scope, tallies, chosen)
        findings = with_pairs(findings, tallies)
    report = load_report(session, project, week=weeks[-2], application=application)
    labels = read_labels(session, everything, periods, chosen, criteria, tallies)
    return Material(
        project=project,
        application=application,
        week=week,
        time_zone=time_zone,
        criteria=criteria,
        tallies=tallies,
        findings=findings,
        days=count_days(session, scope, days_of(week, time_zone)),
        labels=tuple(one for one in labels if one.week == len(weeks) - 1),
        earlier_labels=tuple(one for one in labels if one.week < len(weeks) - 1),
        study=load_study(session, project, week=week, application=application),
        earlier_study=load_study(session, project, week=weeks[-2], application=application),
        last_report=report.body if report is not None else None,
        troubles=_troubles(session, project, week),
        histograms=read_histograms(session, everything, periods, chosen, tallies),
        guidelines=read_guidelines(session, project, periods),
        review_work=read_review_work(session, scope),
        failures={
            each.name: clearest_failures(session, scope, chosen[each.name], each)
            for each in criteria
            if each.name in chosen
        },
    )


def _troubles(session: Session, project: str, week: str) -> tuple[str, ...]:
    return tuple(
        f"The report of {report.week} has not reached {delivery.channel}: {delivery.error}"
        for delivery, report in troubled_deliveries(session, project, before=week)
    )


def reasons_of(material: Material, criterion: str, most: int = 3) -> list[Reason]:
    """The commonest reasons why answers could not be judged on a criterion."""
    return [reason for reason in material.tallies.reasons if reason.criterion == criterion][:most]
