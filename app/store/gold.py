"""Labels that count as known: what a lead decided, else what at least two reviewers agree on."""

from collections import defaultdict

from sqlmodel import Session, col, select

from app.criteria import Criteria
from app.store.annotations import current_rows
from app.tables import Adjudication, Annotation, Interaction

CALIBRATION = "calibration"
"""The stratum of items that are labelled for practice and count in no estimate."""


def gold_labels(session: Session, project: str, criteria: Criteria) -> dict[str, dict[str, str]]:
    """The known label per criterion of every interaction that has one, and its words."""
    said: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in current_rows(session, project):
        if row.blind_label is not None and row.occasion == 1:
            said[row.interaction_id, row.criterion][row.reviewer] = row.blind_label
    known: dict[str, dict[str, str]] = defaultdict(dict)
    for (interaction_id, criterion), labels in said.items():
        if len(labels) > 1 and len(set(labels.values())) == 1:
            known[interaction_id][criterion] = next(iter(labels.values()))
    decided = select(Adjudication).where(Adjudication.project == project)
    for decision in session.exec(decided.order_by(col(Adjudication.id))):
        known[decision.interaction_id][decision.criterion] = decision.label
    wordless = set(
        session.exec(select(Interaction.id).where(col(Interaction.erased_at).is_not(None)))
    )
    return {
        interaction_id: valid
        for interaction_id, labels in known.items()
        if interaction_id not in wordless
        and (valid := {name: one for name, one in labels.items() if _exists(criteria, name, one)})
    }


def feedback_on(gold: dict[str, str], mine: dict[str, Annotation]) -> dict[str, bool]:
    """Whether a reviewer's blind label equals the known one, per criterion that both have."""
    return {name: mine[name].blind_label == label for name, label in gold.items() if name in mine}


def _exists(criteria: Criteria, name: str, label: str) -> bool:
    criterion = criteria.by_name.get(name)
    return criterion is not None and any(one.name == label for one in criterion.labels)
