"""Erasure: the words of single traces go for good, from everything that keeps them.

A person may ask for it by law, so no label and no queue holds words back. An interaction that
people labelled stays as a row without words, because the counts of agreement rest on it; all other
interactions go. What was counted stays counted: rollups and the numbers of issued reports.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from app.database import exclude_others
from app.store.erased import ERASURE, remember_erased
from app.store.evaluations import verdicts_told
from app.store.pruning import drop_interactions_of, drop_telemetry
from app.store.renaming import rename_topics, with_new_names
from app.store.search import forget_words
from app.tables import (
    Adjudication,
    Annotation,
    Evaluation,
    Feedback,
    Interaction,
    Report,
    ReviewItem,
    ReviewTurn,
    Study,
    Trace,
)

ERASED = "Erased on request."
WORDLESS: Mapping[str, Any] = {
    **dict.fromkeys(("prompt", "response", "content_hash"), ""),
    **dict.fromkeys(("system_prompt", "conversation_id", "user_hash", "error")),
}
OPEN = ("pending", "running", "skipped")


class ErasedAnswer(NamedTuple):
    """What may be told of an erased answer: whether its row stays, and how it was judged."""

    id: str
    stays: bool
    verdicts: dict[str, dict[str, Any]]
    """By `evaluator@version`: no word, only label, score and threshold."""


@dataclass(frozen=True, slots=True)
class Erased:
    """How many interactions went, how many stay without words, and how many examples of reports
    lost theirs."""

    gone: int = 0
    emptied: int = 0
    examples: int = 0
    answers: tuple[ErasedAnswer, ...] = ()
    """Of one trace; a sum leaves them out."""

    def __add__(self, other: "Erased") -> "Erased":
        return Erased(
            self.gone + other.gone, self.emptied + other.emptied, self.examples + other.examples
        )

    @property
    def counts(self) -> dict[str, Any]:
        """The numbers by their names."""
        return {"gone": self.gone, "emptied": self.emptied, "examples": self.examples}


def traces_of_user(session: Session, project: str, user_hash: str) -> list[str]:
    """The traces in which a user, named by the pseudonym, said something."""
    spoken = select(Interaction.trace_id).where(
        Interaction.project == project, Interaction.user_hash == user_hash
    )
    judged = select(Feedback.trace_id).where(
        Feedback.project == project, Feedback.user_hash == user_hash
    )
    return sorted({*session.exec(spoken), *session.exec(judged)})


def projects_with_words(session: Session) -> list[str]:
    """The projects of which a trace or an interaction is stored."""
    tables = (Trace, Interaction)
    return sorted(
        {one for table in tables for one in session.exec(select(table.project).distinct())}
    )


def knows_trace(session: Session, project: str, trace_id: str) -> bool:
    """Whether anything is stored that a trace of this id brought."""
    return any(
        session.exec(
            select(table.trace_id)
            .where(table.project == project, table.trace_id == trace_id)
            .limit(1)
        ).first()
        for table in (Trace, Interaction, Feedback)
    )


def would_erase(session: Session, project: str, trace_id: str) -> Erased:
    """What erasing the trace would do, without the examples."""
    ids = [row.id for row in _rows_of(session, project, trace_id)]
    labelled = _labelled(session, ids)
    return Erased(len(ids) - len(labelled), len(labelled))


def erase_trace(session: Session, project: str, trace_id: str, *, now: datetime) -> Erased:
    """Forget the words of a trace, whenever it came; what comes of it later is not taken in.

    Reviewers who hold one of its answers find that it is gone; what they store is refused.
    """
    exclude_others(session, ERASURE)
    exclude_others(session, "interactions")
    _hold_queues(session, [row.id for row in _rows_of(session, project, trace_id)])
    rows = _rows_of(session, project, trace_id, hold=True)
    ids = [row.id for row in rows]
    labelled = _labelled(session, ids)
    answers = tuple(ErasedAnswer(one, one in labelled, _judged(session, one)) for one in ids)
    forget_words(session, ids)
    free = [one for one in ids if one not in labelled]
    _drop_items(session, free)
    drop_interactions_of(session, free)
    for row in rows:
        if row.id in labelled:
            _empty(session, row, now)
    drop_telemetry(session, project, [trace_id])
    mine = (col(Feedback.project) == project, col(Feedback.trace_id) == trace_id)
    session.execute(delete(Feedback).where(*mine))
    remember_erased(session, project, [trace_id], until_at=None)
    examples = _clear_examples(session, project, set(ids), now)
    return Erased(len(free), len(labelled), examples, answers)


def _rows_of(
    session: Session, project: str, trace_id: str, *, hold: bool = False
) -> list[Interaction]:
    """The interactions of the trace that still have words; nobody labels those that are held."""
    query = select(Interaction).where(
        Interaction.project == project, Interaction.trace_id == trace_id
    )
    query = query.where(col(Interaction.erased_at).is_(None))
    return list(session.exec(query.with_for_update() if hold else query))


def _judged(session: Session, interaction_id: str) -> dict[str, dict[str, Any]]:
    query = select(Evaluation).where(Evaluation.interaction_id == interaction_id)
    return verdicts_told(session.exec(query))


def _labelled(session: Session, ids: Sequence[str]) -> set[str]:
    return {
        one
        for table in (Annotation, Adjudication)
        for one in session.exec(
            select(table.interaction_id).where(col(table.interaction_id).in_(ids))
        )
    }


def _hold_queues(session: Session, ids: Sequence[str]) -> None:
    """Let nobody claim these items until this transaction ends."""
    query = select(ReviewItem.queue_id).where(col(ReviewItem.interaction_id).in_(ids)).distinct()
    for queue_id in sorted(session.exec(query)):
        exclude_others(session, f"queue {queue_id}")


def _drop_items(session: Session, ids: Sequence[str]) -> None:
    items = select(ReviewItem.id).where(col(ReviewItem.interaction_id).in_(ids))
    session.execute(delete(ReviewTurn).where(col(ReviewTurn.item_id).in_(items)))
    session.execute(delete(ReviewItem).where(col(ReviewItem.interaction_id).in_(ids)))


def _empty(session: Session, row: Interaction, now: datetime) -> None:
    """Keep the row for its labels and verdicts, and nothing that anybody said."""
    for name, value in WORDLESS.items():
        setattr(row, name, value)
    row.contexts, row.segments, row.provenance, row.erased_at = [], {}, {}, now
    session.add(row)
    session.flush()
    mine = col(Evaluation.interaction_id) == row.id
    session.execute(delete(Evaluation).where(mine, col(Evaluation.status).in_(OPEN)))
    without = {"explanation": ERASED, "evidence": [], "input_hash": ""}
    session.execute(update(Evaluation).where(mine).values(without))
    labels = update(Annotation).where(col(Annotation.interaction_id) == row.id)
    session.execute(labels.values(comment=None, corrected_response=None))
    decided = update(Adjudication).where(col(Adjudication.interaction_id) == row.id)
    session.execute(decided.values(comment=None))
    _close_items(session, row.id, now)


def _close_items(session: Session, interaction_id: str, now: datetime) -> None:
    """Ask nobody for a label of words that are gone."""
    mine = col(ReviewItem.interaction_id) == interaction_id
    turns = col(ReviewTurn.item_id).in_(select(ReviewItem.id).where(mine))
    session.execute(delete(ReviewTurn).where(turns, col(ReviewTurn.status) == "held"))
    session.execute(update(ReviewTurn).where(turns).values(draft={}))
    session.execute(update(ReviewItem).where(mine).values(done_at=now, repeats=False))


def _clear_examples(session: Session, project: str, ids: set[str], now: datetime) -> int:
    """Take the words out of stored reports and studies; every number in them stays."""
    cleared = 0
    renamed = rename_topics(session, project, ids)
    for report in session.exec(select(Report).where(Report.project == project)):
        without, found = _without_words(report.body, ids)
        body = with_new_names(without, renamed)
        if body != report.body:
            told = _told(found, now, lost_names=body != without)
            report.body = {**body, "change_note": f"{body.get('change_note', '')} {told}".strip()}
            session.add(report)
            cleared += found
    for study in session.exec(select(Study).where(Study.project == project)):
        body, found = _without_words(study.body, ids)
        if found:
            study.body = body
            session.add(study)
    return cleared


def _told(examples: int, now: datetime, *, lost_names: bool) -> str:
    """What a report says of its own change."""
    counted = "1 example" if examples == 1 else f"{examples} examples"
    words = [f"the words of {counted}"] * bool(examples)
    words += ["words in names of topics"] * lost_names
    told = f"{' and '.join(words)} were erased on {now:%Y-%m-%d}."
    return told[0].upper() + told[1:]


def _without_words(value: Any, ids: set[str]) -> tuple[Any, int]:
    """The value with the words taken out of every example of these interactions; how many."""
    if isinstance(value, list):
        parts = [_without_words(one, ids) for one in value]
        return [one for one, _ in parts], sum(n for _, n in parts)
    if not isinstance(value, dict):
        return value, 0
    if value.get("interaction_id") in ids and "prompt" in value:
        return {**value, **CLEARED}, 1
    named = {key: _without_words(one, ids) for key, one in value.items()}
    return {key: one for key, (one, _) in named.items()}, sum(n for _, n in named.values())


CLEARED: Mapping[str, Any] = {
    "prompt": ERASED,
    "response": [{"text": ERASED, "marked": False}],
    "explanation": "",
    "evidence": None,
    "segments": {},
}
"""What stands in an example of a report instead of its words."""
