"""Topics of failing answers: which answers a worker found to be about the same."""

from dataclasses import replace

from sqlmodel import Session, select

from app.errors import UnknownField
from app.store.interactions import InteractionFilter
from app.tables import Study

DIGITS = 8


def topic_key(week: str, criterion: str, example_id: str) -> str:
    """What a topic is called in an address: its week, its criterion and the answer amid it."""
    return f"{week}.{criterion}.{example_id[:DIGITS]}"


def within_topic(
    session: Session, project: str, filters: InteractionFilter, key: str | None
) -> InteractionFilter:
    """The filter, restricted to the answers of the topic of that key, if one is given; or
    UnknownField.

    Where the failures of the week were grouped anew, it is the topic that the answer amid the old
    one is in now.
    """
    if not key:
        return filters
    week = key.partition(".")[0]
    query = select(Study).where(Study.project == project, Study.week == week)
    moved = None
    for study in session.exec(query.order_by(Study.application)):
        for criterion, found in study.body.get("clusters", {}).items():
            for one in found["items"]:
                if topic_key(week, criterion, one["example"]["interaction_id"]) == key:
                    return replace(filters, topic=key, ids=tuple(one["ids"]))
                if any(topic_key(week, criterion, each) == key for each in one["ids"]):
                    moved = moved or replace(filters, topic=key, ids=tuple(one["ids"]))
    if moved is not None:
        return moved
    raise UnknownField(
        f"there is no topic {key!r}: it is mistyped, or the failures of its week were grouped anew "
        "since"
    )
