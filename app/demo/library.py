"""The words of the demo, read from the TOML files in `content/`."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

CONTENT = Path(__file__).with_name("content")
APPLICATIONS = ("shop-assistant", "health-plan-helper", "city-services")
LANGUAGES = ("en", "de", "es")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of knowledge, questions that it answers, and right and wrong answers to them."""

    id: str
    text: str
    questions: tuple[str, ...]
    answers: tuple[str, ...]
    ungrounded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phrases:
    """Sentences of one language that fit any question."""

    openers: tuple[str, ...]
    greetings: tuple[str, ...]
    closings: tuple[str, ...]
    evasive: tuple[str, ...]
    not_found: tuple[str, ...]
    toxic: tuple[str, ...]
    biased: tuple[str, ...]


@cache
def passages_of(application: str, language: str) -> tuple[Passage, ...]:
    """The knowledge of an application in a language, in the order of the file."""
    content = tomllib.loads((CONTENT / f"{application}.{language}.toml").read_text("utf-8"))
    return tuple(Passage(**_frozen(table)) for table in content["passage"])


@cache
def phrases() -> Mapping[str, Phrases]:
    """The phrases of each language."""
    content = tomllib.loads((CONTENT / "phrases.toml").read_text("utf-8"))
    return MappingProxyType({name: Phrases(**_frozen(table)) for name, table in content.items()})


@dataclass(frozen=True, slots=True)
class Planted:
    """What is planted in a week, and how a report must tell it."""

    what: str
    criterion: str
    slices: tuple[str, ...]
    heading: str


@cache
def planted() -> Mapping[str, Planted]:
    """The truth by week, from `content/planted.toml`; weeks that it does not name are quiet."""
    content = tomllib.loads((CONTENT / "planted.toml").read_text("utf-8"))
    return MappingProxyType({week: Planted(**_frozen(table)) for week, table in content.items()})


def _frozen(table: Mapping[str, str | Sequence[str]]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str) else tuple(value) for name, value in table.items()
    }
