"""How findings are put into words. Every number comes from the findings, every word from here."""

from app.criteria import Criterion
from app.reports.courses import Course, Share
from app.reports.findings import Findings, Measure, Part, share_of, too_few_to_say
from app.reports.marks import came_in
from app.reports.material import Material, reasons_of
from app.reports.numbers import (
    count,
    counted,
    listed,
    percent,
    percent_range,
    points,
    points_range,
    short_week,
)
from app.reports.quiet import (
    anew_words,
    judged_anew,
    quiet_words,
    received_sentence,
    unjudged_words,
    usual_words,
)
from app.reports.tallies import Slice, Tallies
from app.reports.targets import missed_words
from app.statistics.comparison import compare_shares

SMALL_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MOST_SENTENCES = 5


def spelled(number: int) -> str:
    """A number in words below ten."""
    return SMALL_NUMBERS[number] if number < len(SMALL_NUMBERS) else str(number)


def capital(words: str) -> str:
    """The words with a capital letter at the start, the rest untouched."""
    return words[:1].upper() + words[1:]


def slice_name(where: Slice) -> str:
    """A slice in words: "language de"."""
    return f"{where.key.replace('_', ' ')} {where.value}"


def sample_words(tallies: Tallies) -> str:
    """How many answers a look into a slice was drawn from, "" where all were read."""
    if not tallies.combined_of:
        return ""
    numbers = f"{count(tallies.combined)} of {count(tallies.combined_of)}"
    return f"from {numbers} answers, drawn by the digest that is their id"


def rate_words(share: Share, *, is_supported: bool = False) -> str:
    """A rate in a sentence, or why there is none."""
    if share.rate is None or (too_few_to_say(share) and not is_supported):
        return "too few to say"
    return percent(share.rate)


def usual_rate(course: Course) -> str:
    """The usual rate of a course that has a baseline."""
    return percent(course.usual.rate or 0.0)


def verdict_of(material: Material) -> str:
    """The week in one sentence: the worst signal, or that there is none."""
    findings = material.findings
    if not material.received:
        return f"No interaction was received in week {int(material.week[-2:])}"
    for measure in findings.events:
        return measure_verdict(material, measure)
    for part in findings.places(None, "worse", once=True):
        return part_verdict(material, part)
    if all(one.change == "unknown" for one in findings.failing.values()):
        return _unknown_verdict(material)
    for measure in findings.lasting():
        return f"Nothing new this week, but {_lasting_words(material, measure)}"
    for part in findings.places(None, "still_worse"):
        return f"Nothing new this week, but {_part_words(material, part, 'is still worse')}"
    if words := missed_words(material):
        return f"Nothing new this week, but {words}"
    return f"A quiet week{_as_far_as(material)}: {quiet_words(material)}"


def _as_far_as(material: Material) -> str:
    """That few answers show little, where a rate that was compared is too unsure to be shown."""
    known = [one for one in material.findings.failing.values() if one.change != "unknown"]
    if not any(too_few_to_say(one.course.now) for one in known):
        return ""
    return f", as far as {counted(material.received, 'answer')} can tell"


def sentences_of(material: Material) -> list[str]:
    """Three to five sentences: what changed, where, what is usual, what reviewers say."""
    findings = material.findings
    if not material.received:
        return [f"{_whose(material)} received nothing, so there is nothing to judge."]
    found = [*_event_sentences(material), *_minor_sentences(material)]
    usual = _usual_sentence(material)
    tail = [words for words in (usual, reviewers_sentence(material)) if words]
    if not findings.events and not found:
        found = [received_sentence(material)]
    return [*found[: MOST_SENTENCES - len(tail)], *tail]


def measure_verdict(material: Material, measure: Measure) -> str:
    """A measure that changed, with its rate and its usual rate."""
    course, criterion = measure.course, material.criteria.get(measure.criterion)
    now, usual = percent(course.now.rate or 0.0), usual_rate(course)
    if measure.about == "unjudged":
        names = listed([_title(material, one) for one in _unjudged_alike(material, measure)])
        return f"{capital(names.lower())} could not be judged in {now} of answers, usually {usual}"
    return f"{criterion.title} got {measure.change}: {now} {criterion.failures}, usually {usual}"


def part_verdict(material: Material, part: Part) -> str:
    """A slice that changed, with its rate and its usual rate."""
    return capital(_part_words(material, part, "got worse"))


def where_sentence(material: Material, measure: Measure) -> str:
    """Where a change of failures is largest, from the slices that changed with it."""
    parts = material.findings.leads(measure.criterion) if measure.change == "worse" else []
    if not parts:
        return "No single application, model or segment stands out."
    first = parts[0]
    now, usual = first.course.now.rate or 0.0, first.reference.rate or 0.0
    rates = f"{slice_name(first.where)}: {percent(now)}, usually {percent(usual)}"
    return f"The rise is clearest in {listed(_places(parts))} ({rates})."


def lead_places(findings: Findings, criterion: str) -> list[str]:
    """The slices in which a rise of a criterion sits, at most two, of different keys."""
    return _places(findings.leads(criterion))


def reviewers_sentence(material: Material) -> str:
    """What people said about the week's answers, in one sentence."""
    people = {label.reviewer for label in material.labels}
    if not people:
        return (
            "Nobody has labelled answers of this week yet, so every rate is the evaluator's alone."
        )
    answers = len({label.interaction_id for label in material.labels})
    return f"{counted(len(people), 'reviewer')} labelled {counted(answers, 'answer')} of this week."


def _whose(material: Material) -> str:
    return f"Application {material.application}" if material.application else "This project"


def _title(material: Material, criterion: str) -> str:
    return material.criteria.get(criterion).title


def _unknown_verdict(material: Material) -> str:
    received, weeks = counted(material.received, "interaction"), len(material.tallies.weeks)
    if not material.weeks_with_data:
        first = f"The first week with data of the last {weeks}"
        return f"{first}: {received}, and nothing to compare with yet"
    if all(one.course.chart is None for one in material.findings.failing.values()):
        if judged_anew(material):
            return "Too early to say what is usual: evaluators or thresholds have changed"
        return "Too early to say what is usual: no two comparable weeks lie before this one"
    return f"Too few answers to say anything about this week: {received}"


def _lasting_words(material: Material, measure: Measure) -> str:
    course, criterion = measure.course, material.criteria.get(measure.criterion)
    now = percent(course.now.rate or 0.0)
    since = short_week(material.tallies.weeks[course.unusual_since])
    names = came_in(material.tallies, course.unusual_since)
    since += f", the week in which {names}" if names else ""
    if measure.about == "unjudged":
        title = criterion.title.lower()
        return f"{now} of answers still cannot be judged on {title}, as since {since}"
    return (
        f"{criterion.title.lower()} is still worse than usual: {now} {criterion.failures}, "
        f"usually {usual_rate(course)}, since {since}"
    )


def _part_words(material: Material, part: Part, verb: str) -> str:
    criterion = material.criteria.get(part.criterion)
    return (
        f"{slice_name(part.where)} {verb} on {criterion.title.lower()}: "
        f"{percent(part.course.now.rate or 0.0)} {criterion.failures}, "
        f"usually {percent(part.reference.rate or 0.0)}"
    )


def _event_sentences(material: Material) -> list[str]:
    events = material.findings.events
    if not events:
        return _part_sentences(material)
    first = events[0]
    found = [_size_sentence(first)]
    is_failing = first.about == "failing"
    where = where_sentence(material, first) if is_failing else _why_sentence(material, first)
    found.append(f"{where}{_coincidence(material)}")
    alike = _unjudged_alike(material, first) if first.about == "unjudged" else []
    others = [one for one in events[1:] if one.about == "failing" or one.criterion not in alike]
    if others:
        seen = [f"{_short_event(material, one)}" for one in others[:2]]
        found.append(f"Also: {'; '.join(seen)}.")
    return found


def _coincidence(material: Material) -> str:
    """What was released or rolled back in the same week, or ""."""
    names = came_in(material.tallies, material.last)
    if not names:
        return ""
    when = f"the same {material.said.one}"
    return f" {capital(names)} in {when}, which does not prove a connection."


def _part_sentences(material: Material) -> list[str]:
    parts = material.findings.places(None, "worse", once=True)
    if not parts:
        return []
    first = parts[0]
    found = []
    if first.change is not None:
        ends = first.change.interval
        found.append(
            f"That is {points(first.change.difference)} ({points_range(ends.low, ends.high)}) "
            f"against its own earlier weeks, from {counted(first.course.now.n, 'answer')}; "
            f"the rest of the week stands at {rate_words(first.rest, is_supported=True)}."
            f"{_coincidence(material)}"
        )
    others = [name for name in _places(parts, most=4) if name != slice_name(first.where)]
    if others:
        found.append(f"The same change shows in {listed(others)}.")
    return found


def _minor_sentences(material: Material) -> list[str]:
    findings = material.findings
    found = []
    back = [one for one in findings.failing.values() if one.change == "recovered"]
    for measure in back[:1]:
        last = measure.course.last_week
        was = percent(last.rate or 0.0) if last else "a signal"
        found.append(
            f"{_title(material, measure.criterion)} is back at its usual level: "
            f"{percent(measure.course.now.rate or 0.0)}, after {was} last week."
        )
    gaps = findings.places(None, "gap")
    for part in gaps[:1]:
        found.append(gap_sentence(material, part))
    return found


def gap_sentence(material: Material, part: Part) -> str:
    """A slice that is served worse than the rest, without having changed."""
    criterion = material.criteria.get(part.criterion)
    return (
        f"{capital(slice_name(part.where))} has more {criterion.failures} than the rest "
        f"({percent(part.course.now.rate or 0.0)} against {percent(part.rest.rate or 0.0)})"
        f"{f', as in earlier {material.said.one}s' if _stands(part) else ''}."
    )


def _stands(part: Part) -> bool:
    standing = part.standing
    return standing is not None and standing.excludes_zero and standing.difference > 0


def _size_sentence(measure: Measure) -> str:
    course = measure.course
    words = []
    if course.last_week is not None and course.against_last is not None:
        ends = course.against_last.interval
        words.append(
            f"Last week it was {percent(course.last_week.rate or 0.0)}: a difference of "
            f"{points(course.against_last.difference)} ({points_range(ends.low, ends.high)})"
        )
    if course.limits is not None:
        weeks = counted(len(course.baseline), "earlier week")
        limits = percent_range(course.limits.low, course.limits.high)
        never = f"it did not happen in {weeks}"
        learnt = f"the usual limits, learnt from {weeks}, are {limits}"
        words.append(learnt if course.limits.high > 0 else never)
    return f"{capital('; '.join(words))}."


def _why_sentence(material: Material, measure: Measure) -> str:
    reasons = reasons_of(material, measure.criterion, 1)
    if not reasons:
        return "The evaluator gave no reason."
    answers = counted(reasons[0].n, "answer")
    place = _unjudged_place(material, measure.criterion)
    return f"The commonest reason: “{reasons[0].words}” ({answers}{place})."


def _unjudged_place(material: Material, criterion: str) -> str:
    """The application that could be judged least, where it differs clearly from the rest."""
    whole = share_of(material.tallies.of(criterion)[-1], "unjudged")
    worst, words = 0.0, ""
    for part, series in material.tallies.by_criterion.get(criterion, {}).items():
        own = share_of(series[-1], "unjudged")
        rest_n, rest = whole.n - own.n, whole.failing - own.failing
        against = compare_shares(own.failing, own.n, rest, rest_n)
        if part.key == "application" and against and against.interval.low > worst:
            worst, words = against.interval.low, f", most often in {slice_name(part)}"
    return words


def _short_event(material: Material, measure: Measure) -> str:
    words = measure_verdict(material, measure)
    return words[:1].lower() + words[1:]


def _unjudged_alike(material: Material, measure: Measure) -> list[str]:
    """The criteria that could not be judged as often, for the same commonest reason."""
    reason = [one.words for one in reasons_of(material, measure.criterion, 1)]
    names = []
    for event in material.findings.events:
        if event.about == "unjudged" and event.course.now == measure.course.now:
            own = [one.words for one in reasons_of(material, event.criterion, 1)]
            if event.criterion == measure.criterion or own == reason:
                names.append(event.criterion)
    return names


def _usual_sentence(material: Material) -> str:
    words = [*filter(None, [usual_words(material)]), *unjudged_words(material)]
    words += anew_words(material)
    return f"{capital('; '.join(words))}." if words else ""


def _places(parts: list[Part], most: int = 2) -> list[str]:
    names: dict[str, str] = {}
    for part in parts:
        names.setdefault(part.where.key, slice_name(part.where))
    return list(names.values())[:most]


def failing_words(criterion: Criterion, tallies: Tallies) -> str:
    """What made an answer fail: "score below 0.5", with every threshold that was in force; today's
    where none was."""
    side = "below" if criterion.higher_is_better else "of at least"
    sources = tallies.sources.get(criterion.name, [frozenset()])[-1]
    levels = sorted({one.threshold for one in sources if one.threshold is not None})
    words = " or ".join(f"{level:g}" for level in levels or [criterion.threshold])
    return f"score {side} {words}"
