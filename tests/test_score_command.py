"""`touchstone score`: every line is answered, in order, the same each time."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from app.commands import score
from app.criteria import Criteria
from app.errors import BadRequest, SetupError, UnknownField
from app.ingest.jsonl import NumberedLine
from tests.builders import FAKE_EVALUATORS

KINDS: tuple[str, ...] = (
    '{"id": %d, "prompt": "When?", "response": "In 5 days.", "contexts": ["5 days."]}',
    '{"id": %d, "prompt": "When?", "response": "Go away, idiot.", "contexts": ["5 days."]}',
    '{"id": %d, "prompt": "When?", "response": "No contexts."}',
    '{"id": %d, "prompt": "When?", "response": ""}',
    '{"id": %d, "prompt": "no response"}',
    '{"id": %d, broken',
)


def mixed_lines(n: int) -> list[str]:
    return [KINDS[index % len(KINDS)] % index for index in range(n)]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command with fake evaluators in place of those with weights."""
    monkeypatch.setattr(score, "find_evaluators", lambda _settings: list(FAKE_EVALUATORS))
    line = typer.Typer()
    line.command()(score.command)

    def _run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(line, list(arguments), input=stdin)

    return _run


def test_a_thousand_mixed_lines_are_answered_in_order_and_twice_the_same(
    run: Any, tmp_path: Path
) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(mixed_lines(1000)))
    outs = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    results = [run(str(source), "--out", str(out)) for out in outs]
    answers = [json.loads(line) for line in outs[0].read_text().splitlines()]
    assert [result.exit_code for result in results] == [0, 0]
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert len(answers) == 1000
    for index, answer in enumerate(answers):
        if index % len(KINDS) < 4:
            assert (answer["id"], len(answer["evaluations"])) == (index, 5)
        else:
            assert answer["line"] == index + 1
            assert answer["error"].startswith(f"line {index + 1}: ")
            assert answer["id"] == (index if index % len(KINDS) == 4 else None)
    assert "332 bad lines" in results[0].stderr
    assert "line 5: " in results[0].stderr


def test_what_cannot_be_judged_abstains_and_is_never_zero(run: Any) -> None:
    answer = json.loads(run("-", stdin=KINDS[2] % 1).stdout)
    by_criterion = {one["criterion"]: one for one in answer["evaluations"]}
    groundedness = by_criterion["groundedness"]
    assert (groundedness["status"], groundedness["score"]) == ("abstained", None)
    assert by_criterion["toxicity"]["status"] == "scored"


def test_strict_stops_at_the_first_bad_line_and_leaves_no_half_file(
    run: Any, tmp_path: Path
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(mixed_lines(10)))
    out.write_text("earlier\n")
    result = run(str(source), "--out", str(out), "--strict")
    assert isinstance(result.exception, BadRequest)
    assert str(result.exception).startswith("line 5: ")
    assert out.read_text() == "earlier\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_compressed_files_are_read_and_written(run: Any, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl.gz", tmp_path / "out.jsonl.gz"
    source.write_bytes(gzip.compress((KINDS[0] % 7).encode()))
    assert run(str(source), "--out", str(out)).exit_code == 0
    assert json.loads(gzip.decompress(out.read_bytes()))["id"] == 7


def test_only_the_criteria_named_are_judged(run: Any) -> None:
    answer = json.loads(run("-", "--criteria", "bias, toxicity", stdin=KINDS[0] % 1).stdout)
    assert [one["criterion"] for one in answer["evaluations"]] == ["toxicity", "bias"]


def test_an_unknown_criterion_is_named(run: Any) -> None:
    result = run("-", "--criteria", "tone", stdin="")
    assert isinstance(result.exception, UnknownField)
    assert "groundedness" in str(result.exception)


@pytest.mark.parametrize("out", ["nowhere/out.jsonl"])
def test_a_place_that_cannot_be_written_is_named(run: Any, tmp_path: Path, out: str) -> None:
    result = run("-", "--out", str(tmp_path / out), stdin="")
    assert isinstance(result.exception, SetupError)
    assert "nowhere" in str(result.exception)


def test_a_file_that_is_not_there_is_named(run: Any) -> None:
    result = run("missing.jsonl")
    assert isinstance(result.exception, SetupError)
    assert "missing.jsonl" in str(result.exception)


def test_lines_are_judged_as_they_come_and_not_all_at_once(criteria: Criteria) -> None:
    asked = 0

    def lines() -> Iterator[NumberedLine]:
        nonlocal asked
        for number, text in enumerate(mixed_lines(1000), start=1):
            asked = number
            yield NumberedLine(number, text)

    next(score.score_lines(lines(), FAKE_EVALUATORS, criteria))
    assert asked == score.LINES_PER_CHUNK
