"""What the review screen shows of an item: blind, or with the evaluators' verdicts.

A blind screen is made without evaluations, without other people's labels, without the name of the
model and without segments: what is not in the page cannot sway anybody.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.criteria import Criteria, Criterion
from app.store.adjudications import QUESTIONS
from app.tables import Evaluation, Interaction, ReviewQueue, ReviewTurn
from feedback_ui.keymap import FIXED, KEYS, key_map
from feedback_ui.labelling import MARKS, marks_in, places_in, word_counts
from feedback_ui.passages import passages_of, sentence_evidence, sentences_of
from feedback_ui.places import offered
from feedback_ui.verdicts import ShownVerdict, shown_verdict

SKIP_REASONS = ("Not my language", "Not my field", "Too long for now", "Something else")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the form, what was answered, and once revealed what evaluators say."""

    criterion: Criterion
    mine: str | None = None
    verdicts: tuple[ShownVerdict, ...] = ()

    @property
    def differs(self) -> bool:
        return any(verdict.differs for verdict in self.verdicts)


def criteria_asked(queue: ReviewQueue, criteria: Criteria) -> list[Criterion]:
    """The questions of a queue that still exist."""
    return [criteria.by_name[name] for name in queue.criteria if name in criteria.by_name]


def asked(
    criteria: Sequence[Criterion],
    fields: Mapping[str, str],
    evaluations: Sequence[Evaluation] = (),
) -> list[Asked]:
    """The questions with what the fields answer, and the newest verdict of every evaluator."""
    newest = {(row.criterion, row.evaluator): row for row in evaluations}
    rows = []
    for criterion in criteria:
        label = fields.get(f"label.{criterion.name}")
        known = label if any(one.name == label for one in criterion.labels) else None
        verdicts = (
            shown_verdict(row, criterion, known)
            for row in newest.values()
            if row.criterion == criterion.name
        )
        rows.append(Asked(criterion, known, tuple(verdicts)))
    return rows


def suggested(
    criteria: Sequence[Criterion], evaluations: Sequence[Evaluation], row: Interaction
) -> dict[str, str]:
    """The form as the newest verdicts would fill it, for a queue that is not blind."""
    fields: dict[str, str] = {}
    for one in asked(criteria, {}, evaluations):
        scored = [verdict.row for verdict in one.verdicts if verdict.row.passed is not None]
        if scored:
            fields[f"label.{one.criterion.name}"] = _label_like(one.criterion, scored[-1])
    judged = sentence_evidence(evaluations)
    if judged is not None and any(one.marks_sentences for one in criteria):
        for sentence in sentences_of(row.response, judged):
            mark = (sentence.status or "").replace(" ", "_")
            fields |= {f"mark.{sentence.start}-{sentence.end}": mark} if mark in MARKS else {}
    return fields


def _label_like(criterion: Criterion, verdict: Evaluation) -> str:
    """The reviewer's label that says what a verdict says."""
    alike = [one.name for one in criterion.labels if one.fails is (not verdict.passed)]
    return verdict.label if verdict.label in alike else alike[0]


def screen(
    queue: ReviewQueue,
    turn: ReviewTurn,
    row: Interaction,
    fields: Mapping[str, str],
    *,
    criteria: Criteria,
    choices: Mapping[str, Any],
    evaluations: Sequence[Evaluation] | None = None,
    state: str = "blind",
) -> dict[str, Any]:
    """What the template of the screen needs; blind where no evaluations are given.

    `state` is `blind`, `assisted` or `revealed`.
    """
    judged = sentence_evidence(evaluations) if evaluations is not None else None
    corrected = fields.get("corrected_response") or row.response
    return {
        "queue": queue,
        "item_id": turn.item_id,
        "turn": turn,
        "state": state,
        "revealed": state == "revealed",
        "application": row.application,
        "prompt": row.prompt,
        "sentences": sentences_of(row.response, judged),
        "passages": passages_of(row.contexts, row.response, judged),
        "asked": asked(criteria_asked(queue, criteria), fields, evaluations or ()),
        "fields": fields,
        "marks": MARKS,
        "my_marks": marks_in(fields),
        "my_places": places_in(fields),
        "places": offered(row.contexts),
        "response": row.response,
        "corrected": corrected,
        "changed_words": word_counts(row.response, corrected),
        "key_value": secrets.token_hex(16),
        "keys": key_map(choices),
        "key_actions": {key: action for action, key in key_map(choices).items()},
        "keys_on": choices.get("keys_on", True),
        "fixed": FIXED,
        "actions": KEYS,
        "guideline": criteria.guideline_version[:7],
        "skip_reasons": SKIP_REASONS,
        "questions": QUESTIONS,
    }
