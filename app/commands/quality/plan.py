"""The targets, published figures and task measures that the report compares with."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

PLAN = Path(__file__).with_name("plan.toml")

Reached = Literal["aim", "floor", "below the floor", "not measured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A figure that the judges are to reach: `floor` at least, `aim` at best."""

    criterion: str
    title: str
    figure: str
    sets: tuple[str, ...]
    floor: float
    aim: float
    take: str = "mean"
    higher_is_better: bool = True

    def reached(self, value: float | None) -> Reached:
        """Which of the two the value reaches."""
        if value is None:
            return "not measured"
        sign = 1 if self.higher_is_better else -1
        if sign * value >= sign * self.aim:
            return "aim"
        return "floor" if sign * value >= sign * self.floor else "below the floor"


@dataclass(frozen=True, slots=True)
class Published:
    """A figure of others on a set, or on one of its kind, and where it stands."""

    set: str
    figure: str
    source: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All of plan.toml."""

    in_domain: dict[str, list[str]]
    task: dict[str, str]
    targets: tuple[Target, ...]
    published: tuple[Published, ...]


@cache
def read_plan() -> Plan:
    """The plan that ships."""
    plan: dict[str, Any] = tomllib.loads(PLAN.read_text(encoding="utf-8"))
    return Plan(
        in_domain=plan["in_domain"],
        task=plan["task"],
        targets=tuple(Target(**one | {"sets": tuple(one["sets"])}) for one in plan["target"]),
        published=tuple(Published(**one) for one in plan["published"]),
    )
