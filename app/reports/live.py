"""The sections of a report, live: for any run of days, application and segment.

The period that is chosen is compared with up to twelve as long before it. Each function reads only
what its sections need.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlmodel import Session

from app.criteria import Criteria
from app.reports import blocks
from app.reports.counting import RELEASE, count_days, count_periods, with_combinations
from app.reports.findings import find, with_pairs
from app.reports.labels import Label, read_labels
from app.reports.material import Material
from app.reports.scope import Scope, scope_over
from app.reports.sections import coverage, fairness, scorecard, slices, trend, trust
from app.reports.tallies import EARLIER_WEEKS, EVERYTHING, Slice, Tallies
from app.reports.weeks import Period, days_between, periods_up_to
from app.reports.wording import LIVE

MOST_DAYS_COUNTED = 31
"""Days without data are named in periods that are not longer."""


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

    def periods(self) -> list[Period]:
        return periods_up_to(self.first, self.last, EARLIER_WEEKS, self.time_zone)

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
    return [make(material) for make in (scorecard.section, trend.section, coverage.section)]


def regressions(session: Session, view: View, criteria: Criteria) -> blocks.Section:
    """The slices against what is usual for them; of a segment, what else its answers share."""
    keys = [view.part.key] if view.is_part else None
    tallies, chosen = _tallies(session, view, criteria, keys)
    last = view.scope(view.periods()[-1:])
    if view.is_part:
        tallies = with_combinations(session, last, tallies, chosen)
        return slices.section_within(_bare(view, criteria, tallies), view.part)
    material = _bare(view, criteria, tallies)
    if not material.findings.hits:
        return slices.section(material)
    tallies = with_combinations(session, last, tallies, chosen)
    found = with_pairs(material.findings, tallies)
    return slices.section(replace(material, tallies=tallies, findings=found))


def confidence(session: Session, view: View, criteria: Criteria) -> blocks.Section:
    """What blind labels say about the evaluators."""
    tallies, chosen = _tallies(session, view, criteria, [view.part.key])
    return trust.section(_material(session, view, criteria, tallies, chosen))


def groups(session: Session, view: View, criteria: Criteria) -> blocks.Section:
    """How groups of people are served; within a segment, in this period only."""
    tallies, chosen = _tallies(session, view, criteria, [view.part.key, *fairness.GROUP_KEYS])
    if view.is_part:
        scope = view.scope(view.periods()[-1:])
        tallies = with_combinations(session, scope, tallies, chosen).mixed(view.part)
    labels = _labels(session, view, criteria, tallies, chosen)
    return fairness.section(_with_labels(_bare(view, criteria, tallies), labels))


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
    return _with_labels(_bare(view, criteria, own), labels)


def _bare(view: View, criteria: Criteria, tallies: Tallies) -> Material:
    """What is known without labels."""
    found = find(tallies, list(criteria.by_name))
    return Material(
        project=view.project,
        application=view.application,
        week=tallies.weeks[-1],
        time_zone=view.time_zone,
        criteria=criteria,
        tallies=tallies,
        findings=found,
        said=LIVE,
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
    return [one for one in found if not view.is_part or one.segments.get(key) == value]


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
