"""Words that say the contrary of each other, so that a claim can be told from its reverse."""

from collections.abc import Iterable, Mapping, Set

PAIRS = """
    increase/decrease increased/decreased increases/decreases rise/fall rose/fell rises/falls
    grow/shrink raise/lower raised/lowered expand/shrink improve/worsen improved/worsened gain/loss
    gained/lost profit/loss higher/lower high/low highest/lowest more/less more/fewer most/least
    minimum/maximum above/below over/under upper/lower top/bottom large/small larger/smaller
    largest/smallest big/small bigger/smaller long/short longer/shorter longest/shortest wide/narrow
    deep/shallow thick/thin heavy/light full/empty strong/weak stronger/weaker hard/soft fast/slow
    faster/slower near/far hot/cold warm/cool best/worst better/worse rich/poor cheap/expensive
    before/after first/last early/late earlier/later previous/next past/future former/current
    ancient/modern new/old young/old younger/older youngest/oldest start/end started/ended begin/end
    began/ended opened/closed open/closed day/night morning/evening summer/winter always/never
    often/rarely frequent/rare common/rare temporary/permanent regular/irregular all/none every/no
    single/multiple same/different similar/different majority/minority major/minor inside/outside
    internal/external domestic/foreign public/private official/unofficial direct/indirect left/right
    front/back up/down north/south northern/southern east/west eastern/western northeast/southwest
    northwest/southeast include/exclude includes/excludes included/excluded allow/forbid
    allowed/forbidden allowed/prohibited permit/prohibit permitted/prohibited legal/illegal
    required/optional mandatory/optional mandatory/voluntary accept/reject accepted/rejected
    accepted/refused approve/reject approved/rejected agree/disagree agreed/disagreed support/oppose
    supported/opposed confirm/deny confirmed/denied admit/deny admitted/denied praise/criticise
    praised/criticised praised/criticized encourage/discourage encouraged/discouraged attack/defend
    win/lose won/lost winner/loser pass/fail passed/failed success/failure successful/unsuccessful
    positive/negative true/false right/wrong correct/incorrect guilty/innocent possible/impossible
    able/unable likely/unlikely known/unknown usual/unusual complete/incomplete active/inactive
    aware/unaware visible/hidden safe/dangerous easy/difficult easier/harder simple/complex
    buy/sell bought/sold buyer/seller import/export sent/received send/receive give/take gave/took
    push/pull ask/answer add/remove added/removed save/spend arrive/leave enter/leave entered/left
    join/leave joined/left reveal/hide revealed/hid remember/forget hope/fear love/hate happy/sad
    peace/war friend/enemy ally/enemy hero/villain dead/alive born/died married/divorced
    single/married male/female man/woman men/women boy/girl father/mother son/daughter
    brother/sister husband/wife he/she his/her parent/child teacher/student employer/employee
    landlord/tenant lender/borrower doctor/patient plaintiff/defendant predator/prey guest/host
    senior/junior with/without can/cannot online/offline free/paid
"""


def _contraries(pairs: Iterable[str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for pair in pairs:
        one, other = pair.split("/")
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return {word: frozenset(others) for word, others in found.items()}


CONTRARIES: Mapping[str, frozenset[str]] = _contraries(PAIRS.split())


def reversed_words(said: Set[str], read: Set[str]) -> set[str]:
    """The words that are said where only their contrary is read; all in lower case."""
    return {word for word in said - read if CONTRARIES.get(word, frozenset()) & read}
