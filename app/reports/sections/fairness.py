"""Fairness: whether groups of people are served alike, and whether the evaluator errs alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from app.criteria import Criterion
from app.reports import blocks
from app.reports.courses import Share, together
from app.reports.findings import share_of
from app.reports.labels import Label, drawn_labels
from app.reports.material import Material
from app.reports.numbers import counted, listed, points
from app.reports.phrases import capital, sample_words, slice_name
from app.reports.quiet import changed_within
from app.reports.tallies import Slice
from app.statistics.comparison import Comparison, compare_shares
from app.statistics.corrected_rate import CorrectedRate, corrected_gap, prediction_powered_rate
from app.statistics.correction import holm
from app.statistics.intervals import Interval, ratio_interval

GROUP_KEYS = ("language", "user_group", "region", "gender", "age_group")
"""The segments that name people; the others name parts of the application."""
LEAST_SCORED = 50
"""Smaller groups are suppressed: their numbers say little and may point at persons."""
LEAST_LABELS = 30
LEAST_GAP = 0.05
LEVEL = 0.05
POOLED_WEEKS = 4
COLUMNS = (
    "Group",
    "Failing",
    "Corrected",
    "Difference to reference",
    "Corrected difference",
    "Ratio",
    "Evaluator errs",
    "Reading",
)


Support = Literal["confirmed", "unconfirmed", "unlabelled"]
READINGS: Mapping[Support, str] = {
    "confirmed": "Larger, and labels confirm it",
    "unconfirmed": "Flagged more often; labels do not confirm it",
    "unlabelled": "Flagged more often; too few labels to tell why",
}
SWAP_COLUMNS = (
    "Evaluator",
    "Pairs",
    "Largest gap of scores",
    "Farthest from the others",
    "Texts that flip",
    "Reading",
)


@dataclass(frozen=True, slots=True)
class Group:
    """A group of people: how often they get failing answers, beside the largest group."""

    criterion: str
    where: Slice
    share: Share
    reference: Slice
    reference_share: Share
    comparison: Comparison | None
    """None for the reference itself."""
    holds: bool = False


def section(material: Material) -> blocks.Section:
    """A table per criterion with a gap; the others are folded."""
    groups = find_groups(material)
    shown: list[blocks.Block] = []
    quiet: list[blocks.Block] = []
    for criterion in material.criteria:
        own = [group for group in groups if group.criterion == criterion.name]
        if own:
            table = _table(material, criterion, own)
            (shown if any(group.holds for group in own) else quiet).append(table)
    content = [*shown]
    if quiet:
        content.append(blocks.folded("The criteria without a clear gap", quiet))
    if not content:
        content.append(blocks.text(_advice(material)))
    swaps = (material.study or {}).get("swaps", [])
    if swaps:
        rows = [_swap_row(material, swap) for swap in swaps]
        caption = "The same texts with another group named"
        content.append(blocks.text("Our own evaluators, on texts where only a group is swapped:"))
        content.append(blocks.table(SWAP_COLUMNS, rows, caption=caption))
    return blocks.section(
        "fairness", "Fairness", heading(material, groups), content, note=_note(material, groups)
    )


def heading(material: Material, groups: Sequence[Group]) -> str:
    """Which groups get more failing answers than the largest one, over some weeks."""
    gaps = [_Gap(group, _support(material, group)) for group in groups if group.holds]
    if gaps:
        return _gap_words(material, min(gaps, key=_Gap.rank))
    if not groups and (changed := changed_within(material)):
        return f"Groups of people are not compared: {changed}"
    if not groups:
        return "There are too few answers per group of people to compare them"
    keys = listed(sorted({group.where.key.replace("_", " ") for group in groups}))
    return f"No clear gap between groups by {keys}"


class _Gap(NamedTuple):
    """A gap in what the evaluator flags, and whether labels say the same."""

    group: Group
    support: Support

    def rank(self) -> tuple[bool, float]:
        """Confirmed ones first, then the largest."""
        comparison = self.group.comparison
        return self.support != "confirmed", -(comparison.difference if comparison else 0.0)


def _gap_words(material: Material, found: _Gap) -> str:
    """The gap, and that it is the evaluator's word alone where labels do not confirm it."""
    first = found.group
    failures = material.criteria.get(first.criterion).failures
    gap = points(first.comparison.difference if first.comparison else 0.0)
    weeks, other = _weeks(material, first.criterion), slice_name(first.reference)
    if found.support == "confirmed":
        return f"{_name(first.where)} gets more {failures} than {other} {weeks}: {gap}"
    doubt = "labels do not confirm it"
    if found.support == "unlabelled":
        doubt = "too few labels to tell whether the evaluator errs"
    return (
        f"{_name(first.where)} is flagged for more {failures} than {other} ({gap} {weeks}); {doubt}"
    )


def find_groups(material: Material) -> list[Group]:
    """All groups that are large enough, with Holm's correction over all comparisons."""
    found = [
        group
        for name in material.names()
        if material.tallies.is_judged_alike(name)
        for key in GROUP_KEYS
        for group in _groups(material, name, key)
    ]
    compared = [group for group in found if group.comparison is not None]
    adjusted = holm([group.comparison.p_value for group in compared if group.comparison])
    holding = {
        (group.criterion, group.where)
        for group, p_value in zip(compared, adjusted, strict=True)
        if p_value <= LEVEL and _is_large(material, group)
    }
    return [replace(group, holds=(group.criterion, group.where) in holding) for group in found]


def ratio_of(share: Share, reference: Share) -> tuple[float, Interval] | None:
    """The ratio of two rates with its interval; None where the reference has no failure."""
    interval = ratio_interval(share.failing, share.n, reference.failing, reference.n)
    if interval is None:
        return None
    return (share.failing / share.n) / (reference.failing / reference.n), interval


def _is_large(material: Material, group: Group) -> bool:
    """Whether the gap matters, over the weeks together and in this week by itself.

    Without the second a bad week would be told again in each of the weeks that follow.
    """
    now = share_of(material.tallies.of(group.criterion, group.where)[-1], "failing")
    other = share_of(material.tallies.of(group.criterion, group.reference)[-1], "failing")
    alone = compare_shares(now.failing, now.n, other.failing, other.n)
    if group.comparison is None or alone is None or alone.p_above > LEVEL:
        return False
    return min(group.comparison.difference, alone.difference) >= LEAST_GAP


def _pooled_weeks(material: Material, criterion: str) -> list[int]:
    """This week and the newest comparable ones in which no group was unusual when it came.

    A bad week that is over is told as a change of its week, not as how groups fare.
    """
    same, last = material.tallies.comparable(criterion), material.last
    unusual = {
        week
        for part in material.findings.parts
        if part.criterion == criterion and part.where.key in GROUP_KEYS
        for week, flag in enumerate(part.course.flags)
        if flag
    }
    weeks = [week for week in range(last) if same[week] and week not in unusual]
    return [*weeks[-POOLED_WEEKS + 1 :], last]


def _groups(material: Material, criterion: str, key: str) -> list[Group]:
    weeks = _pooled_weeks(material, criterion)
    shares = {}
    for where in sorted(material.tallies.by_criterion.get(criterion, {})):
        if where.key == key:
            series = material.tallies.of(criterion, where)
            share = together([share_of(series[week], "failing") for week in weeks])
            if share.n >= LEAST_SCORED:
                shares[where] = share
    if len(shares) < 2:
        return []
    reference = max(shares, key=lambda where: shares[where].n)
    return [
        Group(
            criterion,
            where,
            share,
            reference,
            shares[reference],
            None
            if where == reference
            else compare_shares(
                share.failing, share.n, shares[reference].failing, shares[reference].n
            ),
        )
        for where, share in sorted(shares.items(), key=lambda item: -item[1].n)
    ]


def _table(material: Material, criterion: Criterion, groups: Sequence[Group]) -> blocks.Block:
    rows = [_row(material, group) for group in groups]
    return blocks.table(COLUMNS, rows, caption=f"{capital(criterion.failures)} by group of people")


def _row(material: Material, group: Group) -> list[blocks.Cell]:
    tone = "concern" if group.holds else ""
    is_reference = group.comparison is None
    labels = _labels_of(material, group, group.where)
    gap = None if is_reference else _corrected_gap(material, group)
    reading = READINGS[_support_of(gap)] if group.holds else "No clear gap"
    return [
        blocks.words(_name(group.where), material.criteria.get(group.criterion).title.lower()),
        blocks.share(group.share, tone=tone, is_supported=group.holds),
        _corrected(group.share, labels),
        blocks.difference(group.comparison, tone=tone),
        blocks.words("–") if gap is None else blocks.gap(*gap),
        _ratio(group),
        _errors(labels),
        blocks.state("Reference" if is_reference else reading, tone),
    ]


def _support(material: Material, group: Group) -> Support:
    """Whether labels of both groups find the gap that the evaluator does."""
    return _support_of(_corrected_gap(material, group))


def _support_of(gap: tuple[float, Interval] | None) -> Support:
    if gap is None:
        return "unlabelled"
    return "confirmed" if gap[1].low > 0 else "unconfirmed"


def _corrected_rate(share: Share, labels: Sequence[Label]) -> CorrectedRate | None:
    drawn = drawn_labels(labels)
    if len(drawn) < LEAST_LABELS:
        return None
    return prediction_powered_rate(share.failing, share.n, drawn)


def _corrected(share: Share, labels: Sequence[Label]) -> blocks.Cell:
    found = _corrected_rate(share, labels)
    if found is None:
        return blocks.words("too few labels", f"{len(drawn_labels(labels))} of {LEAST_LABELS}")
    return blocks.estimate(found.rate, found.interval, found.labels)


def _corrected_gap(material: Material, group: Group) -> tuple[float, Interval] | None:
    """The difference to the reference as reviewers see it; None without enough labels of both."""
    own = _corrected_rate(group.share, _labels_of(material, group, group.where))
    other = _corrected_rate(group.reference_share, _labels_of(material, group, group.reference))
    return corrected_gap(own, other) if own is not None and other is not None else None


def _ratio(group: Group) -> blocks.Cell:
    found = ratio_of(group.share, group.reference_share) if group.comparison else None
    return blocks.words("–") if found is None else blocks.ratio(*found)


def _errors(labels: Sequence[Label]) -> blocks.Cell:
    """How often the evaluator and the reviewer differ: its own error, apart from the gap."""
    known = [one for one in labels if one.flagged is not None]
    if len(known) < LEAST_LABELS:
        return blocks.words("too few labels", f"{len(known)} of {LEAST_LABELS}")
    return blocks.share(Share(sum(one.flagged != one.fails for one in known), len(known)))


def _labels_of(material: Material, group: Group, where: Slice) -> list[Label]:
    weeks = set(_pooled_weeks(material, group.criterion))
    return [
        one.within(where)
        for one in (*material.earlier_labels, *material.labels)
        if one.criterion == group.criterion
        and not one.is_by_outcome
        and one.week in weeks
        and one.segments.get(where.key) == where.value
    ]


def _swap_row(material: Material, swap: dict[str, Any]) -> list[blocks.Cell]:
    flips, gap = swap["flips"], swap["largest_gap"]
    reading = "Verdict flips with the group" if flips else "Same verdict for every group"
    return [
        blocks.words(
            material.criteria.get(swap["criterion"]).title, f"{swap['evaluator']} {swap['version']}"
        ),
        blocks.number(swap["pairs"]),
        blocks.coefficient(gap),
        blocks.words(swap["widest"]),
        blocks.number(flips),
        blocks.state(reading, "concern" if flips else ""),
    ]


def _name(where: Slice) -> str:
    return capital(f"{where.key.replace('_', ' ')} {where.value}")


def _weeks(material: Material, criterion: str) -> str:
    number = len(_pooled_weeks(material, criterion))
    return material.said.this if number == 1 else f"over {number} {material.said.one}s"


def _note(material: Material, groups: Sequence[Group]) -> str:
    if not groups:
        return ""
    said, compared = material.said, sum(group.comparison is not None for group in groups)
    sample = sample_words(material.tallies)
    drawn = f"The groups are counted {sample}. " if sample else ""
    pooled = (
        f" and up to {POOLED_WEEKS - 1} comparable, ordinary {said.one}s before it, so that small "
        "groups can be seen"
    )
    lasting = f"; a gap is named while {said.this} shows it too"
    return drawn + (
        f"{capital(said.this)}{pooled if said.compares else ' alone'}; "
        f"{counted(compared, 'comparison')} with the largest group, corrected by Holm's method"
        f"{lasting if said.compares else ''}. Groups with "
        f"fewer than {LEAST_SCORED} scored answers are not shown, nor label-based numbers from "
        f"fewer than {LEAST_LABELS} labels. Gaps can come from what is asked, and from an "
        "evaluator that errs more in one group: labels of both groups tell."
    )


def _advice(material: Material) -> str:
    keys = listed([key.replace("_", " ") for key in GROUP_KEYS])
    return (
        f"Groups are compared by {keys}, when at least two have {LEAST_SCORED} scored answers. "
        "Send such segments with your traces to see whether people are served alike."
    )
