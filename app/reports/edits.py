"""What people made of a report's actions: other words, another owner or day, or none of it.

The rules' own actions stay in the report beside the edits, which name their editor. An edit belongs
to the cause of its action, so that it lasts when the report is made anew and the cause is found
again.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from app.errors import UnknownField
from app.reports import blocks
from app.reports.sections.actions import ACTIONS, heading, todo

LONGEST = 300
DROPPED = "Left out."
FIELDS = ("what", "owner", "by")
Action = Mapping[str, Any]


class Edit(NamedTuple):
    """How a person wants an action: what is "" stays as the rules say it, so that it keeps up with
    them; with a reason in `dropped`, the action is left out."""

    cause: Mapping[str, Any]
    what: str
    owner: str
    by: str
    dropped: str
    editor: str

    def is_of(self, action: Action) -> bool:
        """Whether it is about the same, however large that is by now."""
        return _key(self.cause) == _key(action["cause"])

    @property
    def words(self) -> dict[str, str]:
        """What is said otherwise than by the rules."""
        return {name: said for name in FIELDS if (said := getattr(self, name))}

    def beside(self, action: Action) -> "Edit":
        """The edit without what the action says itself."""
        same: dict[str, Any] = {name: "" for name in FIELDS if getattr(self, name) == action[name]}
        return self._replace(**same)


def edits_of(report: Mapping[str, Any] | None) -> list[Edit]:
    """The edits that a report holds; one of an older schema has none."""
    return [Edit(**one) for one in (report or {}).get("action_edits", [])]


def checked(edit: Edit) -> Edit:
    """The edit without blanks around its words; UnknownField says what is missing."""
    words = [" ".join(one.split()) for one in (edit.what, edit.owner, edit.dropped)]
    edit = edit._replace(what=words[0], owner=words[1], dropped=words[2])
    if not edit.what or not edit.owner:
        raise UnknownField("an action needs what is to be done and an owner; or leave it out")
    if max(map(len, words)) > LONGEST:
        raise UnknownField(f"the words of an action have at most {LONGEST} characters")
    try:
        return edit._replace(by=date.fromisoformat(edit.by).isoformat())
    except ValueError:
        raise UnknownField(f"{edit.by!r} is no day; write it as 2026-11-23") from None


def with_edits(report: Mapping[str, Any], edits: Sequence[Edit]) -> dict[str, Any]:
    """The report with these edits and no others; it is to be signed anew."""
    found = report["found_actions"]
    beside = [one.beside(each) for one in edits for each in found if one.is_of(each)]
    kept = [one for one in beside if one.words or one.dropped]
    pairs = [(each, _of(kept, each)) for each in found]
    actions = [_edited(each, edit) for each, edit in pairs if edit is None or not edit.dropped]
    dropped = [(each, edit) for each, edit in pairs if edit is not None and edit.dropped]
    # An edit whose cause is not found now waits for the next time that it is.
    waiting = [one for one in edits if not any(one.is_of(each) for each in found)]
    return {
        **report,
        "actions": actions,
        "action_edits": [one._asdict() for one in (*kept, *waiting)],
        "sections": [
            _section(one, actions, dropped, len(report["alerts"]))
            if one["id"] == "actions"
            else one
            for one in report["sections"]
        ],
    }


def _edited(action: Action, edit: Edit | None) -> dict[str, Any]:
    if edit is None:
        return dict(action)
    return {**action, **edit.words, "edited_by": edit.editor}


def _section(
    section: blocks.Section,
    actions: Sequence[Action],
    dropped: Sequence[tuple[Action, Edit]],
    alerts: int,
) -> blocks.Section:
    others = [one for one in section["blocks"] if not _is_ours(one)]
    ours = [todo(actions)] if actions else []
    if dropped:
        words = [f"“{each['what']}”, by {edit.editor}: {edit.dropped}" for each, edit in dropped]
        ours.append(blocks.text(f"{DROPPED} {'; '.join(words)}"))
    return {**section, "heading": heading(actions, alerts), "blocks": [*ours, *others]}


def _is_ours(block: blocks.Block) -> bool:
    if block["block"] == "text":
        return str(block["text"]).startswith(f"{DROPPED} ")
    return block["block"] == "table" and bool(block["caption"] == ACTIONS)


def _of(edits: Sequence[Edit], action: Action) -> Edit | None:
    return next((one for one in edits if one.is_of(action)), None)


def _key(cause: Mapping[str, Any]) -> tuple[Any, ...]:
    place = cause["slice"] or {}
    return cause["kind"], tuple(cause["criteria"]), place.get("key"), place.get("value")
