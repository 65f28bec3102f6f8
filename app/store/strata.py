"""What a sample should look at harder: complaints and alerts, rare slices, uncertain verdicts."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from sqlmodel import Session, col, func, select

from app.store.alerts import open_alerts
from app.store.complaints import has_feedback
from app.store.interactions import InteractionFilter, matching
from app.tables import Evaluation, Interaction

COMPLAINTS, RARE, UNCERTAIN, RANDOM = "complaints", "rare segment", "uncertain", "random"
MIXED: Mapping[str, float] = {COMPLAINTS: 0.1, RARE: 0.1, UNCERTAIN: 0.3}
"""The parts of a mixed sample beyond the half that is spread over everything."""
UNCERTAIN_SHARE = 0.2
"""The part of the interactions, nearest to a threshold, that counts as uncertain."""
RARE_SHARE = 0.05
MOST_VALUES = 50
"""A segment with more values than this is an identifier, not a slice."""


def strata_of(
    session: Session, project: str, filters: InteractionFilter, criteria: Sequence[str]
) -> dict[str, list[str]]:
    """The ids of all that pass the filters, each in the first stratum that it belongs to."""
    with_words = matching(project, filters).where(col(Interaction.erased_at).is_(None))
    ids = with_words.with_only_columns(col(Interaction.id), col(Interaction.segments))
    segments = {one: values for one, values in session.execute(ids)}
    found = {
        COMPLAINTS: _complaints(session, project, filters),
        RARE: _rare(segments),
        UNCERTAIN: _uncertain(session, project, filters, criteria, len(segments)),
        RANDOM: set(segments),
    }
    strata: dict[str, list[str]] = {}
    left = set(segments)
    for name, members in found.items():
        strata[name] = sorted(members & left)
        left -= members
    return strata


def _complaints(session: Session, project: str, filters: InteractionFilter) -> set[str]:
    """Those that a user disliked, and those in a place that an open alert points at."""
    ids = matching(project, filters).with_only_columns(col(Interaction.id))
    found = set(session.scalars(ids.where(has_feedback("unhappy"))))
    for alert in open_alerts(session, project):
        if alert.is_place:
            here = matching(project, alert.filters).with_only_columns(col(Interaction.id))
            found |= set(session.scalars(ids.where(col(Interaction.id).in_(here))))
    return found


def _rare(segments: Mapping[str, Mapping[str, str]]) -> set[str]:
    counts = Counter(pair for values in segments.values() for pair in values.items())
    values_of = Counter(key for key, _ in counts)
    limit = RARE_SHARE * len(segments)
    rare = {pair for pair, n in counts.items() if n < limit and values_of[pair[0]] <= MOST_VALUES}
    return {one for one, values in segments.items() if rare & set(values.items())}


def _uncertain(
    session: Session,
    project: str,
    filters: InteractionFilter,
    criteria: Sequence[str],
    population: int,
) -> set[str]:
    """Those whose evaluators disagree on a criterion, then those nearest to a threshold."""
    eligible = matching(project, filters).with_only_columns(col(Interaction.id))
    rows = session.execute(
        select(
            Evaluation.interaction_id,
            Evaluation.criterion,
            Evaluation.passed,
            func.abs(col(Evaluation.score) - col(Evaluation.threshold)),
        )
        .where(Evaluation.status == "scored", col(Evaluation.criterion).in_(criteria))
        .where(col(Evaluation.interaction_id).in_(eligible))
    )
    said: dict[tuple[str, str], set[bool]] = defaultdict(set)
    distance: dict[str, float] = {}
    for one, criterion, passed, away in rows:
        said[one, criterion].add(passed)
        if away is not None:
            distance[one] = min(away, distance.get(one, 1.0))
    for (one, _), verdicts in said.items():
        if len(verdicts) > 1:
            distance[one] = -1.0
    nearest = sorted(distance, key=lambda one: (distance[one], one))
    return set(nearest[: round(UNCERTAIN_SHARE * population)])
