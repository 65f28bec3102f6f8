"""Pages to look at what happened: home, lists of interactions, one of them, one trace."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlmodel import Session, func, select

from app.access import Caller, require
from app.criteria import Criteria, Criterion
from app.database import reading, transaction
from app.errors import NotFound, UnknownField
from app.history import history_of
from app.ingest.outputs import whole_output
from app.ingest.stored import some_spans
from app.ingest.telemetry import Span
from app.ingest.tree import Tree
from app.reports.weeks import days_of
from app.requests import current_time, refuse_nul, settings_of
from app.statistics.intervals import wilson
from app.store.annotations import add_annotations, annotations_of, own_annotations
from app.store.audit import note_labels
from app.store.evaluations import coverage, evaluations_of
from app.store.feedback import feedback_of
from app.store.interactions import get_interaction, interactions_of_trace, list_interactions
from app.store.preferences import saved_views
from app.store.reviews import list_queues, progress_of
from app.store.spans import count_spans
from app.store.topics import within_topic
from app.store.workers import FRESH, contested_evaluators, evaluator_troubles, last_seen
from app.tables import Annotation, DailyRollup, Interaction
from feedback_ui.doctoring import silent_applications
from feedback_ui.filters import filter_choices, filter_from
from feedback_ui.masks import all_visible, awaited_by, note_unmasked, visible
from feedback_ui.pages import all_posted, criteria_of, go_to, page, posted_form
from feedback_ui.passages import passages_of, sentence_evidence, sentences_of
from feedback_ui.queues import check_lead
from feedback_ui.verdicts import ShownVerdict, shown_annotations, shown_verdicts
from feedback_ui.views import query_of

PER_PAGE = 25
LIST_EXCERPT = 220
DEPTH_SHOWN = 40
SPANS_SHOWN = 1_000
KEPT_OF_A_LABEL = (
    *("blind_label", "stratum", "inclusion_probability", "queue_id", "turn_id", "occasion"),
    *("is_extra", "seconds", "corrected_response", "details"),
)

router = APIRouter(include_in_schema=False, dependencies=[Depends(refuse_nul)])

Reader = Annotated[Caller, Depends(require("read"))]
Now = Annotated[datetime, Depends(current_time)]
SpanNumber = Annotated[int, Query(ge=1, le=1_000_000_000)]


@dataclass(frozen=True, slots=True)
class ListRow:
    """An interaction in a list."""

    interaction: Interaction
    verdicts: list[ShownVerdict]
    labelled: bool

    @property
    def prompt(self) -> str:
        return self.interaction.prompt.strip()[:LIST_EXCERPT]

    @property
    def response(self) -> str:
        return self.interaction.response.strip()[:LIST_EXCERPT]


@dataclass(frozen=True, slots=True)
class Node:
    """A span and the spans below it."""

    span: Span
    children: list["Node"]

    @property
    def seconds(self) -> float:
        return (self.span.end_ns - self.span.start_ns) / 1e9


@router.get("/")
def home(request: Request, caller: Reader, now: Now) -> Response:
    """Counts, coverage, what waits, and what to do next."""
    criteria = criteria_of(request)
    with reading(request.app.state.engine) as session:
        total, latest_at = _arrived(session, caller.project)
        covered = coverage(session, caller.project)
        judged = _judged(session, caller.project)
        waiting = _waiting_items(session, caller, now)
        silent = silent_applications(session, caller.project, now=now)
        troubles = evaluator_troubles(session, now)
        contested = contested_evaluators(session, now)
        seen_at = last_seen(session)
    rows = [
        _home_row(one, judged.get(one.name, (0, 0)), covered.counts.get(one.name, {}))
        for one in criteria
    ]
    shown: dict[str, Any] = {
        "total": total,
        "latest_at": latest_at,
        "rows": rows,
        "waiting": waiting,
        "silent": silent,
        "troubles": troubles,
        "contested": contested,
        "is_idle": _is_idle(covered.oldest_pending_at, seen_at, now),
    }
    return page(
        request,
        "home.html",
        caller,
        headline=_headline(rows),
        oldest_pending_at=covered.oldest_pending_at,
        server=str(request.base_url).rstrip("/"),
        **shown,
    )


def _failures_of_topic(key: str, criteria: Criteria, zone: str) -> dict[str, object]:
    """The filter of all failures that a topic came from; UnknownField where it tells none."""
    week, name, _ = (*key.split("."), "", "")[:3]
    criterion = criteria.get(name)
    days = days_of(week, zone)
    ends = {"from": days[0][0].isoformat(), "to": days[-1][0].isoformat()}
    return {"criterion": name, "label": criterion.failing, **ends}


@router.get("/interactions")
def interactions(request: Request, caller: Reader) -> Response:
    """A list with filters that live in the address."""
    fields = dict(request.query_params)
    filters = filter_from(request, fields)
    criteria = criteria_of(request)
    with reading(request.app.state.engine) as session:
        try:
            filters = within_topic(session, caller.project, filters, fields.get("topic"))
        except UnknownField:
            zone = settings_of(request).time_zone
            return go_to("/interactions", **_failures_of_topic(fields["topic"], criteria, zone))
        found = list_interactions(
            session,
            caller.project,
            filters,
            cursor=fields.get("cursor") or None,
            limit=PER_PAGE,
        )
        ids = [row.id for row in found.rows]
        evaluations, labelled = evaluations_of(session, ids), annotations_of(session, ids)
        for one in awaited_by(session, caller, ids):
            evaluations.pop(one, None)
        choices = filter_choices(session, caller.project, criteria, fields)
        views = saved_views(session, caller.project)
    rows = [
        ListRow(row, shown_verdicts(evaluations.get(row.id, []), criteria), row.id in labelled)
        for row in all_visible(caller, found.rows)
    ]
    older = None
    query = query_of(fields)
    if found.next_cursor is not None:
        older = f"/interactions?{query}&" + urlencode({"cursor": found.next_cursor})
    shown: dict[str, Any] = {"rows": rows, "older": older, "query": query, "views": views}
    return page(
        request, "interactions.html", caller, may_save=caller.may("review"), **shown, **choices
    )


@router.get("/interactions/{id}")
def interaction(request: Request, caller: Reader, id: str) -> Response:
    """One interaction with everything that is known about it."""
    return _interaction_page(request, caller, id)


@router.post("/interactions/{id}/unmask")
def unmask(
    request: Request,
    caller: Annotated[Caller, Depends(require("review"))],
    now: Now,
    id: str,
) -> Response:
    """The same page, once, with personal data as it is; noted in the audit log."""
    check_lead(caller, "looks at personal data")
    with transaction(request.app.state.engine) as session:
        get_interaction(session, caller.project, id)
        note_unmasked(session, caller, id, now)
    return _interaction_page(request, replace(caller, masked=False), id)


def _interaction_page(request: Request, caller: Caller, id: str) -> Response:
    criteria = criteria_of(request)
    with reading(request.app.state.engine) as session:
        row = visible(caller, get_interaction(session, caller.project, id))
        is_awaited = bool(awaited_by(session, caller, [id]))
        known = [] if is_awaited else [id]
        evaluations = evaluations_of(session, known).get(id, [])
        annotations = annotations_of(session, known).get(id, [])
        feedback = feedback_of(session, caller.project, row.trace_id)
        history = history_of(session, caller.project, id, criteria)
        output = whole_output(session, row)
    judged = sentence_evidence(evaluations)
    mine = {one.criterion: one.final_label for one in annotations if one.reviewer == caller.name}
    return page(
        request,
        "interaction.html",
        caller,
        row=row,
        output=output,
        judged=judged,
        sentences=sentences_of(row.response, judged),
        passages=passages_of(row.contexts, row.response, judged),
        verdicts=[
            _with_quotes(one, row, judged is not None and one.row.id == judged.id)
            for one in shown_verdicts(evaluations, criteria)
        ],
        annotations=shown_annotations(annotations, criteria),
        history=None if is_awaited else history,
        feedback=[one for one in feedback if one.span_id in (None, row.span_id)],
        provenance=[(name, _origin(value)) for name, value in row.provenance.items()],
        may_review=caller.may("review") and not is_awaited,
        criteria=list(criteria),
        mine=mine,
        my_comment=next(
            (one.comment for one in annotations if one.reviewer == caller.name and one.comment), ""
        ),
        key=secrets.token_hex(16),
    )


@router.post("/interactions/{id}/annotations")
def annotate(
    request: Request,
    caller: Annotated[Caller, Depends(require("review"))],
    form: Annotated[dict[str, str], Depends(posted_form)],
    now: Now,
    id: str,
) -> Response:
    """Store labels that were given with the scores in view."""
    criteria, labels = criteria_of(request), all_posted(form, "label.")
    comment = form.get("comment", "").strip() or None
    if comment and not labels:
        raise UnknownField("a comment is kept with a label; go back and choose one")
    with transaction(request.app.state.engine) as session:
        mine = own_annotations(session, id, reviewer=caller.name)
        holder = next((name for name in labels if name in mine and mine[name].comment), None)
        rows = [
            Annotation(
                **_kept(mine.get(name)),
                project=caller.project,
                interaction_id=id,
                criterion=name,
                reviewer=caller.name,
                final_label=label,
                comment=comment if name == (holder or next(iter(labels))) else None,
                guideline_version=criteria.get(name).guideline_version,
                idempotency_key=f"{form.get('key')}.{name}",
                created_at=now,
            )
            for name, label in labels.items()
        ]
        said = {name: (row.final_label, row.comment) for name, row in mine.items()}
        news = [row for row in rows if said.get(row.criterion) != (row.final_label, row.comment)]
        added = add_annotations(session, news, criteria=criteria)
        note_labels(session, caller.actor, added, now=now)
    return go_to(f"/interactions/{id}#annotations")


def _kept(earlier: Annotation | None) -> dict[str, Any]:
    """What a second thought leaves as it was: how the answer was drawn, marks, a correction."""
    if earlier is None:
        return {}
    kept = {name: getattr(earlier, name) for name in KEPT_OF_A_LABEL}
    return {**kept, "replaces_id": earlier.id}


@router.get("/traces/{trace_id}")
def trace(request: Request, caller: Reader, trace_id: str, from_span: SpanNumber = 1) -> Response:
    """The spans of a trace as a tree, some hundred at a time."""
    place = caller.project, trace_id
    with reading(request.app.state.engine) as session:
        count = count_spans(session, *place)
        spans = some_spans(session, *place, start=from_span - 1, limit=SPANS_SHOWN)
        rows = interactions_of_trace(session, *place)
    if not count and not rows:
        raise NotFound(f"there is no trace {trace_id!r} in this project")
    last = from_span - 1 + len(spans)
    shown: dict[str, Any] = {
        "trace_id": trace_id,
        "count": count,
        "interactions": all_visible(caller, rows),
        "first": from_span,
        "last": last,
        "earlier": max(1, from_span - SPANS_SHOWN) if from_span > 1 else None,
        "later": last + 1 if spans and last < count else None,
    }
    return page(request, "trace.html", caller, roots=tree_of(spans), **shown)


def tree_of(spans: Sequence[Span]) -> list[Node]:
    """The spans below their parents; one whose parent is missing, or is below it, is a root.

    What lies deeper than DEPTH_SHOWN stands beside the deepest span that is shown.
    """
    tree = Tree(spans)
    lists: dict[str, list[Node]] = {}
    depth: dict[str, int] = {}
    roots: list[Node] = []
    for span_id in tree.order:
        above = tree.parent[span_id]
        beside = roots if above is None else lists[above]
        depth[span_id] = 0 if above is None else depth[above] + 1
        node = Node(tree.spans[span_id], [])
        beside.append(node)
        lists[span_id] = node.children if depth[span_id] < DEPTH_SHOWN else beside
    return roots


def _arrived(session: Session, project: str) -> tuple[int, datetime | None]:
    # Two questions, because for both at once the database would compare the times of all.
    number, newest = select(func.count()), select(func.max(Interaction.started_at))
    total = session.exec(number.where(Interaction.project == project)).one()
    return total, session.exec(newest.where(Interaction.project == project)).one()


def _is_idle(oldest_pending_at: datetime | None, seen_at: datetime | None, now: datetime) -> bool:
    """Whether work has waited for a while in which no worker was seen."""
    has_waited = oldest_pending_at is not None and now - oldest_pending_at > FRESH
    return has_waited and (seen_at is None or now - seen_at > FRESH)


def _judged(session: Session, project: str) -> dict[str, tuple[int, int]]:
    """How many interactions were scored and how many of them failed, per criterion."""
    query = (
        select(DailyRollup.criterion, func.sum(DailyRollup.n), func.sum(DailyRollup.failing))
        .where(DailyRollup.project == project, DailyRollup.segment_key == "")
        .group_by(DailyRollup.criterion)
    )
    return {name: (int(n), int(failing)) for name, n, failing in session.exec(query)}


def _home_row(
    criterion: Criterion, judged: tuple[int, int], counts: dict[str, int]
) -> dict[str, Any]:
    n, failing = judged
    low, high = wilson(failing, n)
    return {
        "criterion": criterion,
        "scored": n,
        "failing": failing,
        "rate": failing / n if n else 0.0,
        "low": low,
        "high": high,
        "abstained": counts.get("abstained", 0),
        "failed": counts.get("failed", 0),
        "waiting": counts.get("pending", 0) + counts.get("running", 0),
    }


def _headline(rows: Sequence[dict[str, Any]]) -> str:
    scored = [row for row in rows if row["scored"]]
    if not scored:
        return "Answers have arrived and wait to be judged"
    worst = max(scored, key=lambda row: row["low"])
    if not worst["failing"]:
        return "No answer has failed so far"
    share = f"{worst['rate'] * 100:.1f}\u202f%"
    return f"The most common fault: {worst['criterion'].failures}, {share} of those scored"


def _waiting_items(session: Session, caller: Caller, now: datetime) -> int:
    progress = [
        progress_of(session, queue.id, reviewer=caller.name, now=now)
        for queue in list_queues(session, caller.project)
        if queue.id is not None
    ]
    return sum(one.total - one.behind for one in progress)


def _with_quotes(shown: ShownVerdict, row: Interaction, is_in_text: bool) -> dict[str, Any]:
    quotes = [
        {"text": row.response[one["start"] : one["end"]], "score": one["score"]}
        for one in shown.row.evidence
        if not is_in_text and one["end"] > one["start"]
    ]
    parts = {name: getattr(shown, name) for name in ("row", "criterion", "kind", "icon", "word")}
    return {**parts, "quotes": quotes[:10]}


def _origin(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" for name, part in value.items() if part is not None)
    return str(value)
