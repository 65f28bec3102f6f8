"""What is said where nothing is claimed: what is as usual, unsure, or not known yet."""

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
    if findings.places(None, "worse"):
        where = " over all answers"
    elif any(one.about == "unjudged" for one in findings.events):
        where = " where answers could be judged"
    return f"{listed(names)} {'vary' if len(names) > 1 else 'varies'} as usual{where}"


def unjudged_words(material: Material) -> list[str]:
    """The criteria without a single score: those that got none, and those that wait for one."""
    waiting, without = list[str](), list[str]()
    for one in material.findings.failing.values():
        tally = material.tallies.of(one.criterion)[-1]
        if one.change == "unknown" and not tally.scored:
            is_over = tally.judged and not tally.pending
            (without if is_over else waiting).append(_title(material, one.criterion))
    words = [f"{listed(without)} could not be judged at all"] if without else []
    if waiting:
        verb = "have" if len(waiting) > 1 else "has"
        words.append(f"{listed(waiting)} {verb} not been judged yet")
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
    verb = "was" if material.received == 1 else "were"
    return f"{came} and {verb} compared with {counted(number, 'earlier week')}."


def _comparable_weeks(material: Material, criterion: str) -> int:
    same = material.tallies.comparable(criterion)[:-1]
    shares = material.findings.failing[criterion].course.shares
    return sum(each and share.n > 0 for each, share in zip(same, shares, strict=False))


def _title(material: Material, criterion: str) -> str:
    return material.criteria.get(criterion).title.lower()
