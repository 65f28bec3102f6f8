"""Personal data in words, hidden behind tokens of the same length, so that every offset stays.

Found are e-mail addresses, phone numbers with their country code (E.164), card numbers (Luhn,
ISO/IEC 7812-1), account numbers (IBAN, ISO 13616 with its check digits) and IP addresses. Names and
places are not: no rule finds them, and a model that misses one in ten would promise too much.
"""

import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address

from app.tables import Interaction

FILL = "·"
MAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}")
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}\b", re.ASCII)
PHONE = re.compile(r"(?<![\w+])\+[1-9](?:[ ()/.-]{0,2}\d){7,14}(?!\w)", re.ASCII)
CARD = re.compile(r"(?<!\w)\d(?:[ -]?\d){12,18}(?!\w)", re.ASCII)
IPV4 = re.compile(r"(?<![\w.:])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w)", re.ASCII)
TOKEN = re.compile(r"\[(?:mail|IBAN|phone|card|IP)\]·*")
IPV6 = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![\w:])", re.ASCII)


def masked(text: str) -> str:
    """The text with personal data replaced by tokens such as `[mail]······`."""
    for pattern, token, is_one in RULES:
        text = pattern.sub(partial(_hidden, token=token, is_one=is_one), text)
    return text


def restored(text: str, shown: str, whole: str) -> str:
    """A text that somebody made of `shown`, with what stands in `whole` behind its tokens.

    A token stays where several values look alike and not all of them were kept.
    """
    behind: dict[str, list[str]] = {}
    for found in TOKEN.finditer(shown):
        behind.setdefault(found[0], []).append(whole[found.start() : found.end()])
    kept = Counter(TOKEN.findall(text))
    values = {
        token: iter(own * kept[token] if len(set(own)) == 1 else own)
        for token, own in behind.items()
        if len(set(own)) == 1 or len(own) == kept[token]
    }
    return TOKEN.sub(lambda found: next(values.get(found[0], iter(())), found[0]), text)


def hidden_again(text: str, shown: str, whole: str) -> str:
    """A restored text with those values as tokens again that `shown` hides."""
    for found in TOKEN.finditer(shown):
        text = text.replace(whole[found.start() : found.end()], found[0])
    return text


def masked_words(row: Interaction) -> Interaction:
    """A copy of the interaction whose words are masked, to be shown and never stored."""
    words = {"prompt": masked(row.prompt), "response": masked(row.response)}
    contexts = [masked(one) for one in row.contexts]
    system = masked(row.system_prompt) if row.system_prompt else row.system_prompt
    return row.model_copy(update={**words, "contexts": contexts, "system_prompt": system})


def _hidden(found: re.Match[str], *, token: str, is_one: Callable[[str], bool]) -> str:
    value = found[0]
    return token.ljust(len(value), FILL)[: len(value)] if is_one(value) else value


def _is_card(value: str) -> bool:
    digits = [int(one) for one in value if one.isdigit()]
    doubled = [2 * one - 9 * (one > 4) for one in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_iban(value: str) -> bool:
    code = re.sub("[ -]", "", value)
    return int("".join(str(int(one, 36)) for one in code[4:] + code[:4])) % 97 == 1


def _is_address(value: str) -> bool:
    try:
        return not ip_address(value).is_loopback
    except ValueError:
        return False


RULES: tuple[tuple[re.Pattern[str], str, Callable[[str], bool]], ...] = (
    (MAIL, "[mail]", bool),
    (IBAN, "[IBAN]", _is_iban),
    (PHONE, "[phone]", bool),
    (CARD, "[card]", _is_card),
    (IPV4, "[IP]", _is_address),
    (IPV6, "[IP]", _is_address),
)
"""What is looked for, in order: the pattern, its token, and whether a match is one."""
