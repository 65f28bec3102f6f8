"""Exact signals in texts: words, numbers, names, negation, refusals, small talk, disguised letters.

Pure functions on strings, with the standard library only.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
NUMBER = re.compile(r"(?<![\w.])[€$£¥]?\d[\d,.:]*\d(?!\d)|(?<![\w.])[€$£¥]?\d(?!\d)")
CAPITALISED = re.compile(r"\b[^\W\d_a-zà-öø-ÿ][\w'’&.-]*\w|\b[A-Z]\b")

STOPPING = """
    a about above after again all also am an and any are as at be because been before being
    below between both but by can could did do does doing down during each few for from further
    get gets got had has have having he her here hers him his how i if in into is it its itself
    just let me more most my no nor not of off on once only or other our ours out over own
    please same she should so some such than that the their theirs them then there these they
    this those through to too under until up us very was we were what when where which while who
    whom why will with would you your yours yes may might must shall one thing things much many
    well really der die das und ist ein eine nicht mit für auf el la los las un una es de que y
    en no por con le les des du et est une pas pour dans
"""
STOP_WORDS = frozenset(STOPPING.split())
COUNTED = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen twenty
"""
NUMBER_WORDS = {word: str(value) for value, word in enumerate(COUNTED.split())} | {
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "seventy": "70",
    "eighty": "80",
    "ninety": "90",
    "noon": "12",
    "midnight": "0",
}
SCALES = {"hundred": 2, "thousand": 3, "k": 3, "million": 6, "billion": 9, "bn": 9, "trillion": 12}
SCALED = re.compile(
    r"(?<![\w.])[€$£¥]?(?P<number>\d[\d,]*(?:\.\d+)?|an?|"
    rf"{'|'.join(word for word in NUMBER_WORDS if word not in ('noon', 'midnight'))})"
    rf"[\s-]?(?P<scale>{'|'.join(SCALES)})\b",
    re.IGNORECASE,
)
"""A number with the word for its size; "k" and "bn" as well."""
HOUR = re.compile(
    r"(?<![\w.:])(?P<hour>\d{1,2})(?:[:.](?P<minutes>\d{2}))? ?(?P<half>[ap])\.?m\b", re.IGNORECASE
)
NEGATION = re.compile(
    r"\b(?:not|no|never|none|nothing|nobody|neither|nor|without|cannot|unable|unavailable|except"
    r"|excluded?|impossible|forbidden|prohibited|non|fails?|lacks?|nicht|kein\w*|nunca|jamás|pas)\b"
    r"|n['’]t\b",
    re.IGNORECASE,
)
REFUSAL = re.compile(
    r"\b(?:i(?:['’]m| am) (?:sorry|afraid|unable|not able)"
    r"|i (?:can(?:not|['’]t| not)|could(?:n['’]t| not)|do(?:n['’]t| not)) "
    r"(?:know|answer|help|assist|find|say|provide|have|comply|engage|fulfil|fulfill|discuss|see)"
    r"|i (?:apologi[sz]e|must decline|have no (?:information|idea|answer))|unable to answer"
    r"|as an ai\b|(?:is|was|are) not (?:mentioned|stated|specified|provided|clear|available)"
    r"|(?:does|do)(?:n['’]t| not) (?:mention|specify|state|provide|contain|say|include)"
    r"|no (?:information|mention|answer)\b|not enough information"
    r"|(?:lo siento|no (?:puedo|sé|tengo información)|leider|ich weiß (?:es )?nicht"
    r"|je ne sais pas))",
    re.IGNORECASE,
)
SMALL_TALK = re.compile(
    r"^(?:(?:hi|hello|hey|dear|good (?:morning|afternoon|evening|day))\b(?:[ ,]+\w+){0,3}"
    r"|(?:thanks|thank you)(?: again| so much| very much)?(?:,? for\b.{0,80}|[ ,]+\w+)?"
    r"|you(?:['’]re| are) (?:very |most )?welcome\b.{0,60}"
    r"|(?:sure|certainly|of course|absolutely|great|ok(?:ay)?|no problem|happy to help|my pleasure"
    r"|glad (?:i|to|that)\b.{0,40})[ ,!.]*(?:thing|question|i can help.{0,40})?"
    r"|(?:(?:please )?(?:let me know|feel free|don['’]t hesitate|do not hesitate)"
    r"|just (?:ask|let me know)|reach out)\b.{0,120}"
    r"|(?:is there anything|(?:can|may|could) i|do you|would you|what else|how (?:can|may) i)\b.*\?"
    r"|i (?:hope|trust) (?:this|that|it|you)\b.{0,80}"
    r"|if you (?:have|need|want|would like)\b.{0,60}"
    r"\b(?:questions?|help|assistance|know|ask)\b.{0,60}"
    r"|(?:have a|enjoy your)\b.{0,40}|(?:best|kind) regards.{0,40}"
    r"|(?:i['’]m|i am|i would be|i['’]d be) (?:happy|glad|here) to (?:help|assist)\b.{0,60}"
    r"|(?:here (?:is|are)|here['’]s|see below)\b.{0,50}:"
    r"|(?:yes|no|ja|nein|sí)|(?:good|great|excellent|nice|interesting) question"
    r"|(?:gerne?(?: geschehen)?|guten (?:morgen|tag|abend)"
    r"|(?:ich )?hoffe,? (?:das|dass|ich)\b.{0,60}"
    r"|einen schönen (?:tag|abend)\b.{0,20}|(?:kann|darf) ich\b.{0,60}\?)"
    r"|(?:(?:con mucho|mucho) gusto|buen[oa]s (?:días|tardes|noches)|espero (?:que|haber)\b.{0,60}"
    r"|que (?:tenga|pase)\b.{0,40}|(?:puedo|necesita)\b.{0,60}\?)"
    r"|(?:hola|gracias|de nada|hallo|danke|bitte|bonjour|merci)\b.{0,30})[.!?,: ]*$",
    re.IGNORECASE | re.DOTALL,
)
DISGUISES = str.maketrans(
    {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"}
)
NOT_WORDS = " \t\n*_\"'“‘¡¿👋🙂😊😀👍🎉🙏-–—"
JOINERS = "\u200d\ufe0f"
SPACED_LETTERS = re.compile(r"\b(?:[^\W_][ .*_-]){2,}[^\W_]\b")
REPEATED = re.compile(r"(.)\1{2,}")


def words(text: str) -> list[str]:
    """The words of a text in lower case."""
    return list(_words(text))


@lru_cache(maxsize=256)
def _words(text: str) -> tuple[str, ...]:
    """The same, kept because several signals look for the words of one text in turn."""
    return tuple(word.lower().replace("’", "'") for word in WORD.findall(text))


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A word without its commonest English endings."""
    word = word.removesuffix("'s")
    for ending in ("ings", "ing", "edly", "ied", "ies", "ed", "es", "ly", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word.removesuffix("e") if len(word) > 4 else word


def content_words(text: str) -> list[str]:
    """The stems of the words that carry meaning, in order."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS]


def numbers(text: str) -> set[str]:
    """The numbers of a text in one spelling.

    '1,000', '1000.0' and 'one thousand' are the same, and so are '9:30 pm' and '21:30'.
    """
    text, found = _take(SCALED, text, _scaled)
    text, hours = _take(HOUR, text, _hour)
    return found | hours | bare_numbers(text)


def bare_numbers(text: str) -> set[str]:
    """The numbers of a text without regard to what stands after them, such as "million" or "pm"."""
    found = {_plain_number(match) for match in NUMBER.findall(text)}
    return found | {NUMBER_WORDS[word] for word in words(text) if word in NUMBER_WORDS}


def _take(
    pattern: re.Pattern[str], text: str, spell: Callable[[re.Match[str]], str]
) -> tuple[str, set[str]]:
    """The text without what a pattern finds, and the spelling of each."""
    found = {spell(match) for match in pattern.finditer(text)}
    return (pattern.sub(" ", text), found) if found else (text, found)


def _scaled(match: re.Match[str]) -> str:
    said = match["number"].lower().replace(",", "")
    known = "1" if said in ("a", "an") else NUMBER_WORDS.get(said, said)
    whole, _, part = known.partition(".")
    size = SCALES[match["scale"].lower()]
    if len(part) > size:
        return f"{known}e{size}"
    return (whole + part.ljust(size, "0")).lstrip("0") or "0"


def _hour(match: re.Match[str]) -> str:
    hour = int(match["hour"]) % 12 + (12 if match["half"].lower() == "p" else 0)
    return f"{hour}:{match['minutes']}" if int(match["minutes"] or 0) else str(hour)


def _plain_number(written: str) -> str:
    digits = written.strip("€$£¥")
    digits = re.sub(r"[,](?=\d{3}(?!\d))", "", digits)
    digits = re.sub(r"(?:\.0+|:0+)$", "", digits)
    return digits.lstrip("0") or "0"


def names(text: str) -> set[str]:
    """The capitalised words of a text that do not merely begin a sentence, in lower case."""
    found = set()
    for match in CAPITALISED.finditer(text):
        before = text[: match.start()].rstrip(" \"'“‘(*-")
        begins = not before or before[-1] in ".!?:;\n。！？¿¡"
        word = match.group().lower().removesuffix("'s").removesuffix("’s")
        if not (begins and not word[1:2].isdigit()) and word not in STOP_WORDS:
            found.add(word)
    return found


def has_negation(text: str) -> bool:
    """Whether the text denies something."""
    return NEGATION.search(text) is not None


def is_refusal(sentence: str) -> bool:
    """Whether a sentence says that no answer can be given."""
    return REFUSAL.search(sentence[:400]) is not None


def is_small_talk(sentence: str) -> bool:
    """Whether a sentence claims nothing: a greeting, an offer, a question to the user."""
    if len(sentence) > 220 or numbers(sentence):
        return False
    asks = sentence.rstrip(' "”)').endswith("?")
    return asks or SMALL_TALK.match(sentence.lstrip(NOT_WORDS).strip()) is not None


def spell_emoji(text: str) -> str:
    """The text with each emoji replaced by its name, which an encoder can read."""
    if text.isascii():
        return text
    return "".join(_spelled(letter) for letter in text)


def _spelled(letter: str) -> str:
    if unicodedata.category(letter) == "So":
        return f" {unicodedata.name(letter, '').lower()} "
    is_modifier = letter in JOINERS or 0x1F3FB <= ord(letter) <= 0x1F3FF
    return "" if is_modifier else letter


def plain_letters(text: str) -> str:
    """The text in lower case with disguises undone: leetspeak, spaced and repeated letters."""
    text = unicodedata.normalize("NFKD", text.lower())
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = SPACED_LETTERS.sub(lambda match: re.sub(r"[ .*_-]", "", match.group()), text)
    text = re.sub(r"(?<=[a-z])[*#](?=[a-z])", "", text)
    return REPEATED.sub(r"\1\1", " ".join(_undisguised(part) for part in text.split()))


def _undisguised(part: str) -> str:
    core = part.rstrip("!.?,:;")
    letters = sum(letter.isalpha() for letter in core)
    if letters < 2 or not any(letter in "013457@$!" for letter in core):
        return part
    return core.translate(DISGUISES)
