"""Failure clusters: what the failing answers are about, as a worker found it in their texts."""

from typing import Any
from urllib.parse import urlencode

from app.reports import blocks
from app.reports.material import Material
from app.reports.numbers import count, percent
from app.reports.phrases import capital, spelled
from app.store.topics import topic_key

NOTE = (
    "Failing answers grouped by what they ask and what is wrong (HDBSCAN on vectors of a local "
    "model); names are the words that set a group apart. One example each, nearest the centre."
)


def section(material: Material) -> blocks.Section:
    """The topics of each criterion's failures, those of a changed criterion first."""
    found = _found(material)
    content: list[blocks.Block] = []
    for place, (criterion, study) in enumerate(found):
        failures = material.criteria.get(criterion).failures
        items = [_item(material, criterion, study, one) for one in study["items"]]
        topics = blocks.clusters(items)
        rest = study["failures"] - sum(one["n"] for one in study["items"])
        # Only the largest groups are kept, so that the rest may have groups of its own.
        whole = f"{count(study['failures'])} {failures} in all"
        note = blocks.text(f"{whole}; {count(rest)} in none of these groups.")
        parts = [topics, note]
        content.extend(parts if place == 0 else [blocks.folded(capital(failures), parts)])
    if not content:
        content.append(blocks.text(_advice(material)))
    note_words = NOTE if found else ""
    if any(study.get("is_sample") for _, study in found):
        note_words += " Of more than two thousand failures, two thousand are drawn by their ids."
    return blocks.section("clusters", "Topics", heading(material), content, note=note_words)


def heading(material: Material) -> str:
    """How much of the failures a few topics hold, and whether one of them is new."""
    if material.study is None:
        return "The texts of this week have not been grouped yet"
    found = _found(material)
    if not found:
        return "Too few failures of one kind to group them by topic"
    criterion, study = found[0]
    failures = material.criteria.get(criterion).failures
    items = study["items"]
    held = sum(one["n"] for one in items) / study["failures"]
    topics = f"{spelled(len(items))} topic{'s hold' if len(items) > 1 else ' holds'}"
    return capital(f"{topics} {percent(held)} of the {count(study['failures'])} {failures}")


def _found(material: Material) -> list[tuple[str, dict[str, Any]]]:
    """The criteria with clusters: changed ones first, then those with most failures."""
    studies = (material.study or {}).get("clusters", {})
    changed = [one.criterion for one in material.findings.events if one.about == "failing"]
    changed += [part.criterion for part in material.findings.places(None, "worse")]
    known = [(name, study) for name, study in studies.items() if study["items"]]
    return sorted(known, key=lambda pair: (pair[0] not in changed, -pair[1]["failures"]))


def _item(
    material: Material, criterion: str, study: dict[str, Any], one: dict[str, Any]
) -> dict[str, Any]:
    failures = material.criteria.get(criterion).failures
    change, is_news = _change(study, one)
    if _is_judged_otherwise(material, criterion):
        change, is_news = "last week was judged otherwise", False
    example = one["example"]
    key = topic_key(material.week, criterion, example["interaction_id"])
    return {
        "name": one["name"],
        "n": one["n"],
        "of": f"{failures}, {percent(one['n'] / study['failures'])}",
        "change": change,
        "is_news": is_news,
        "example": example,
        "href": f"/interactions?{urlencode({'topic': key})}",
        "listed": len(one["ids"]),
    }


def _is_judged_otherwise(material: Material, criterion: str) -> bool:
    """Whether other failures may have been found last week because of what judged it."""
    tallies = material.tallies
    was_judged = tallies.of(criterion)[-2].scored or criterion in tallies.replaced
    return bool(was_judged) and not tallies.comparable(criterion)[-2]


def _change(study: dict[str, Any], one: dict[str, Any]) -> tuple[str, bool]:
    """The change since last week in words, and whether it is news."""
    if not study["was_studied"]:
        return "last week was not grouped", False
    if one["last_n"] is None:
        return "new this week", True
    more = one["n"] - one["last_n"]
    if more == 0:
        return "as many as last week", False
    word = "more" if more > 0 else "fewer"
    return f"{count(abs(more))} {word} than last week", more >= max(3, one["last_n"])


def _advice(material: Material) -> str:
    if material.study is None:
        return "A worker groups them when the report is issued; `touchstone report` does so too."
    return "It takes at least twelve failures of one criterion to look for topics."
