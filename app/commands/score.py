"""`touchstone score`: judge a JSON Lines file without a database."""

import gzip
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TextIO

import typer

from app.commands.progress import in_chunks, progress_bar
from app.criteria import Criteria
from app.errors import BadRequest, SetupError, UnknownField
from app.guardrail import judge_samples
from app.ingest.jsonl import NumberedLine, SampleLine, parse_line, parse_sample, read_lines
from app.selection import find_criteria, find_evaluators, load_all
from app.settings import read_settings
from evaluators.protocol import Evaluator

LINES_PER_CHUNK = 64
STANDARD = "-"


class Answer(NamedTuple):
    """What is written for one line, and why it could not be judged if it could not."""

    content: dict[str, Any]
    error: str | None = None


def command(
    file: Annotated[str, typer.Argument(help="A .jsonl or .jsonl.gz file, or - for stdin.")],
    out: Annotated[str, typer.Option(help="Where the answers go, or - for stdout.")] = STANDARD,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first bad line, exit code 2.")
    ] = False,
    criteria: Annotated[str, typer.Option(help="Only these criteria, separated by commas.")] = "",
) -> None:
    """Judge every line of a file; a line has prompt, response, and contexts if there are any.

    Each line is answered in its place: {"id", "evaluations"}, or {"id", "line", "error"} where it
    cannot be read. Bad lines are also told on stderr; without --strict the exit code is still 0.

    Example: touchstone score answers.jsonl --out verdicts.jsonl --criteria groundedness,toxicity
    """
    settings = read_settings()
    known = find_criteria(settings)
    evaluators = chosen_evaluators(find_evaluators(settings), known, criteria)
    total = None if file == STANDARD else sum(1 for _ in read_lines(file))
    load_all(evaluators)
    counts: Counter[str] = Counter()
    with whole_file(out) as target, progress_bar("Judging", total) as advance:
        for answer in score_lines(read_lines(file), evaluators, known, strict=strict):
            target.write(json.dumps(answer.content, ensure_ascii=False, allow_nan=False) + "\n")
            _tell(answer, counts)
            advance(1)
    typer.echo(_summary(counts), err=True)


def score_lines(
    lines: Iterable[NumberedLine],
    evaluators: Sequence[Evaluator],
    criteria: Criteria,
    *,
    strict: bool = False,
) -> Iterator[Answer]:
    """One answer per line, in order; `strict` raises BadRequest at the first bad line instead."""
    for chunk in in_chunks(lines, LINES_PER_CHUNK):
        read = [_read(line, strict=strict) for line in chunk]
        samples = [one.sample for one in read if isinstance(one, SampleLine)]
        judged = iter(judge_samples(evaluators, criteria, samples, None))
        for one in read:
            if isinstance(one, SampleLine):
                yield Answer({"id": one.id, "evaluations": next(judged)})
            else:
                yield one


def chosen_evaluators(
    found: Sequence[Evaluator], criteria: Criteria, names: str
) -> list[Evaluator]:
    """The evaluators of the criteria named, or of all; UnknownField where one has none."""
    wanted = [name for part in names.split(",") if (name := part.strip())]
    judged = {one.spec.criterion for one in found}
    for name in wanted:
        criteria.get(name)
        if name not in judged:
            raise UnknownField(f"no evaluator judges {name!r}; `touchstone evaluators` lists them")
    return [one for one in found if one.spec.criterion in (wanted or criteria.by_name)]


@contextmanager
def whole_file(out: str) -> Iterator[TextIO]:
    """A text file that appears under its name when the block ends well, or not at all."""
    if out == STANDARD:
        yield sys.stdout
        return
    path = Path(out)
    try:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise SetupError(f"cannot write into {str(path.parent)!r}: {error.strerror}") from None
    os.close(number)
    partial = Path(name)
    try:
        with _open_text(partial, compressed=path.suffix == ".gz") as target:
            yield target
        # Temporary files are private; an answer is as readable as any new file.
        partial.chmod(0o666 & ~_umask())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _open_text(path: Path, *, compressed: bool) -> TextIO:
    if compressed:
        return gzip.open(path, "wt", encoding="utf-8")
    return path.open("w", encoding="utf-8")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _read(line: NumberedLine, *, strict: bool) -> SampleLine | Answer:
    where, value = f"line {line.number}", None
    try:
        value = parse_line(line.text, where)
        return parse_sample(value, where)
    except BadRequest as error:
        if strict:
            raise
        sent = value.get("id") if isinstance(value, dict) else None
        named = sent if isinstance(sent, (str, int)) else None
        return Answer({"id": named, "line": line.number, "error": error.detail}, error.detail)


def _tell(answer: Answer, counts: Counter[str]) -> None:
    if answer.error is not None:
        counts["bad"] += 1
        typer.echo(f"touchstone: {answer.error}", err=True)
        return
    counts["lines"] += 1
    counts.update(one["status"] for one in answer.content["evaluations"])


def _summary(counts: Counter[str]) -> str:
    statuses = ", ".join(f"{counts[name]} {name}" for name in ("scored", "abstained", "failed"))
    bad = f"; {counts['bad']} bad lines were not judged" if counts["bad"] else ""
    return f"{counts['lines']} lines judged: {statuses}{bad}"
