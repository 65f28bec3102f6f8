"""What an answer says about its sources and its own shape, which no context can bear out.

"According to passage 2, …", "… [1]", "(see document 3)" and "Here are the key points:" tell where
something stands, not what is so; and marks such as `**` only make it look well.
"""

import re

SOURCE = (
    r"(?:passages?|contexts?|documents?|docs?|sources?|articles?|texts?|excerpts?|snippets?"
    r"|references?|information|knowledge base|search results?|results?|chunks?|page)"
)
WHICH = r"(?:the |this |these |that |our |your )?"
GIVEN = (
    r"(?:(?:given|provided|above|retrieved|supplied|available|following|first|second|third|fourth"
    r"|relevant|context|two|three) )*"
)
NUMBERED = (
    r"(?: ?#?\(?\[?\d{1,2}\]?\)?(?:(?:, | and | & | ?[-–] ?)(?:passages? |document )?\d{1,2})*)?"
)
AFTER = r"(?: (?:provided|given|above|supplied|in the context|you (?:gave|provided|shared)))?"
CITED = re.compile(
    rf"\s*(?:\[(?:{SOURCE} ?)?#?\^?\d{{1,2}}(?:\s?[,;–-]\s?\d{{1,2}})*\]"
    rf"|\((?:see |from |as per |cf\. )?{WHICH}{SOURCE} ?#?\d{{1,2}}"
    rf"(?:(?:, | and | & |[-–])(?:{SOURCE} )?\d{{1,2}})*\)"
    r"|【[^】]{1,20}】)",
    re.IGNORECASE,
)
LED_IN = re.compile(
    rf"^(?:(?:based (?:up)?on|according to|as (?:stated|mentioned|noted|described|per) (?:in |by )?"
    rf"|as per|per|from|using|in) {WHICH}{GIVEN}{SOURCE}{NUMBERED}{AFTER}(?:, | ?: )"
    rf"|{WHICH}{GIVEN}{SOURCE}{NUMBERED}{AFTER} (?:also )?(?:states?|says?|mentions?|notes?"
    r"|explains?|indicates?|suggests?|shows?|confirms?|reports?)(?: that|,)? )",
    re.IGNORECASE,
)
ANNOUNCED = re.compile(
    r"\b(?:here (?:is|are)|here['’]s|(?:as )?follow(?:s|ing)|key (?:points|takeaways|facts|steps)"
    r"|these (?:steps|points)|below|in summary|to summari[sz]e|summary|answer)\b",
    re.IGNORECASE,
)
MARKS = re.compile(r"\*\*|__|`+|(?<!\w)\*(?=\w)|(?<=\w)\*(?!\w)")
MOST_ANNOUNCED = 20
"""Words of a sentence that merely announces what comes after it."""


def announces(sentence: str) -> bool:
    """Whether a sentence only leads to what follows: "Based on the passages, here is how:"."""
    said = without_sources(sentence).rstrip(" *_")
    is_open = said.endswith(":") and len(said.split()) <= MOST_ANNOUNCED
    return is_open and not re.search(r"\d", said) and ANNOUNCED.search(said) is not None


def without_sources(sentence: str) -> str:
    """What a sentence claims: without its sources and marks; whole where nothing else is left."""
    plain = MARKS.sub("", CITED.sub("", sentence)).strip()
    led = LED_IN.match(plain)
    if led is not None:
        plain = plain[led.end() :]
        plain = plain[:1].upper() + plain[1:]
    return plain if any(map(str.isalnum, plain)) else sentence
