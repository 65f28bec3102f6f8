"""Makes claims of known truth from passages: faithful rewordings and small false edits.

An edit changes one fact of a sentence that the passage holds, so that the words stay nearly the
same and only the truth differs. Everything follows from the random generator that is passed in.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from evaluators.sentences import split_sentences
from evaluators.signals import NUMBER, names, numbers

OPPOSITE_PAIRS = """
    before/after free/paid increase/decrease increased/decreased always/never open/closed
    minimum/maximum includes/excludes included/excluded allowed/forbidden more/less first/last
    weekly/monthly daily/yearly all/some only/also north/south east/west early/late large/small
    high/low higher/lower above/below start/end begins/ends won/lost male/female public/private
    required/optional required/unnecessary must/may can/cannot with/without online/offline
    days/weeks hours/minutes months/years oldest/youngest best/worst most/least rise/fall
    father/mother son/daughter brother/sister old/new true/false full/empty long/short
"""
OPPOSITES = tuple(tuple(pair.split("/")) for pair in OPPOSITE_PAIRS.split())
SYNONYM_PAIRS = """
    within/in purchase/buy purchased/bought receive/get received/got however/but also/too
    largest/biggest began/started begins/starts use/utilise approximately/about many/numerous
    children/kids help/assist obtain/get require/need requires/needs customers/clients
    usually/normally located/situated founded/established several/some famous/well-known
    city/town film/movie wrote/authored created/made states/says near/close important/key
"""
SYNONYMS = tuple(tuple(pair.split("/")) for pair in SYNONYM_PAIRS.split())
PREFIXES = ("", "", "", "Yes, ", "According to the document, ", "The text says that ", "In short, ")
INVENTED = (
    "at no extra cost", "within 24 hours", "on weekends as well", "for all customers worldwide",
    "with a lifetime guarantee", "in every country", "and this is confirmed by a 2019 study",
    "after approval by the manager", "up to 10 times a day", "as decided by the government",
    "which was later withdrawn", "without any exception", "at the age of 34",
    "for 200 million dollars",
)  # fmt: skip
AUXILIARY = re.compile(r"\b(is|are|was|were|can|will|must|should|has|have|had|does|did)\b(?! not)")
NOT = re.compile(r"\b(?:not |never )|(?<=can)not\b")
UNITS = ("minutes", "hours", "days", "weeks", "months", "years")
UNIT = re.compile(r"\b(minute|hour|day|week|month|year)s?\b")


@dataclass(frozen=True, slots=True)
class Made:
    """A sentence with its truth and how it was made."""

    text: str
    label: int
    kind: str


def change_number(sentence: str, passage: str, random: Random) -> str | None:
    """The sentence with another number, one that the passage does not hold."""
    found = list(NUMBER.finditer(sentence))
    if not found:
        return None
    match = random.choice(found)
    digits = re.sub(r"\D", "", match.group())
    taken = numbers(passage)
    for _ in range(10):
        low, high = 10 ** (len(digits) - 1), 10 ** len(digits) - 1
        other = str(random.randint(low, high)) if len(digits) < 9 else digits[::-1]
        if len(digits) == 4 and digits[:2] in {"18", "19", "20"}:
            other = str(int(digits) + random.choice((-25, -12, -3, -1, 1, 2, 7, 15)))
        if other not in taken:
            return sentence[: match.start()] + other + sentence[match.end() :]
    return None


def change_unit(sentence: str, passage: str, random: Random) -> str | None:
    """The sentence with another unit of time."""
    match = UNIT.search(sentence)
    if match is None:
        return None
    other = random.choice([unit for unit in UNITS if match.group(1) not in unit])
    return sentence[: match.start()] + other + sentence[match.end() :]


def change_name(sentence: str, strangers: Sequence[str], random: Random) -> str | None:
    """The sentence with a name that belongs to another passage."""
    own = [name for name in names(sentence) if len(name) > 3]
    if not own or not strangers:
        return None
    target = random.choice(sorted(own))
    found = re.search(rf"\b{re.escape(target)}\b", sentence, re.IGNORECASE)
    if found is None:
        return None
    return sentence[: found.start()] + random.choice(strangers) + sentence[found.end() :]


def change_polarity(sentence: str, random: Random) -> str | None:
    """The sentence denied, or its denial removed."""
    if NOT.search(sentence):
        return NOT.sub("", sentence, count=1)
    match = AUXILIARY.search(sentence)
    if match is None:
        return None
    return sentence[: match.end()] + " not" + sentence[match.end() :]


def change_word(sentence: str, pairs: Sequence[Sequence[str]], random: Random) -> str | None:
    """The sentence with one word of a pair replaced by the other."""
    present = [
        (one, other)
        for pair in pairs
        for one, other in (pair, pair[::-1])
        if re.search(rf"\b{one}\b", sentence)
    ]
    if not present:
        return None
    one, other = random.choice(present)
    return re.sub(rf"\b{one}\b", other, sentence, count=1)


def add_invention(sentence: str, random: Random) -> str:
    """The sentence with something added that no passage says."""
    return f"{sentence.rstrip('.!? ')} {random.choice(INVENTED)}."


def reword(sentence: str, random: Random) -> str:
    """The sentence said a little differently, and still true."""
    said = change_word(sentence, SYNONYMS, random) or sentence
    if random.random() < 0.4:
        said = re.sub(r"\s*\([^)]*\)", "", said)
    if random.random() < 0.3 and said.count(", ") == 1 and len(said.split(", ")[0]) > 30:
        said = said.split(", ")[0] + "."
    prefix = random.choice(PREFIXES)
    return prefix + (said[:1].lower() + said[1:] if prefix and said[1:2].islower() else said)


def make_claims(passage: str, strangers: Sequence[str], random: Random, count: int) -> list[Made]:
    """Twins of up to `count` sentences of a passage: a faithful rewording and a false edit."""
    spans = [span for span in split_sentences(passage) if 40 <= span.end - span.start <= 260]
    made: list[Made] = []
    for span in random.sample(spans, min(count, len(spans))):
        sentence = passage[span.start : span.end]
        false = _falsify(sentence, passage, strangers, random)
        if false is not None:
            made.append(Made(reword(sentence, random), 1, "reworded"))
            made.append(false)
    return made


def _falsify(sentence: str, passage: str, strangers: Sequence[str], random: Random) -> Made | None:
    edits: list[tuple[str, Callable[[], str | None]]] = [
        ("number", lambda: change_number(sentence, passage, random)),
        ("number", lambda: change_number(sentence, passage, random)),
        ("unit", lambda: change_unit(sentence, passage, random)),
        ("name", lambda: change_name(sentence, strangers, random)),
        ("polarity", lambda: change_polarity(sentence, random)),
        ("opposite", lambda: change_word(sentence, OPPOSITES, random)),
        ("invented", lambda: add_invention(sentence, random)),
    ]
    random.shuffle(edits)
    for kind, edit in edits:
        changed = edit()
        if changed is not None and changed != sentence:
            return Made(changed, 0, kind)
    return None
