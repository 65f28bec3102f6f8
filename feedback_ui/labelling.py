"""A posted form as labels, and labels as a form again.

The fields are `label.CRITERION`, `group.CRITERION.GROUP`, `mark.START-END`, `evidence.START-END`
(the name of a place in the contexts), `comment` and `corrected_response`; a draft, a stored turn
and a reopened one all have this shape.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any

from sqlmodel import Session

from app.access import Caller
from app.criteria import Criteria, Criterion
from app.errors import UnknownField
from app.masking import restored
from app.store.annotations import add_annotations, annotations_of_turn
from app.store.blindness import has_seen
from app.store.reviews import ASSISTED, speaks_of_all
from app.tables import Annotation, Interaction, ReviewItem, ReviewQueue, ReviewTurn
from feedback_ui.pages import all_posted
from feedback_ui.places import place_named

MARKS: Mapping[str, str] = {
    "supported": "Supported",
    "unsupported": "Unsupported",
    "contradicted": "Contradicted",
    "no_claim": "No claim",
}
AID = ("on", "off")
"""Whether words that sentence and context share were underlined when the label was stored."""
OBJECTIONS = frozenset({"unsupported", "contradicted"})
KEPT = re.compile(r"label\.|group\.|mark\.|evidence\.|(?:comment|corrected_response)$")
_PLACE = re.compile(r"(\d{1,9})-(\d{1,9})$")


@dataclass(frozen=True, slots=True)
class Answers:
    """What a reviewer said of one item."""

    labels: dict[str, str]
    details: dict[str, dict[str, Any]]
    """Per criterion: `marks`, `groups`; of the first also `words_in`, `words_out`, `matching`."""
    comment: str | None
    corrected: str | None


def read_answers(
    form: Mapping[str, str], asked_for: Sequence[Criterion], row: Interaction, *, shown: str
) -> Answers:
    """The labels of a form, or UnknownField saying what is missing.

    `shown` is the response as the reviewer saw it, where personal data may be masked.
    """
    labels = all_posted(form, "label.")
    missing = [one.title for one in asked_for if one.name not in labels]
    if missing:
        raise UnknownField(f"a label is missing for {', '.join(missing)}; go back and choose one")
    details: dict[str, dict[str, Any]] = {}
    for one in asked_for:
        fails = bool(one.label(labels[one.name]).fails)
        details[one.name] = _details(form, one, row, fails)
    text = form.get("corrected_response", "")
    same = (one.replace("\r\n", "\n").strip() for one in (row.response, shown))
    is_same = text.strip() in ("", *same)
    if not is_same and asked_for:
        details[asked_for[0].name] |= word_counts(shown, text)
    if asked_for and form.get("matching") in AID:
        details[asked_for[0].name]["matching"] = form["matching"]
    return Answers(
        {one.name: labels[one.name] for one in asked_for},
        details,
        form.get("comment") or None,
        None if is_same else restored(text, shown, row.response),
    )


def store_answers(
    session: Session,
    caller: Caller,
    queue: ReviewQueue,
    item: ReviewItem,
    turn: ReviewTurn,
    answers: Answers,
    *,
    key: str,
    criteria: Criteria,
    now: datetime,
) -> list[Annotation]:
    """The annotations that were added, one per label that says something new.

    Once the verdicts were seen, the blind label stays the first.
    """
    assert turn.id is not None
    earlier = annotations_of_turn(session, turn.id, withdrawn=True)
    knows = has_seen(session, queue, item, caller.name)
    free = item.gold is not None or queue.kind == ASSISTED or not speaks_of_all(queue)
    told = {"assisted": True} if queue.kind == ASSISTED else {}
    rows = []
    for position, (criterion, label) in enumerate(answers.labels.items()):
        before = earlier.get(criterion)
        one = Annotation(
            project=caller.project,
            interaction_id=item.interaction_id,
            criterion=criterion,
            reviewer=caller.name,
            blind_label=None if knows and not before else _blind(queue, turn, before, label),
            final_label=label,
            stratum=item.stratum,
            inclusion_probability=None if free else item.inclusion_probability,
            guideline_version=criteria.get(criterion).guideline_version,
            queue_id=queue.id,
            replaces_id=before.id if before is not None else None,
            idempotency_key=f"{key}.{item.id}.{criterion}",
            seconds=turn.seconds,
            comment=answers.comment if position == 0 else None,
            corrected_response=answers.corrected if position == 0 else None,
            turn_id=turn.id,
            occasion=turn.occasion,
            is_extra=turn.is_extra,
            details=answers.details[criterion] | told,
            created_at=now,
        )
        if before is None or before.is_withdrawn or _says(before) != _says(one):
            rows.append(one)
    return add_annotations(session, rows, criteria=criteria)


def _blind(
    queue: ReviewQueue, turn: ReviewTurn, before: Annotation | None, label: str
) -> str | None:
    """What the reviewer said before seeing any verdict; nothing where verdicts were filled in."""
    if queue.kind == ASSISTED:
        return None
    return before.blind_label if before and turn.revealed_at else label


def fields_of(rows: Mapping[str, Annotation]) -> dict[str, str]:
    """The form that would store these annotations again."""
    fields: dict[str, str] = {}
    for name, row in rows.items():
        fields[f"label.{name}"] = row.final_label
        fields |= {f"group.{name}.{group}": "1" for group in row.details.get("groups", [])}
        for mark in row.details.get("marks", []):
            fields[f"mark.{mark['start']}-{mark['end']}"] = mark["mark"]
            fields[f"evidence.{mark['start']}-{mark['end']}"] = mark.get("place", "")
        if row.comment:
            fields["comment"] = row.comment
        if row.corrected_response:
            fields["corrected_response"] = row.corrected_response
    return fields


def marks_in(fields: Mapping[str, str]) -> dict[int, str]:
    """The mark of each sentence by the offset where it starts."""
    return {
        int(place[1]): mark
        for name, mark in all_posted(fields, "mark.").items()
        if (place := _PLACE.match(name)) and mark in MARKS
    }


def places_in(fields: Mapping[str, str]) -> dict[int, str]:
    """The name of each sentence's evidence by the offset where the sentence starts."""
    return {
        int(place[1]): name
        for key, name in all_posted(fields, "evidence.").items()
        if (place := _PLACE.match(key))
    }


def word_counts(before: str, after: str) -> dict[str, int]:
    """How many words a correction takes out and puts in."""
    said, meant = before.split(), after.split()
    changes = SequenceMatcher(None, said, meant, autojunk=False).get_opcodes()
    out = sum(end - start for kind, start, end, _, _ in changes if kind != "equal")
    in_ = sum(end - start for kind, _, _, start, end in changes if kind != "equal")
    return {"words_out": out, "words_in": in_}


def _details(
    form: Mapping[str, str], criterion: Criterion, row: Interaction, fails: bool
) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if criterion.groups and fails:
        posted = all_posted(form, f"group.{criterion.name}.")
        details["groups"] = [group for group in criterion.groups if group in posted]
    if criterion.marks_sentences:
        details["marks"] = _marks(form, row)
        objects = any(mark["mark"] in OBJECTIONS for mark in details["marks"])
        if fails and row.response.strip() and not objects:
            raise UnknownField(
                f"{criterion.title}: mark at least one sentence as unsupported or contradicted"
            )
    return {name: value for name, value in details.items() if value}


def _marks(form: Mapping[str, str], row: Interaction) -> list[dict[str, Any]]:
    found = []
    for name, mark in all_posted(form, "mark.").items():
        place = _PLACE.match(name)
        if place is None or mark not in MARKS:
            raise UnknownField(f"{name}={mark} is not the mark of a sentence; reload the page")
        start, end = int(place[1]), int(place[2])
        if not 0 <= start < end <= len(row.response):
            raise UnknownField("the answer has changed since you opened it; reload the page")
        evidence = form.get(f"evidence.{name}", "").strip()
        found.append({"start": start, "end": end, "mark": mark, **_evidence(evidence, row)})
    return sorted(found, key=lambda one: one["start"])


def _evidence(name: str, row: Interaction) -> dict[str, Any]:
    """Where a reviewer saw what a mark rests on, in the words of an evaluator's evidence."""
    if not name:
        return {}
    place = place_named(name, row.contexts)
    return {
        "place": place.name,
        "context": place.context,
        "context_start": place.start,
        "context_end": place.end,
    }


def _says(row: Annotation) -> tuple[object, ...]:
    told = {name: value for name, value in row.details.items() if name != "matching"}
    return row.final_label, row.comment, row.corrected_response, told
