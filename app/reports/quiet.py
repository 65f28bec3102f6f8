"""What is said where nothing is claimed: what is as usual, unsure, or not known yet."""

from app.reports.findings import Measure
from app.reports.material import Material
from app.reports.numbers import counted, listed


def quiet_words(material: Material) -> str:
    """Why a week is called quiet; what stays better or gives an unsure signal is named."""
    measures = material.findings.failing.values()
    better = [_title(material, one.criterion) for one in measures if one.change == "still_better"]
    if better:
        return f"{listed(better)} {'stays' if len(better) == 1 else 'stay'} better than usual"
    unsure = [_title(material, name) for name in unconfirmed(material)]
    if unsure:
        return f"a signal on {listed(unsure)} is not confirmed"
    return none_left(material)


def none_left(material: Material) -> str:
    """That no measure left its usual variation, of those of which it is known, if it is of any."""
    changes = {one.change for one in material.findings.failing.values()}
    if changes == {"unknown"}:
        return f"too little is known of {material.said.this} to compare it"
    known = " that can be compared" if "unknown" in changes else ""
    return f"no measure{known} left its usual variation"


def unconfirmed(material: Material) -> list[str]:
    """The criteria whose chart gives a signal that the comparison does not confirm."""
    unclaimed = ("none", "recovered", "unknown")
    return [
        one.criterion
        for one in material.findings.failing.values()
        if one.course.signals and one.change in unclaimed
    ]


def usual_words(material: Material) -> str:
    """Which criteria vary as usual, and which of them only where they could be judged; or ""."""
    findings = material.findings
    names = [
        _title(material, one.criterion)
        for one in findings.failing.values()
        if one.change == "none" and not one.course.signals
    ]
    if not names:
        return ""
    where = ""
    if any(one.change in ("worse", "still_worse") for one in findings.unjudged.values()):
        where = " where answers could be judged"
    elif findings.places(None, "worse"):
        where = " over all answers"
    return f"{listed(names)} {'vary' if len(names) > 1 else 'varies'} as usual{where}"


def unjudged_words(material: Material) -> list[str]:
    """The criteria without a single score: those that got none, those that wait for one, and those
    that nobody asked for, as when their evaluator is switched off."""
    waiting, without, unasked = list[str](), list[str](), list[str]()
    for one in material.findings.failing.values():
        tally = material.tallies.of(one.criterion)[-1]
        if one.change == "unknown" and not tally.scored:
            is_waiting = tally.pending or tally.skipped
            found = waiting if is_waiting else without if tally.judged else unasked
            found.append(_title(material, one.criterion))
    words = [f"{listed(without)} could not be judged at all"] if without else []
    if unasked:
        words.append(f"no verdict on {listed(unasked)} was asked for")
    if waiting:
        verb = "have" if len(waiting) > 1 else "has"
        words.append(f"{listed(waiting)} {verb} not been judged yet")
    return words


def judged_anew(material: Material) -> list[Measure]:
    """The measures that nothing is compared with because another evaluator, version or threshold
    judged earlier weeks, or a part of this one."""
    found = []
    for one in material.findings.failing.values():
        name, course = one.criterion, one.course
        pairs = zip(material.tallies.comparable(name)[:-1], course.shares, strict=False)
        before = name in material.tallies.replaced or any(
            each.n for same, each in pairs if not same
        )
        if course.now.n and course.chart is None and before:
            found.append(one)
    return found


def changed_within(material: Material) -> str:
    """That parts of the week cannot be held against each other, as no criterion was judged alike in
    all of it, or ""."""
    scored = [one.criterion for one in material.findings.failing.values() if one.course.now.n]
    if not scored or any(map(material.tallies.is_judged_alike, scored)):
        return ""
    return f"evaluators or thresholds changed within {material.said.this}"


def anew_words(material: Material) -> list[str]:
    """Which criteria cannot be compared because what judges them changed."""
    both, since = list[str](), list[str]()
    for one in judged_anew(material):
        is_one = material.tallies.is_judged_alike(one.criterion)
        (since if is_one else both).append(_title(material, one.criterion))
    words = []
    if both:
        words.append(
            f"the evaluator or threshold of {listed(both)} changed within {material.said.this}: "
            f"the rate{'s mix' if len(both) > 1 else ' mixes'} the verdicts of both and cannot be "
            "compared"
        )
    if since:
        words.append(
            f"{listed(since)} cannot be compared yet, as another evaluator or threshold judged "
            f"earlier {material.said.one}s"
        )
    return words


def pending_words(material: Material) -> str:
    """How many verdicts are still to come, or ""."""
    pending = sum(material.tallies.of(name)[-1].pending for name in material.names())
    if not pending:
        return ""
    verb = "is" if pending == 1 else "are"
    return f"{counted(pending, 'verdict')} of {material.said.this} {verb} still to come"


def received_sentence(material: Material) -> str:
    """How many interactions came in, and with how many earlier weeks they were compared."""
    came = f"{counted(material.received, 'interaction')} came in"
    if not material.weeks_with_data:
        return f"{came}; two more weeks will show what is usual."
    number = max(_comparable_weeks(material, name) for name in material.names())
    if not number:
        return f"{came} and could not be compared with earlier weeks."
    verb, weeks = "was" if material.received == 1 else "were", counted(number, "earlier week")
    failing = material.findings.failing.values()
    if all(one.change == "unknown" for one in failing) and any(one.course.chart for one in failing):
        return f"{came}, too few to compare with {weeks}."
    return f"{came} and {verb} compared with {weeks}."


def _comparable_weeks(material: Material, criterion: str) -> int:
    same = material.tallies.comparable(criterion)[:-1]
    shares = material.findings.failing[criterion].course.shares
    return sum(each and share.n > 0 for each, share in zip(same, shares, strict=False))


def _title(material: Material, criterion: str) -> str:
    return material.criteria.get(criterion).title.lower()
