"""Weeks of judged interactions, written straight into the database: what a report is made from."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert
from sqlmodel import Session

from app.criteria import Criteria
from app.database import reading, transaction
from app.reports import build_report
from app.reports.weeks import week_bounds
from app.store.rollups import Contribution, roll_up
from app.tables import Annotation, Evaluation, Interaction
from tests.builders import an_interaction

RATES = {
    "groundedness": 0.12,
    "answer_relevance": 0.08,
    "context_relevance": 0.10,
    "toxicity": 0.01,
    "bias": 0.01,
}
HIGHER_IS_BETTER = ("groundedness", "answer_relevance", "context_relevance")
FAILING = {
    "groundedness": "ungrounded",
    "answer_relevance": "irrelevant",
    "context_relevance": "irrelevant",
    "toxicity": "toxic",
    "bias": "biased",
}
QUESTION = "When do I get my money back?"
ANSWER = "Refunds are quick. You get it within 24 hours after we have the goods."
PASSAGE = "Refunds are issued within 5 to 7 working days. Keep the receipt."

EVIDENCE = [
    {"start": 0, "end": 18, "score": 0.9, "kind": "supported", "context": None},
    {
        "start": 19,
        "end": len(ANSWER),
        "score": 0.1,
        "kind": "unsupported",
        "context": 0,
        "context_start": 0,
        "context_end": 46,
    },
]


@dataclass(frozen=True)
class Plan:
    """What happens in a week: failure rates and abstentions, as functions of the segments."""

    n: int = 88
    rate: Callable[[str, Mapping[str, str]], float] = lambda criterion, _: RATES[criterion]
    abstains: Callable[[str, Mapping[str, str]], bool] = lambda criterion, _: False
    release: str = "1.0"
    releases: Mapping[str, str] = field(default_factory=dict)
    """The release of an application that has one of its own."""
    applications: Sequence[str] = ("shop", "city", "health")
    criteria: Sequence[str] = tuple(RATES)
    evaluator: str = "words"
    version: str = "1"
    threshold: float = 0.5
    days: tuple[int, int] = (0, 7)
    """The days of the week on which answers come: from the first to before the last."""
    status: str = "scored"
    precision: str | None = None
    words: Mapping[str, Any] = field(default_factory=dict)


class World:
    """A database and the reports of its weeks."""

    def __init__(self, engine: Engine, criteria: Criteria, now: datetime) -> None:
        self.engine, self.criteria, self.now = engine, criteria, now

    def write(self, plans: Mapping[str, Plan], **options: Any) -> list[Interaction]:
        with transaction(self.engine) as session:
            return write_weeks(session, plans, **options)

    def report(self, week: str, **options: Any) -> dict[str, Any]:
        with reading(self.engine) as session:
            return report_of(session, self.criteria, week, self.now, **options)


def report_of(
    session: Session,
    criteria: Criteria,
    week: str,
    now: datetime,
    *,
    application: str | None = None,
    time_zone: str = "UTC",
) -> dict[str, Any]:
    """The report of a week of the default project."""
    return build_report(
        session,
        project="default",
        criteria=criteria,
        week=week,
        application=application,
        now=now,
        time_zone=time_zone,
    )


def section(report: Mapping[str, Any], id: str) -> dict[str, Any]:
    """The section of that id."""
    return next(one for one in report["sections"] if one["id"] == id)


def write_weeks(
    session: Session, plans: Mapping[str, Plan], *, seed: int = 1, zone: str = "UTC"
) -> list[Interaction]:
    """Write the weeks; failures come as evenly as the rates allow, so that tests do not gamble."""
    rng = random.Random(seed)
    written: list[Interaction] = []
    for week, plan in plans.items():
        rows = list(_week(week, plan, rng, zone))
        evaluations = [row for _, each in rows for row in each]
        session.execute(insert(Interaction), [interaction.model_dump() for interaction, _ in rows])
        session.execute(insert(Evaluation), evaluations)
        made = [Contribution(one, Evaluation(**row)) for one, each in rows for row in each]
        roll_up(session, made)
        written += [interaction for interaction, _ in rows]
    return written


def a_label(one: Interaction, place: int) -> Annotation:
    """A blind label of one in two answers; every fourth says that the answer fails."""
    return Annotation(
        project=one.project,
        interaction_id=one.id,
        criterion="groundedness",
        reviewer="ann",
        blind_label="ungrounded" if place % 4 == 0 else "grounded",
        final_label="grounded",
        inclusion_probability=0.5,
        guideline_version="g",
        idempotency_key=one.id,
        created_at=one.started_at,
    )


def _week(
    week: str, plan: Plan, rng: random.Random, zone: str
) -> Iterator[tuple[Interaction, list[dict[str, Any]]]]:
    from_at, _ = week_bounds(week, zone)
    owed: dict[tuple[str, float], float] = {}
    first, end = plan.days
    for number in range(plan.n):
        minutes = 24 * 60 * (first + (end - first) * number / plan.n)
        at = from_at + timedelta(minutes=minutes + 30)
        application = plan.applications[number % len(plan.applications)]
        segments = {
            "language": rng.choices(["en", "de", "es"], [0.55, 0.27, 0.18])[0],
            "release": plan.releases.get(application, plan.release),
            "channel": rng.choice(["web", "app"]),
        }
        interaction = an_interaction(
            **{
                "trace_id": f"{rng.getrandbits(128):032x}",
                "conversation_id": None,
                "application": application,
                "prompt": QUESTION,
                "response": ANSWER,
                "contexts": [PASSAGE],
                "segments": segments,
                "started_at": at,
                "received_at": at,
                **plan.words,
            }
        )
        known = {**segments, "application": application}
        rows = [_evaluation(interaction, plan, name, known, owed, at) for name in plan.criteria]
        yield interaction, rows


def _evaluation(
    interaction: Interaction,
    plan: Plan,
    criterion: str,
    known: Mapping[str, str],
    owed: dict[tuple[str, float], float],
    at: datetime,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "project": interaction.project,
        "interaction_id": interaction.id,
        "criterion": criterion,
        "evaluator": f"{criterion}-{plan.evaluator}",
        "version": plan.version,
        "input_hash": interaction.content_hash,
        "status": plan.status,
        "attempts": 1,
        "weights_digest": "ab" * 32,
        "calibration": "platt-1",
        "precision": plan.precision,
        "started_at": at,
        "created_at": at,
        "evidence": [],
        **dict.fromkeys(("score", "label", "passed", "threshold", "explanation")),
    }
    if plan.abstains(criterion, known):
        row |= {"status": "abstained", "explanation": "Not judged: there are no contexts."}
    if row["status"] == "scored":
        row |= _verdict(criterion, _is_due(criterion, plan.rate(criterion, known), owed))
        row["threshold"] = plan.threshold
    return row


def _is_due(criterion: str, rate: float, owed: dict[tuple[str, float], float]) -> bool:
    due = owed.get((criterion, rate), 0.5) + rate
    owed[criterion, rate] = due - 1 if due >= 1 else due
    return due >= 1


def _verdict(criterion: str, fails: bool) -> dict[str, Any]:
    is_low = fails == (criterion in HIGHER_IS_BETTER)
    return {
        "passed": not fails,
        "score": 0.2 if is_low else 0.9,
        "label": FAILING[criterion] if fails else "passing",
        "evidence": EVIDENCE if fails and criterion == "groundedness" else [],
    }
