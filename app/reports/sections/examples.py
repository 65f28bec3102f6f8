"""Examples: answers that failed, with the words that show it and the nearest evidence."""

from itertools import pairwise
from typing import Any

from app.criteria import Criterion
from app.reports import blocks
from app.reports.material import Material
from app.reports.numbers import count, listed
from app.tables import Evaluation, Interaction

MOST_EXAMPLES = 6
LONGEST_PROMPT = 280
LONGEST_RESPONSE = 640
LONGEST_EVIDENCE = 280


def section(material: Material) -> blocks.Section:
    """The clearest failures, those behind a finding first."""
    items = [
        example_of(material.criteria.get(evaluation.criterion), evaluation, interaction)
        for evaluation, interaction in _chosen(material)
    ]
    content = [blocks.examples(items)] if items else []
    return blocks.section("examples", "Examples", heading(material), content, note=_note(items))


def heading(material: Material) -> str:
    """How many answers failed, by criterion."""
    failing = [
        (one.course.now.failing, material.criteria.get(one.criterion).failures)
        for one in material.findings.failing.values()
        if one.course.now.failing
    ]
    if not failing:
        return _nothing(material)
    failing.sort(key=lambda item: -item[0])
    names = [f"{name} ({count(number)})" for number, name in failing]
    if len(names) == 1:
        return f"All failures are {names[0]}"
    return f"The commonest failures are {names[0]}, then {listed(names[1:])}"


def _nothing(material: Material) -> str:
    if not material.received:
        return "There is nothing to show"
    is_scored = any(one.course.now.n for one in material.findings.failing.values())
    return "No answer failed" if is_scored else "No answer has a score"


def _note(items: list[dict[str, Any]]) -> str:
    if not items:
        return ""
    return (
        "The clearest ones by score. Marked words are those the evaluator objects to; "
        "an evaluator can be wrong, so read them before acting."
    )


def _chosen(material: Material) -> list[tuple[Evaluation, Interaction]]:
    """Round by round one example per criterion, criteria with an event first."""
    order = [one.criterion for one in material.findings.events if one.about == "failing"]
    order += [part.criterion for part in material.findings.places(None, "worse")]
    order += [name for name in material.names() if name not in order]
    names = list(dict.fromkeys(order))
    queues = [_in_the_place_first(material, name) for name in names]
    rounds = max((len(queue) for queue in queues), default=0)
    found, seen = [], set()
    for place in range(rounds):
        for queue in queues:
            if place < len(queue) and queue[place][1].id not in seen:
                seen.add(queue[place][1].id)
                found.append(queue[place])
    return found[:MOST_EXAMPLES]


def _in_the_place_first(material: Material, criterion: str) -> list[tuple[Evaluation, Interaction]]:
    places = [part.where for part in material.findings.places(criterion, "worse")][:1]

    def is_elsewhere(item: tuple[Evaluation, Interaction]) -> bool:
        interaction = item[1]
        values = {
            **interaction.segments,
            "application": interaction.application,
            "model": interaction.model,
        }
        return any(values.get(where.key) != where.value for where in places)

    return sorted(material.failures.get(criterion, []), key=is_elsewhere)


def example_of(
    criterion: Criterion, evaluation: Evaluation, interaction: Interaction
) -> dict[str, Any]:
    """A failing answer as a report shows it: shortened, with its objections marked."""
    marks = _marks(criterion, evaluation, len(interaction.response))
    return {
        "interaction_id": interaction.id,
        "href": f"/interactions/{interaction.id}",
        "criterion": criterion.name,
        "title": criterion.title,
        "label": evaluation.label,
        "score": evaluation.score,
        "evaluator": f"{evaluation.evaluator} {evaluation.version}",
        "application": interaction.application,
        "model": interaction.model,
        "segments": dict(sorted(interaction.segments.items())),
        "started_at": interaction.started_at.isoformat(),
        "prompt": _shortened(interaction.prompt, LONGEST_PROMPT),
        "response": _pieces(interaction.response, marks),
        "explanation": _shortened(evaluation.explanation or "", LONGEST_EVIDENCE),
        "evidence": _nearest(criterion, evaluation, interaction),
    }


def objection_of(criterion: Criterion, evaluation: Evaluation, interaction: Interaction) -> str:
    """The words of the response that the evaluator objects to most, else the whole response."""
    for piece in _objections(criterion, evaluation):
        words = interaction.response[piece["start"] : piece["end"]].strip()
        if words:
            return words
    return interaction.response


def _objections(criterion: Criterion, evaluation: Evaluation) -> list[dict[str, Any]]:
    """The evidence that counts against the response, the strongest first."""
    against = [piece for piece in evaluation.evidence if not criterion.passes(piece["score"])]
    sign = 1 if criterion.higher_is_better else -1
    return sorted(against, key=lambda piece: (sign * piece["score"], piece["start"]))


def _marks(criterion: Criterion, evaluation: Evaluation, length: int) -> list[tuple[int, int]]:
    """The places to mark, in order, without overlaps."""
    spans = sorted(
        (piece["start"], min(piece["end"], length)) for piece in _objections(criterion, evaluation)
    )
    marks: list[tuple[int, int]] = []
    for start, end in spans:
        start = max(start, marks[-1][1] if marks else 0)
        if start < end:
            marks.append((start, end))
    return marks


def _pieces(response: str, marks: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """The response in pieces, marked or not; a long one is cut around its first mark."""
    first = marks[0][0] if marks else 0
    begin = max(0, min(first - LONGEST_RESPONSE // 3, len(response) - LONGEST_RESPONSE))
    stop = min(len(response), begin + LONGEST_RESPONSE)
    edges = [begin]
    for start, end in marks:
        edges += [min(max(start, begin), stop), min(max(end, begin), stop)]
    edges.append(stop)
    pieces = [
        {"text": response[start:end], "marked": place % 2 == 1}
        for place, (start, end) in enumerate(pairwise(edges))
        if start < end
    ]
    if begin > 0:
        pieces.insert(0, {"text": "… ", "marked": False})
    if stop < len(response):
        pieces.append({"text": " …", "marked": False})
    return pieces


def _nearest(
    criterion: Criterion, evaluation: Evaluation, interaction: Interaction
) -> dict[str, Any] | None:
    """The piece of context that comes nearest to supporting the worst objection."""
    for piece in _objections(criterion, evaluation):
        place = piece.get("context")
        if place is not None and 0 <= place < len(interaction.contexts):
            start, end = piece.get("context_start"), piece.get("context_end")
            words = interaction.contexts[place][start:end].strip()
            if words:
                return {"context": place, "text": _shortened(words, LONGEST_EVIDENCE)}
    return None


def _shortened(words: str, longest: int) -> str:
    return words if len(words) <= longest else f"{words[: longest - 2].rstrip()} …"
