"""What is judged, read from one TOML file: question, guideline, labels, direction, threshold."""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import SetupError, UnknownField

GUIDELINE = (
    "name",
    "question",
    "guideline",
    "passing_example",
    "failing_example",
    "labels",
    "marks_sentences",
    "groups",
)
BUNDLED = Path(__file__).with_name("criteria.toml")


class Label(BaseModel):
    """A value that a reviewer can choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    fails: bool | None = None
    """Whether the label counts as a failure; None where the reviewer cannot tell."""


class Criterion(BaseModel):
    """One thing that is judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    question: str
    guideline: str
    higher_is_better: bool
    threshold: float = Field(ge=0, le=1)
    target: float | None = Field(default=None, gt=0, lt=1)
    """The largest share of failing answers that is wanted; None where nobody set one."""
    passing: str
    failing: str
    failures: str
    """What failing answers are called in a report, in the plural."""
    labels: tuple[Label, ...]
    marks_sentences: bool = False
    """Whether a failing label must say which sentences fail."""
    passing_example: str = ""
    """An answer that passes, and why, for those who are unsure; likewise one that fails."""
    failing_example: str = ""
    groups: tuple[str, ...] = ()
    """Groups of people, of which a failing label may name those concerned."""

    @property
    def guideline_version(self) -> str:
        """Hexadecimal sha256 of what a reviewer goes by, which annotations carry; not of thresholds
        and targets."""
        told = self.model_dump(include=set(GUIDELINE))
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def passes(self, score: float) -> bool:
        """Whether a score lies on the good side of the threshold; the threshold itself passes."""
        if self.higher_is_better:
            return score >= self.threshold
        return score < self.threshold

    def label_for(self, score: float) -> str:
        """The name of the outcome that a score stands for."""
        return self.passing if self.passes(score) else self.failing

    def label(self, name: str) -> Label:
        """The reviewer's label of that name, or UnknownField listing those that exist."""
        for label in self.labels:
            if label.name == name:
                return label
        known = ", ".join(label.name for label in self.labels)
        raise UnknownField(f"{self.name!r} has no label {name!r}; its labels are {known}")


@dataclass(frozen=True, slots=True)
class Criteria:
    """All criteria of the service, in the order of the file."""

    by_name: Mapping[str, Criterion]
    digest: str
    """Hexadecimal sha256 of the file."""

    @property
    def guideline_version(self) -> str:
        """Hexadecimal sha256 of the guidelines of all criteria together."""
        versions = " ".join(one.guideline_version for one in self)
        return hashlib.sha256(versions.encode()).hexdigest()

    def __iter__(self) -> Iterator[Criterion]:
        return iter(self.by_name.values())

    def with_targets(self, text: str) -> "Criteria":
        """The criteria with the targets of a text like "groundedness=5% toxicity=0.5%", or
        SetupError naming what is wrong in it.
        """
        named = dict(self.by_name)
        for pair in text.split():
            name, _, share = pair.partition("=")
            if name not in named:
                known = ", ".join(named)
                raise SetupError(f"a target is set for {name!r}, but the criteria are {known}")
            named[name] = named[name].model_copy(update={"target": _share_of(pair, share)})
        return replace(self, by_name=named)

    def with_thresholds(self, thresholds: Mapping[str, float]) -> "Criteria":
        """The criteria with these thresholds in the place of those of the file."""
        named = dict(self.by_name)
        for name, threshold in thresholds.items():
            named[name] = self.get(name).model_copy(update={"threshold": threshold})
        return replace(self, by_name=named)

    def get(self, name: str) -> Criterion:
        """The criterion of that name, or UnknownField listing those that exist."""
        try:
            return self.by_name[name]
        except KeyError:
            known = ", ".join(self.by_name)
            raise UnknownField(f"there is no criterion {name!r}; there are {known}") from None


def read_criteria(path: Path = BUNDLED, *, targets: str = "") -> Criteria:
    """The criteria of a TOML file, or SetupError naming what is wrong in it.

    `targets` replaces the targets of the file, in the words of `Criteria.with_targets`.
    """
    content = path.read_bytes()
    try:
        tables = tomllib.loads(content.decode())
        by_name = {name: Criterion(name=name, **table) for name, table in tables.items()}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError, TypeError) as error:
        raise SetupError(f"{path} is not a valid criteria file: {error}") from None
    criteria = Criteria(by_name=by_name, digest=hashlib.sha256(content).hexdigest())
    return criteria.with_targets(targets)


def _share_of(pair: str, share: str) -> float:
    try:
        value = float(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise SetupError(
            f"the target {pair!r} is no share of failing answers between 0 and 1; write it like "
            "groundedness=5% or groundedness=0.05"
        )
    return value
