"""The development sets of a data folder: which rows are measured, and what belongs together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import BadRequest
from evaluators.training.rows import Row, RowsError, rank, read_rows

SUFFIX = ".dev.jsonl.gz"
SOURCE_KEYS = ("group_id", "source_id", "pair_id", "question_id")
"""Fields that say which rows were made from one source."""
SOURCES_AT_LEAST = 20
"""From how many documents the picked rows come, where there are as many."""
FITTED_ROWS = 3000
"""How many rows the response-only control is fitted on."""


@dataclass(frozen=True, slots=True)
class DevSet:
    """The measured rows of a set, and those that the response-only control is fitted on."""

    criterion: str
    name: str
    rows: tuple[Row, ...]
    fitted: tuple[Row, ...]
    total: int

    @property
    def sources(self) -> list[str]:
        return [source_of(row) for row in self.rows]

    @property
    def domains(self) -> list[str] | None:
        """The domain of each row, where the set says it and has more than one."""
        named = [str(row.extra.get("domain")) for row in self.rows]
        return named if len(set(named)) > 1 else None


def source_of(row: Row) -> str:
    """What the row was made from: the source that it names, its contexts, its prompt, or itself."""
    for key in SOURCE_KEYS:
        if row.extra.get(key) is not None:
            return f"{key} {row.extra[key]}"
    if row.sample.has("contexts"):
        return "\n".join(row.sample.contexts)
    return row.sample.prompt if row.sample.has("prompt") else row.id


def pick_sources(rows: Sequence[Row], limit: int | None) -> list[Row]:
    """About `limit` rows, chosen by a hash, source after source.

    Pairs and candidates of one question stay whole; of a document at most a twentieth of `limit`
    is taken, so that a few long ones do not stand for the set.
    """
    if limit is None or len(rows) <= limit:
        return list(rows)
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        by_source.setdefault(source_of(row), []).append(row)
    picked: list[Row] = []
    for source in sorted(by_source, key=lambda one: (rank(one), one)):
        if len(picked) >= limit:
            break
        own = by_source[source]
        most = max(1, limit // SOURCES_AT_LEAST) if own[0].sample.has("contexts") else len(own)
        picked += sorted(own, key=lambda row: (rank(row.id), row.id))[:most]
    return picked


def set_paths(data: Path, criteria: Iterable[str], only: Sequence[str] = ()) -> list[Path]:
    """The files of development sets, or BadRequest where there is none or a name is unknown."""
    found = [path for name in criteria for path in sorted((data / name).glob(f"*{SUFFIX}"))]
    names = {path.name.removesuffix(SUFFIX) for path in found}
    unknown = sorted(set(only) - names)
    if not found or unknown:
        asked = f"no set {', '.join(unknown)}" if unknown else "no file CRITERION/SET.dev.jsonl.gz"
        raise BadRequest(f"there is {asked} in {data}; there are {', '.join(sorted(names)) or 0}")
    return [path for path in found if not only or path.name.removesuffix(SUFFIX) in only]


def read_set(path: Path, limit: int | None) -> DevSet:
    """One set; BadRequest names the line that is wrong."""
    try:
        rows = list(read_rows(path))
    except (RowsError, OSError, EOFError) as error:
        raise BadRequest(str(error)) from None
    if not rows:
        raise BadRequest(f"{path} holds no labelled line")
    return DevSet(
        criterion=path.parent.name,
        name=path.name.removesuffix(SUFFIX),
        rows=tuple(pick_sources(rows, limit)),
        fitted=tuple(pick_sources(rows, max(FITTED_ROWS, limit or 0))),
        total=len(rows),
    )
