"""Studies the texts of a week and stores what was found, for the report of that week."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select
from sqlmodel import Session, col

from app.criteria import Criteria, Criterion
from app.database import reading, transaction
from app.reports.counting import main_evaluators
from app.reports.failures import failing
from app.reports.scope import Scope, scope_of
from app.reports.sections.examples import example_of, objection_of
from app.reports.weeks import weeks_up_to
from app.store.renaming import BETWEEN, NAMELESS
from app.store.studies import load_study, save_study
from app.studies.clusters import Cluster, find_clusters, match_clusters
from app.studies.drift import tell_apart
from app.studies.swapping import swap_groups
from app.tables import Evaluation, Interaction
from evaluators.protocol import Evaluator

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""One unit vector per text, shape (texts, width)."""
MOST_FAILURES = 2000
MOST_CLUSTERS = 4
TEXTS_COMPARED = 400
EARLIER_WEEKS = 4


def study_week(
    engine: Engine,
    *,
    project: str,
    application: str | None,
    week: str,
    criteria: Criteria,
    evaluators: Sequence[Evaluator],
    embed: Embed,
    time_zone: str,
    now: datetime,
) -> dict[str, Any]:
    """Clusters of failures, drift of the questions, and the evaluators' check; stored and returned.

    The clusters are matched to those of the week before, where that was studied.
    """
    with reading(engine) as session:
        body = _study(session, project, application, week, criteria, embed, time_zone)
    body["swaps"] = [
        asdict(one)
        for one in swap_groups(evaluators, {one.name: one.threshold for one in criteria})
    ]
    # No write lock is held while the models run.
    with transaction(engine) as session:
        save_study(session, project, week=week, application=application, body=body, now=now)
    return body


def _study(
    session: Session,
    project: str,
    application: str | None,
    week: str,
    criteria: Criteria,
    embed: Embed,
    time_zone: str,
) -> dict[str, Any]:
    weeks = weeks_up_to(week, EARLIER_WEEKS)
    scope = scope_of(project, application, [week], time_zone)
    before = load_study(session, project, week=weeks[-2], application=application)
    chosen = main_evaluators(session, scope, since=scope.from_at, criteria=list(criteria.by_name))
    earlier = scope_of(project, application, weeks[:-1], time_zone)
    return {
        "clusters": {
            criterion.name: _clusters(
                session, scope, criterion, chosen[criterion.name], embed, before
            )
            for criterion in criteria
            if criterion.name in chosen
        },
        "questions": _questions(session, scope, earlier, embed),
    }


def _clusters(
    session: Session,
    scope: Scope,
    criterion: Criterion,
    evaluator: str,
    embed: Embed,
    before: dict[str, Any] | None,
) -> dict[str, Any]:
    rows = _failures(session, scope, criterion, evaluator)
    texts = [
        f"{interaction.prompt} {objection_of(criterion, evaluation, interaction)}"
        for evaluation, interaction in rows
    ]
    found = find_clusters(embed(texts), texts)[:MOST_CLUSTERS] if texts else []
    earlier = (before or {}).get("clusters", {}).get(criterion.name, {})
    old = earlier.get("items", [])
    same = match_clusters([one.centre for one in found], [one["centre"] for one in old])
    return {
        "failures": len(rows),
        "is_sample": len(rows) == MOST_FAILURES,
        "was_studied": bool(earlier),
        "items": [
            _item(criterion, cluster, rows, old[match] if match is not None else None)
            for cluster, match in zip(found, same, strict=True)
        ],
    }


def _item(
    criterion: Criterion,
    cluster: Cluster,
    rows: Sequence[tuple[Evaluation, Interaction]],
    old: dict[str, Any] | None,
) -> dict[str, Any]:
    return {
        "name": BETWEEN.join(cluster.terms) or NAMELESS,
        "n": len(cluster.members),
        "last_n": old["n"] if old else None,
        "centre": list(cluster.centre),
        "example": example_of(criterion, *rows[cluster.nearest]),
        "ids": [rows[member][1].id for member in cluster.members],
    }


def _failures(
    session: Session, scope: Scope, criterion: Criterion, evaluator: str
) -> list[tuple[Evaluation, Interaction]]:
    """The failures of a week, the same each time; two thousand drawn by their ids where there are
    more."""
    rows = session.execute(
        select(Evaluation, Interaction)
        .join(Interaction, col(Interaction.id) == col(Evaluation.interaction_id))
        .where(*failing(scope, evaluator, criterion))
        .order_by(col(Interaction.id))
        .limit(MOST_FAILURES)
    )
    found = [(evaluation, interaction) for evaluation, interaction in rows]
    return sorted(found, key=lambda item: (item[1].started_at, item[1].id))


def _questions(
    session: Session, scope: Scope, earlier: Scope, embed: Embed
) -> dict[str, Any] | None:
    """How well this week's questions can be told from earlier ones."""
    now, reference = _prompts(session, scope), _prompts(session, earlier)
    if not now or not reference:
        return None
    found = tell_apart(embed(now), embed(reference))
    return asdict(found) if found else None


def _prompts(session: Session, scope: Scope) -> list[str]:
    """The same evenly spread prompts of a scope each time, at most four hundred."""
    rows = session.execute(
        select(col(Interaction.prompt))
        .where(*scope.holds())
        .order_by(col(Interaction.id))
        .limit(TEXTS_COMPARED)
    )
    return list(rows.scalars())
