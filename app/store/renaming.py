"""Names of topics are made of words that several answers use: some go when those answers do."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlmodel import Session, col, select

from app.store.topics import topic_key
from app.tables import Interaction, Study

BETWEEN = " · "
NAMELESS = "mixed"
"""The name of a topic whose answers share no word."""
LEAST_TEXTS = 2
"""Of one text alone no word names a topic."""


def rename_topics(session: Session, project: str, erased: set[str]) -> dict[str, str]:
    """Take out of the names of topics what too few answers still say; new names by topic key.

    Comes after the words of the erased answers are gone.
    """
    renamed: dict[str, str] = {}
    for study in session.exec(select(Study).where(Study.project == project)):
        changes: dict[str, str] = {}
        for criterion, found in study.body.get("clusters", {}).items():
            for one in found["items"]:
                if erased.isdisjoint(one.get("ids", ())):
                    continue
                name = _still_said(session, one["name"], one["ids"])
                if name != one["name"]:
                    example_id = one["example"]["interaction_id"]
                    changes[topic_key(study.week, criterion, example_id)] = name
        if changes:
            study.body = _in_study(study.week, study.body, changes)
            session.add(study)
            renamed |= changes
    return renamed


def with_new_names(value: Any, renamed: Mapping[str, str]) -> Any:
    """A report, or a part of one, with the new names of the topics that it links to."""
    if isinstance(value, list):
        return [with_new_names(one, renamed) for one in value]
    if not isinstance(value, dict):
        return value
    key = _topic_of(value.get("href")) if "name" in value else ""
    own = {"name": renamed[key]} if key in renamed else {}
    return {name: with_new_names(one, renamed) for name, one in value.items()} | own


def _still_said(session: Session, name: str, ids: Sequence[str]) -> str:
    query = select(Interaction.prompt, Interaction.response, Interaction.contexts)
    rows = session.exec(query.where(col(Interaction.id).in_(ids)))
    texts = [
        f"{prompt} {response} {' '.join(contexts)}".lower() for prompt, response, contexts in rows
    ]
    kept = [
        term for term in name.split(BETWEEN) if sum(term in one for one in texts) >= LEAST_TEXTS
    ]
    return BETWEEN.join(kept) or NAMELESS


def _in_study(week: str, body: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    def named(criterion: str, one: dict[str, Any]) -> dict[str, Any]:
        key = topic_key(week, criterion, one["example"]["interaction_id"])
        return {**one, "name": names.get(key, one["name"])}

    clusters = {
        criterion: {**found, "items": [named(criterion, one) for one in found["items"]]}
        for criterion, found in body["clusters"].items()
    }
    return {**body, "clusters": clusters}


def _topic_of(href: object) -> str:
    if not isinstance(href, str):
        return ""
    return parse_qs(urlsplit(href).query).get("topic", [""])[0]
