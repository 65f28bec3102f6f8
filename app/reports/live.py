"""The sections of a report, live: for any run of days, application and segment.

The period that is chosen is compared with up to twelve before it, or stands alone. Each function
reads only what its sections need.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

from sqlmodel import Session

from app.criteria import Criteria
from app.reports import blocks
from app.reports.counting import RELEASE, count_days, count_periods, with_combinations
from app.reports.findings import find, with_pairs
from app.reports.guidelines import read_guidelines
from app.reports.labels import Label, read_labels
from app.reports.material import Material
from app.reports.scope import Scope, scope_over
from app.reports.sections import coverage, fairness, scorecard, slices, trend, trust
from app.reports.tallies import EARLIER_WEEKS, EVERYTHING, Slice, Tallies
from app.reports.weeks import Period, days_between, periods_up_to, weekly_up_to, weeks_in
from app.reports.wording import ALONE, LIVE, Wording, same_days

MOST_DAYS_COUNTED = 31
"""Days without data are named in periods that are not longer."""


Against = Literal["periods", "weeks", "none"]
"""What a period is compared with: those directly before it, the same weekdays of the weeks before,
or nothing."""


@dataclass(frozen=True, slots=True)
class View:
    """What somebody wants to see."""

    project: str
    application: str | None
    part: Slice
    """EVERYTHING, or the segment that answers must have."""
    first: date
    last: date
    time_zone: str
    against: Against = "periods"

    def periods(self) -> list[Period]:
        """All days that are read, as periods without gaps; those without a name are not shown."""
        if self.against == "weeks":
            return weekly_up_to(self.first, self.last, EARLIER_WEEKS, self.time_zone)
        earlier = EARLIER_WEEKS if self.against == "periods" else 0
        return periods_up_to(self.first, self.last, earlier, self.time_zone)

    def shown(self) -> list[int]:
        """The places of the periods that are compared."""
        return [place for place, period in enumerate(self.periods()) if period.name]

    @property
    def said(self) -> Wording:
        """What the periods are called."""
        if self.against == "weeks":
            return same_days(weeks_in((self.last - self.first).days + 1))
        return LIVE if self.against == "periods" else ALONE

    def scope(self, periods: list[Period]) -> Scope:
        return scope_over(self.project, self.application, periods, self.time_zone)

    @property
    def is_part(self) -> bool:
        return self.part != EVERYTHING


def overview(
    session: Session, view: View, criteria: Criteria, *, now: datetime
) -> list[blocks.Section]:
    """Scorecard, trend and coverage."""
    tallies, chosen = _tallies(session, view, criteria, [view.part.key, RELEASE])
    tallies = tallies.of_keys({"", view.part.key})
    material = _material(session, view, criteria, tallies, chosen)
    if not view.is_part:
        material = replace(material, days=_days(session, view, now))
    made = (scorecard.section, trend.section, coverage.section)
    return [make(material) for make in made if material.said.compares or make != trend.section]


def regressions(session: Session, view: View, criteria: Criteria) -> blocks.Section:
    """The slices against what is usual for them; of a segment, what else its answers share."""
    if view.is_part:
        return _regressions_within(session, view, criteria)
    tallies, chosen = _tallies(session, view, criteria, None)
    material = _bare(view, criteria, tallies)
    if not material.findings.hits:
        return slices.section(material)
    last = view.scope(view.periods()[-1:])
    tallies = with_combinations(session, last, material.tallies, chosen)
    found = with_pairs(material.findings, tallies)
    return slices.section(replace(material, tallies=tallies, findings=found))


def _regressions_within(session: Session, view: View, criteria: Criteria) -> blocks.Section:
    """What else the answers of a segment share."""
    tallies, _ = _combined(session, view, criteria)
    material = _bare(_alone(view), criteria, tallies.of_keys([""]))
    return slices.section_within(material, view.part)


def confidence(session: Session, view: View, criteria: Criteria) -> blocks.Section:
    """What blind labels say about the evaluators."""
    tallies, chosen = _tallies(session, view, criteria, [view.part.key, "application"])
    return trust.section(_material(session, view, criteria, tallies, chosen))


def groups(session: Session, view: View, criteria: Criteria) -> blocks.Section:
    """How groups of people are served; within a segment, in this period only."""
    if view.is_part:
        tallies, chosen = _combined(session, view, criteria)
        view, tallies = _alone(view), tallies.mixed(view.part)
    else:
        tallies, chosen = _tallies(session, view, criteria, [*fairness.GROUP_KEYS, "application"])
    labels = _labels(session, view, criteria, tallies, chosen)
    return fairness.section(_with_labels(_bare(view, criteria, tallies), labels))


def _alone(view: View) -> View:
    """The same, compared with nothing."""
    return replace(view, against="none")


def _combined(session: Session, view: View, criteria: Criteria) -> tuple[Tallies, dict[str, str]]:
    """What else the answers of a segment share, in this period; no earlier one is read for it."""
    now = _alone(view)
    tallies, chosen = _tallies(session, now, criteria, [view.part.key])
    scope = now.scope(now.periods())
    return with_combinations(session, scope, tallies, chosen, view.part), chosen


def _tallies(
    session: Session, view: View, criteria: Criteria, keys: Collection[str] | None
) -> tuple[Tallies, dict[str, str]]:
    periods = view.periods()
    return count_periods(session, view.scope(periods), periods, list(criteria.by_name), keys)


def _material(
    session: Session,
    view: View,
    criteria: Criteria,
    tallies: Tallies,
    chosen: Mapping[str, str],
) -> Material:
    labels = _labels(session, view, criteria, tallies, chosen)
    own = tallies.within(view.part) if view.is_part else tallies
    found = read_guidelines(session, view.project, view.periods())
    guidelines = {name: [all_of[at] for at in view.shown()] for name, all_of in found.items()}
    return replace(_with_labels(_bare(view, criteria, own), labels), guidelines=guidelines)


def _bare(view: View, criteria: Criteria, tallies: Tallies) -> Material:
    """What is known without labels."""
    tallies = tallies.only(view.shown())
    found = find(tallies, list(criteria.by_name))
    return Material(
        project=view.project,
        application=view.application,
        week=tallies.weeks[-1],
        time_zone=view.time_zone,
        criteria=criteria,
        tallies=tallies,
        findings=found,
        said=view.said,
    )


def _labels(
    session: Session,
    view: View,
    criteria: Criteria,
    tallies: Tallies,
    chosen: Mapping[str, str],
) -> list[Label]:
    periods = view.periods()
    found = read_labels(session, view.scope(periods), periods, chosen, criteria, tallies)
    key, value = view.part
    places = {place: number for number, place in enumerate(view.shown())}
    return [
        one.within(view.part)._replace(week=places[one.week])
        for one in found
        if one.week in places and (not view.is_part or one.segments.get(key) == value)
    ]


def _with_labels(material: Material, labels: list[Label]) -> Material:
    now = tuple(one for one in labels if one.week == material.last)
    earlier = tuple(one for one in labels if one.week < material.last)
    return replace(material, labels=now, earlier_labels=earlier)


def _days(session: Session, view: View, now: datetime) -> tuple[tuple[date, int], ...]:
    """What each day that has begun received."""
    days = days_between(view.first, view.last, view.time_zone)
    begun = [day for day in days if day[1] <= now]
    if len(begun) > MOST_DAYS_COUNTED:
        return ()
    return count_days(session, view.scope(view.periods()[-1:]), begun)
