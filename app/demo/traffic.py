"""All interactions of the eight weeks: the same ones, to the letter, on every run."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import groupby
from random import Random

from app.demo.events import WEEKS, monday_of, prompt_in, release_in
from app.demo.plan import TRUTH, Kind, Slot, slots_of, spread
from app.demo.wording import Wording, Writer

SEED = "touchstone-demo"
MODELS = ("alder-mini-2026-06", "alder-large-2026-06")
CHANNELS = ("web", "app", "voice")
_OPENING_HOURS: Mapping[str, tuple[int, int]] = {
    "shop-assistant": (8, 21),
    "health-plan-helper": (7, 20),
    "city-services": (8, 18),
}
_USERS: Mapping[str, int] = {"en": 40, "de": 16, "es": 10}
_TURNS = (1, 2, 1, 1, 3, 1, 2, 1)
"""How many turns one conversation after the other has, as far as the day goes."""


@dataclass(frozen=True, slots=True)
class DemoInteraction:
    """One synthetic interaction: words, circumstances, and what is true about it."""

    number: int
    week: str
    application: str
    release: str
    model: str
    prompt_version: str
    language: str
    channel: str
    user: str
    user_group: str
    conversation: str
    started_at: datetime
    seconds: float
    passage: str
    prompt: str
    contexts: tuple[str, ...]
    response: str
    kind: Kind

    @property
    def trace_id(self) -> int:
        """Always the same for the same interaction, so that sending twice stores once."""
        return int.from_bytes(self._digest("trace")[:16], "big")

    @property
    def span_ids(self) -> tuple[int, int, int]:
        """The ids of the root span and of its two children."""
        digest = self._digest("spans")
        ids = [int.from_bytes(digest[at : at + 8], "big") for at in (0, 8, 16)]
        return ids[0], ids[1], ids[2]

    @property
    def truth(self) -> Mapping[str, str]:
        """The right label of every criterion."""
        return TRUTH[self.kind]

    def _digest(self, what: str) -> bytes:
        return hashlib.sha256(f"{SEED}/{what}/{self.number}".encode()).digest()


@dataclass(frozen=True, slots=True)
class _Turn:
    slot: Slot
    user_number: int
    conversation: str
    started_at: datetime


@cache
def demo_traffic() -> tuple[DemoInteraction, ...]:
    """Every interaction of the demo, in the order of time."""
    random = Random(SEED)
    turns = sorted(
        (turn for week in WEEKS for turn in _turns(week, random)),
        key=lambda turn: (turn.started_at, turn.conversation),
    )
    writer = Writer(random)
    circumstances = _circumstances(turns, random)
    return tuple(
        _interaction(number, turn, writer.write(turn.slot), *circumstances[number], random)
        for number, turn in enumerate(turns)
    )


def digest(traffic: Sequence[DemoInteraction]) -> str:
    """Hexadecimal sha256 over everything in the traffic."""
    content = json.dumps([asdict(one) for one in traffic], default=str, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _turns(week: str, random: Random) -> Iterator[_Turn]:
    def place(slot: Slot) -> tuple[str, str, int]:
        return slot.application, slot.language, slot.day

    for (application, language, day), group in groupby(sorted(slots_of(week), key=place), place):
        slots = random.sample(together := list(group), k=len(together))
        lengths = random.sample(_TURNS, k=len(_TURNS)) * len(slots)
        while slots:
            conversation = f"{application}-{random.getrandbits(40):010x}"
            user = random.randrange(_USERS[language])
            at = _opening(week, application, day, random)
            for slot in [slots.pop() for _ in range(min(lengths.pop(), len(slots)))]:
                yield _Turn(slot, user, conversation, at)
                at += timedelta(seconds=random.randrange(40, 240))


def _opening(week: str, application: str, day: int, random: Random) -> datetime:
    first, last = _OPENING_HOURS[application]
    seconds = random.randrange(first * 3600, last * 3600)
    microseconds = random.randrange(1_000_000)
    return monday_of(week) + timedelta(days=day, seconds=seconds, microseconds=microseconds)


def _circumstances(turns: Sequence[_Turn], random: Random) -> dict[int, tuple[str, str]]:
    """The model and channel of each turn, in the same proportions among good and bad ones."""
    order = sorted(range(len(turns)), key=lambda i: (turns[i].slot.week, turns[i].slot.kind))
    models = spread(len(order), (0.6, 0.4), MODELS)
    channels = spread(len(order), (0.5, 0.35, 0.15), CHANNELS)
    chosen: dict[int, tuple[str, str]] = {}
    for _, group in groupby(order, key=lambda i: (turns[i].slot.week, turns[i].slot.kind)):
        positions = list(group)
        pairs = [(models.pop(), channels.pop()) for _ in positions]
        random.shuffle(pairs)
        chosen.update(zip(positions, pairs, strict=True))
    return chosen


def _interaction(
    number: int, turn: _Turn, wording: Wording, model: str, channel: str, random: Random
) -> DemoInteraction:
    slot = turn.slot
    return DemoInteraction(
        number=number,
        week=slot.week,
        application=slot.application,
        release=release_in(slot.application, slot.week),
        model=model,
        prompt_version=prompt_in(slot.week),
        language=slot.language,
        channel=channel,
        user=f"{slot.application}-{slot.language}-{turn.user_number:03d}",
        user_group="new" if turn.user_number % 3 == 0 else "returning",
        conversation=turn.conversation,
        started_at=turn.started_at,
        seconds=round(random.uniform(0.7, 2.2) + len(wording.response) / 160, 3),
        passage=wording.passage,
        prompt=wording.prompt,
        contexts=wording.contexts,
        response=wording.response,
        kind=slot.kind,
    )
