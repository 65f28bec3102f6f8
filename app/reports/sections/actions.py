"""Actions and alerts: what to do about the findings, by rules, what is open, and what became of
last week's actions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from app.reports import blocks
from app.reports.causes import Cause, Miscalibrated
from app.reports.findings import Findings, Measure, Part
from app.reports.follow_up import STATES, follow_up
from app.reports.judgement import corrected
from app.reports.material import Material, reasons_of
from app.reports.numbers import count, counted, listed, percent
from app.reports.phrases import capital, lead_places, rate_words, slice_name, spelled
from app.reports.quiet import pending_words
from app.reports.tallies import Slice
from app.reports.targets import missed
from app.reports.weeks import days_of

MOST_ACTIONS = 5
ACTIONS, LAST_ACTIONS = "Actions", "What became of last week's actions"
COLUMNS = ("What to do", "Why", "Expected effect", "Owner", "By")
FOLLOWED = ("Last week's action", "This week", "Owner", "By")


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do, who should, and what it should change."""

    what: str
    why: str
    effect: str
    owner: str
    days: int
    """How many days after the report."""
    cause: Cause


def section(material: Material) -> blocks.Section:
    """At most five actions, then the open alerts, then last week's actions."""
    actions, alerts = plain_actions(material), find_alerts(material)
    content = [todo(actions)] if actions else []
    if alerts:
        content.append(blocks.text(f"Open alerts. {' '.join(alerts)}", style="note"))
    if followed := follow_up(material):
        rows = [_followed_row(one) for one in followed]
        content.append(blocks.table(FOLLOWED, rows, caption=LAST_ACTIONS))
    left = [_left_alone(material, one) for one in material.off if one.refusal]
    if left:
        content.append(blocks.text(" ".join(left)))
    return blocks.section("actions", "Actions", heading(actions, len(alerts)), content)


def todo(actions: Sequence[Mapping[str, Any]]) -> blocks.Block:
    """The actions of report.json as a table; it says of each whose words it has, if a person's."""
    return blocks.table(COLUMNS, [_row(one) for one in actions], caption=ACTIONS)


def heading(actions: Sequence[Mapping[str, Any]], alerts: int) -> str:
    """How many actions and alerts there are, and what to do first."""
    if not actions and not alerts:
        return "Nothing to do this week"
    todo = f"{spelled(len(actions))} action{'s' * (len(actions) != 1)}"
    open_ = f" and {spelled(alerts)} open alert{'s' * (alerts != 1)}"
    first = f": {_lower(actions[0]['what'])}" if actions else ""
    return capital(f"{todo}{open_ if alerts else ', no open alert'}{first}")


def find_actions(material: Material) -> list[Action]:
    """What the findings call for, the worst first."""
    found = [*_event_actions(material), *_slice_actions(material)]
    found += [*_target_actions(material), *_label_actions(material)]
    found += _calibration_actions(material)
    kept: dict[str, Action] = {}
    for action in found:
        kept.setdefault(action.what, action)
    return list(kept.values())[:MOST_ACTIONS]


def find_alerts(material: Material) -> list[str]:
    """What is not as it should be, whether or not it is new."""
    alerts = []
    for measure in material.findings.lasting():
        name = _title(material, measure.criterion)
        since = material.tallies.weeks[measure.course.unusual_since]
        what = "lacked more verdicts" if measure.about == "unjudged" else "been worse"
        alerts.append(f"{capital(name)} has {what} than usual since {since}.")
    if pending := pending_words(material):
        alerts.append(f"{pending}.")
    failed = sum(material.tallies.of(name)[-1].failed for name in material.names())
    if failed:
        alerts.append(f"{counted(failed, 'evaluation')} failed; see Coverage for the reasons.")
    empty = [f"{day:%A}" for day, number in material.days if not number]
    if not material.received and material.weeks_with_data:
        alerts.append(f"No interaction was received {material.said.this}.")
    if material.received and empty:
        alerts.append(f"No interaction was received on {listed(empty)}.")
    return [*alerts, *material.troubles]


def _event_actions(material: Material) -> Iterator[Action]:
    for event in material.findings.events:
        if event.change != "worse":
            continue
        if event.about == "unjudged":
            yield _missing_input(material, event)
        else:
            yield _rise(material, event)


def _rise(material: Material, event: Measure) -> Action:
    criterion = material.criteria.get(event.criterion)
    places = lead_places(material.findings, event.criterion)
    rate, usual = event.course.now.rate or 0.0, event.course.usual.rate or 0.0
    why = f"{capital(criterion.failures)} are at {percent(rate)}, usually {percent(usual)}"
    effect = f"About {count(_excess(event))} fewer {criterion.failures} a week"
    changed, how = _changed_here(material.findings, event.criterion)
    cause = Cause("worse", (event.criterion,), changed)
    if changed is not None:
        what = f"Check {slice_name(changed)}, and roll it back if it is the cause"
        return Action(what, f"{why}; {how}.", effect, _owner(places), 2, cause)
    where = f" in {listed(places)}" if places else ""
    return Action(
        f"Read the examples of {criterion.failures}{where} and find what changed",
        f"{why}.",
        effect,
        _owner(places),
        2,
        cause,
    )


def _missing_input(material: Material, event: Measure) -> Action:
    reasons = reasons_of(material, event.criterion, 1)
    why = f"{percent(event.course.now.rate or 0.0)} of answers could not be judged"
    words = f"{why}: “{reasons[0].words}”" if reasons else f"{why}."
    return Action(
        f"Restore what {_title(material, event.criterion)} needs to be judged",
        words,
        "Failures there are seen again",
        "retrieval team" if "context" in words.lower() else "platform team",
        1,
        Cause("unjudged", (event.criterion,)),
    )


def _slice_actions(material: Material) -> Iterator[Action]:
    for part in material.findings.places(None, "worse", once=True):
        measure = material.findings.failing[part.criterion]
        if measure.change != "worse":
            yield _slice_action(material, part, "It got worse, though the whole did not")
    for part in material.findings.places(None, "gap", once=True):
        rest = rate_words(part.rest, is_supported=True)
        yield _slice_action(material, part, f"It has more of them than the rest ({rest})")


def _slice_action(material: Material, part: Part, why: str) -> Action:
    failures = material.criteria.get(part.criterion).failures
    rate = percent(part.course.now.rate or 0.0)
    return Action(
        f"Read {failures} of {slice_name(part.where)}",
        f"{why}: {rate} of {counted(part.course.now.n, 'answer')}.",
        f"Fewer {failures} there",
        _owner([slice_name(part.where)]),
        5,
        Cause("slice", (part.criterion,), part.where),
    )


def _target_actions(material: Material) -> Iterator[Action]:
    for measure in missed(material):
        criterion, course = material.criteria.get(measure.criterion), measure.course
        wanted, usual = percent(criterion.target or 0.0), percent(course.usual.rate or 0.0)
        yield Action(
            f"Decide what has to change for {criterion.failures} to stay within {wanted}",
            f"They are usually at {usual}, and no usual week reaches the target.",
            "A target that can be met, or one that is set anew",
            "quality lead",
            14,
            Cause("target", (measure.criterion,)),
        )


def _label_actions(material: Material) -> Iterator[Action]:
    if not material.received:
        return
    needs = [(name, found) for name in material.names() if (found := corrected(material, name))]
    if not needs:
        answers = counted(len({label.interaction_id for label in material.labels}), "answer")
        so_far = f"No rate is corrected by labels of {answers}" if material.labels else ""
        yield Action(
            "Label a random sample of this week in a review queue",
            f"{so_far or 'Nobody has labelled it'}, so every rate is the evaluator's alone.",
            "True rates with intervals beside the raw ones",
            "review team",
            5,
            Cause("unlabelled"),
        )
    wide = [(name, found) for name, found in needs if found.labels_to_halve]
    if wide:
        name, found = max(wide, key=lambda pair: pair[1].interval.width)
        yield Action(
            f"Label {counted(found.labels_to_halve or 0, 'more answer')} on "
            f"{_title(material, name)}",
            f"Its corrected rate is known to ±{100 * found.interval.width / 2:.1f} points only.",
            "An interval half as wide",
            "review team",
            5,
            Cause("wide", (name,), size=found.interval.width / 2),
        )


def _calibration_actions(material: Material) -> Iterator[Action]:
    found = [one for one in material.off if not one.refusal]
    if found:
        worst = max(found, key=lambda one: one.error)
        names = listed([_title(material, one.criterion) for one in found])
        yield Action(
            f"Run touchstone calibrate for {names}",
            f"{_off(material, worst)}, and a curve fitted to some labels does better on the rest.",
            "Scores that mean what they say, and as many answers flagged as fail",
            "platform team",
            14,
            Cause("off", tuple(one.criterion for one in found)),
        )


def _left_alone(material: Material, one: Miscalibrated) -> str:
    """Why scores that are off are nothing to run `touchstone calibrate` for."""
    return f"{_off(material, one)}; touchstone calibrate would leave them so: {one.refusal}."


def _off(material: Material, one: Miscalibrated) -> str:
    return (
        f"On {counted(one.labels, 'label')} the scores of {_title(material, one.criterion)} are "
        f"off by {100 * one.error:.0f} points on average"
    )


def _changed_here(findings: Findings, criterion: str) -> tuple[Slice | None, str]:
    """The release, prompt or model that is new this week, and what speaks for it: that it stands
    out, or, where no place does, that all answers are of it, but for a few."""
    leads = findings.leads(criterion)
    parts = leads or [one for one in findings.places(criterion, "worse") if one.is_nearly_all]
    for key in ("release", "prompt_version", "model"):
        for part in parts:
            if part.is_new and part.where.key == key:
                but = f" but {count(part.rest.n)}" if part.rest.n else ""
                all_of_it = f"it is new, and all{but} answers are of it"
                return part.where, "it is new and stands out" if leads else all_of_it
    return None, ""


def _excess(event: Measure) -> int:
    now, usual = event.course.now, event.course.usual
    return max(1, round(now.failing - (usual.rate or 0.0) * now.n))


def _owner(places: Sequence[str]) -> str:
    applications = [one.removeprefix("application ") for one in places if "application " in one]
    return f"{applications[0]} team" if applications else "quality lead"


def _row(action: Mapping[str, Any]) -> list[blocks.Cell]:
    editor = action["edited_by"]
    return [
        blocks.words(action["what"], f"changed by {editor}" if editor else ""),
        blocks.words("", action["why"]),
        blocks.words("", action["effect"]),
        blocks.words(action["owner"]),
        blocks.words(_day(action["by"])),
    ]


def _day(iso: str) -> str:
    by = date.fromisoformat(iso)
    return f"{by.day}\N{NO-BREAK SPACE}{by:%b}"


def _followed_row(one: Mapping[str, Any]) -> list[blocks.Cell]:
    return [
        blocks.words(one["what"]),
        blocks.words(STATES[one["state"]], one["words"]),
        blocks.words(one["owner"]),
        blocks.words(_day(one["by"])),
    ]


def plain_actions(material: Material) -> list[dict[str, Any]]:
    """The actions as report.json holds them, for programs and for the next report."""
    return [
        {
            "what": one.what,
            "why": one.why,
            "effect": one.effect,
            "owner": one.owner,
            "by": _due(material, one.days).isoformat(),
            "cause": one.cause.plain(),
            "edited_by": "",
        }
        for one in find_actions(material)
    ]


def _due(material: Material, days: int) -> date:
    """So many days after the Monday on which the report is read."""
    sunday, _, _ = days_of(material.week, material.time_zone)[-1]
    return sunday + timedelta(days=days + 1)


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]


def _title(material: Material, criterion: str) -> str:
    return material.criteria.get(criterion).title.lower()
