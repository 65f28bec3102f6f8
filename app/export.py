"""What leaves for other tools: labels as CSV or JSON Lines, interactions as lines to import again.

A cell of a CSV that a spreadsheet would run as a formula begins with an apostrophe there, which
spreadsheets do not show (OWASP, "CSV Injection"). JSON Lines hold every text as it is.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from typing import Any

from sqlmodel import Session, col, func, select

from app.store.annotations import annotations_of
from app.store.audit import EXPORTED, Actor, note
from app.store.evaluations import evaluation_row_json, evaluations_of
from app.store.interactions import InteractionFilter, matching
from app.tables import Annotation, Evaluation, Interaction

BYTE_ORDER_MARK = "\ufeff"
"""Without it spreadsheets read UTF-8 as something else."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
INTERACTIONS_AT_A_TIME = 200
ABOUT_THE_WORDS = (
    *("trace_id", "span_id", "application", "model", "conversation_id", "started_at"),
    *("segments", "prompt", "response", "contexts"),
)
ABOUT_THE_CALL = (
    *("system_prompt", "duration_ns", "input_tokens", "output_tokens"),
    *("finish_reason", "error"),
)
ABOUT_THE_VERDICT = (
    *("evaluator", "evaluator_version", "score", "verdict", "passed", "threshold"),
    *("precision", "backend"),
)
LEFT_OUT = frozenset({"project", "idempotency_key", "replaces_id"})
LABEL_COLUMNS = (
    *(name for name in Annotation.model_fields if name not in LEFT_OUT),
    "changed_after_reveal",
    *ABOUT_THE_VERDICT,
    *ABOUT_THE_WORDS,
)


def count_interactions(
    session: Session, project: str, filters: InteractionFilter, *, labelled: bool
) -> int:
    """How many interactions an export goes through."""
    query = _chosen(project, filters, labelled).with_only_columns(func.count())
    return session.scalar(query) or 0


def label_rows(
    session: Session, project: str, filters: InteractionFilter
) -> Iterator[list[dict[str, Any]]]:
    """For some interactions at a time, a row per label that stands, beside the newest verdict."""
    for rows in _chunks(session, _ids(session, project, filters, labelled=True)):
        ids = [row.id for row in rows]
        labels, verdicts = annotations_of(session, ids), evaluations_of(session, ids)
        yield [
            _label_row(label, row, _newest(verdicts.get(row.id, []), label.criterion))
            for row in rows
            for label in labels.get(row.id, [])
        ]


def interaction_rows(
    session: Session, project: str, filters: InteractionFilter
) -> Iterator[list[dict[str, Any]]]:
    """For some interactions at a time, each as a line that `touchstone import` reads, and more."""
    for rows in _chunks(session, _ids(session, project, filters, labelled=False)):
        verdicts = evaluations_of(session, [row.id for row in rows])
        yield [
            {
                "id": row.id,
                **{name: getattr(row, name) for name in (*ABOUT_THE_WORDS, *ABOUT_THE_CALL)},
                "evaluations": [evaluation_row_json(one) for one in verdicts.get(row.id, [])],
            }
            for row in rows
        ]


def note_export(
    session: Session,
    actor: Actor,
    project: str,
    filters: InteractionFilter,
    *,
    what: str,
    now: datetime,
) -> None:
    """Note in the audit log what leaves; searched words may be somebody's name and are not kept."""
    given = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(filters).items()
        if value not in (None, "", {}) and name != "ids"
    }
    given |= {"text": True} if given.get("text") else {}
    note(session, actor, "export.made", now=now, project=project, about=what, filters=given)


def note_written(
    session: Session, actor: Actor, project: str, *, what: str, sha256: str, now: datetime
) -> None:
    """Note in the audit log what left, so that a copy of it can be told from a forged one."""
    note(session, actor, EXPORTED, now=now, project=project, about=what, sha256=sha256)


def csv_text(rows: Iterable[Sequence[Mapping[str, Any]]], columns: Sequence[str]) -> Iterator[str]:
    """The lines of a CSV (RFC 4180) with a header, some rows at a time."""
    yield BYTE_ORDER_MARK + _csv([columns])
    for some in rows:
        yield _csv([[cell_of(row.get(name)) for name in columns] for row in some])


def json_lines(rows: Iterable[Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """A JSON object a line, some rows at a time."""
    for some in rows:
        yield "".join(json.dumps(_plain(row), ensure_ascii=False) + "\n" for row in some)


def cell_of(value: object) -> str:
    """The value as the text of a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    text = _plain(value) if isinstance(value, datetime) else value
    if not isinstance(text, str):
        text = json.dumps(_plain(text), ensure_ascii=False)
    return "'" + text if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def _label_row(label: Annotation, row: Interaction, verdict: Evaluation | None) -> dict[str, Any]:
    changed = label.blind_label is not None and label.blind_label != label.final_label
    judged = (
        {
            "evaluator": verdict.evaluator,
            "evaluator_version": verdict.version,
            "score": verdict.score,
            "verdict": verdict.label,
            "passed": verdict.passed,
            "threshold": verdict.threshold,
            "precision": verdict.precision,
            "backend": verdict.backend,
        }
        if verdict is not None
        else {}
    )
    return {
        **label.model_dump(exclude=set(LEFT_OUT)),
        "changed_after_reveal": changed,
        **dict.fromkeys(ABOUT_THE_VERDICT),
        **judged,
        **{name: getattr(row, name) for name in ABOUT_THE_WORDS},
    }


def _newest(rows: Sequence[Evaluation], criterion: str) -> Evaluation | None:
    scored = [row for row in rows if row.criterion == criterion and row.status == "scored"]
    return scored[-1] if scored else None


def _chosen(project: str, filters: InteractionFilter, labelled: bool) -> Any:
    query = matching(project, filters)
    if labelled:
        labels = select(Annotation.interaction_id).where(Annotation.project == project)
        return query.where(col(Interaction.id).in_(labels))
    return query.where(col(Interaction.erased_at).is_(None))


def _ids(
    session: Session, project: str, filters: InteractionFilter, *, labelled: bool
) -> list[str]:
    query = _chosen(project, filters, labelled)
    oldest_first = query.order_by(col(Interaction.started_at), col(Interaction.id))
    return list(session.scalars(oldest_first.with_only_columns(col(Interaction.id))))


def _chunks(session: Session, ids: Sequence[str]) -> Iterator[list[Interaction]]:
    left = iter(ids)
    while some := list(islice(left, INTERACTIONS_AT_A_TIME)):
        query = select(Interaction).where(col(Interaction.id).in_(some))
        rows = {row.id: row for row in session.exec(query)}
        yield [rows[one] for one in some if one in rows]
        session.expunge_all()


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value
