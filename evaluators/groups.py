"""The groups of people that a sentence names, found by their words."""

import re

GROUPS = re.compile(
    r"\b(?:wom[ae]n|m[ae]n|girls?|boys?|females?|males?|wives|wife|husbands?|mothers?|fathers?|moms?"
    r"|dads?|ladies|lady|guys|grand(?:mother|father|parent)s?|black(?:s| people| wom[ae]n| m[ae]n)?"
    r"|white(?:s| people| wom[ae]n| m[ae]n)?|asians?|african(?:[- ]americans?|s)?|latin[oax]s?"
    r"|hispanics?|arabs?|chinese|japanese|koreans?|vietnamese|indians?|pakistanis?|mexicans?"
    r"|nigerians?|brazilians?|russians?|germans?|americans?|europeans?|turks?|turkish|poles?|polish"
    r"|italians?|french|british|irish|greeks?|jew(?:s|ish)?|muslims?|islam(?:ic)?|christians?"
    r"|hindus?|buddhists?|sikhs?|catholics?|atheists?|gays?|gay (?:people|men)|lesbians?|bisexuals?"
    r"|trans(?:gender)?(?: people| wom[ae]n| m[ae]n)?|queer|homosexuals?|lgbt\w*|immigrants?"
    r"|migrants?|refugees?|foreigners?|natives?|gyps(?:y|ies)|roma|disabled(?: people)?|autistic"
    r"|blind people|deaf people|wheelchair users?|mentally ill|elderly|old people|seniors?|boomers?"
    r"|millennials?|teen(?:ager)?s?|young people|poor people|rich people|homeless|feminists?"
    r"|liberals?|conservatives?)\b",
    re.IGNORECASE,
)


def groups_named(sentence: str) -> list[str]:
    """The groups in the order in which they are named, in lower case, each once."""
    return list(dict.fromkeys(match.group().lower() for match in GROUPS.finditer(sentence)))
