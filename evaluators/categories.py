"""Names what kind of toxic a sentence is, by its words; a network has said before that it is toxic.

Word lists can tell insults from threats once a sentence is known to be toxic; they could not tell
whether it is. Weak or quoted words do no harm here.
"""

import re

from evaluators.signals import plain_letters

THREAT = re.compile(
    r"\b(?:(?:i|we|someone|somebody|they)(?:['’]ll| will| should| ought to| must|['’]m going to"
    r"| am going to|['’]re going to| are going to| would)? (?:\w+ ){0,2}(?:kill|shoot|hang|stab"
    r"|beat|burn|hurt|hit|punch|strangle|choke|bomb|murder|attack|destroy|hunt)"
    r"|(?:should|must|ought to|deserves? to|need to|has to|have to) (?:all )?(?:be )?(?:die|dead"
    r"|killed|shot|hanged|hung|beaten|burned|burnt|exterminated|gassed|punished|wiped out|removed)"
    r"|watch your back|you(?:['’]ll| will) (?:regret|pay|be sorry)|go die|drop dead"
    r"|kill yourself)\b"
)
SEXUAL = re.compile(
    r"\b(?:sex(?:ual|ually|y)?|porn\w*|dicks?|cocks?|penis|vagina|puss(?:y|ies)|boobs?|tits?|blowjobs?"
    r"|horny|naked|nudes?|masturbat\w*|rap(?:e[ds]?|ist|ing)|slut\w*|whor\w+|cum(?:ming)?|cunts?)\b"
)
PROFANITY = re.compile(
    r"\b(?:(?:mother)?fuck\w*|f\W?ck\w*|(?:bull)?shit\w*|ass(?:hole|holes|es)?|arse(?:hole)?s?|bitch\w*"
    r"|damn(?:ed)?|goddamn|crap\w*|piss\w*|bastards?|bollocks|wank\w*|cunts?|dick(?:head)?s?|hell)\b"
)
INSULT = re.compile(
    r"\b(?:idiot\w*|stupid\w*|moron\w*|dumb\w*|fool\w*|loser\w*|imbeciles?|retard\w*|ignorant|lazy"
    r"|pathetic|worthless|useless|disgusting|ugly|fat|clown\w*|trash|garbage|scum\w*|pigs?|rats?|filth\w*"
    r"|disgrace\w*|liars?|cowards?|jerks?|creeps?|freaks?|psychos?|dimwits?|incompetent|vermin"
    r"|hypocrit\w*|bastards?|bitch\w*|assholes?|dickheads?|cunts?|sick|crazy|insane|lunatics?"
    r"|you(?:['’]re| are) (?:a |an |so |such )?\w+)\b"
)


def toxic_category(sentence: str, *, attacks_identity: bool) -> str:
    """Threat, identity attack, sexual, insult, profanity or toxic: the gravest that fits."""
    plain = plain_letters(sentence)
    if THREAT.search(plain):
        return "threat"
    if attacks_identity:
        return "identity attack"
    for name, pattern in (("sexual", SEXUAL), ("insult", INSULT), ("profanity", PROFANITY)):
        if pattern.search(plain):
            return name
    return "toxic"
