"""What this installation judges by, noted in the audit log when it is new at a start.

Thresholds, targets, rules and evaluators come from files and packages, not from a page; so the log
learns of a change when a process starts with it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Engine

from app.commands.operator import operator
from app.criteria import Criteria
from app.database import SCHEMA_HEAD, reading, transaction
from app.settings import Settings
from app.store.audit import RELEASE, Head, head, note_configuration
from evaluators.protocol import EvaluatorSpec

DIGITS = 12


def note_start(
    engine: Engine, settings: Settings, criteria: Criteria, specs: Sequence[EvaluatorSpec]
) -> Head:
    """Note the configuration if it is new; where the audit log ends."""
    current = configuration(settings, criteria, specs)
    with transaction(engine) as session:
        note_configuration(session, current, actor=operator(), now=datetime.now(UTC))
    with reading(engine) as session:
        return head(session)


def configuration(
    settings: Settings, criteria: Criteria, specs: Sequence[EvaluatorSpec]
) -> dict[str, str]:
    """All that decides how an answer is judged, as names and texts."""
    rules = {f"threshold of {one.name}": repr(one.threshold) for one in criteria}
    rules |= {f"target of {one.name}": repr(one.target) for one in criteria if one.target}
    judges = {
        f"evaluator {one.name}@{one.version}": " ".join(
            part for part in (one.criterion, one.weights_digest, one.calibration) if part
        )
        for one in specs
    }
    return {
        "release": RELEASE,
        "schema": SCHEMA_HEAD,
        "criteria": criteria.digest[:DIGITS],
        "open access": repr(settings.open_access),
        "precision": settings.precision,
        **rules,
        **judges,
    }
