"""The manual does not fall behind: settings, commands, routes and criteria are in the README."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.__main__ import COMMANDS, command_line
from app.criteria import Criteria
from app.settings import Settings
from evaluators.protocol import check_evaluator

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_manual_with_its_default(name: str) -> None:
    field = Settings.model_fields[name]
    row = re.search(rf"^\| `TOUCHSTONE_{name.upper()}` \| (.*?) \| (.*) \|$", README, re.M)
    assert row is not None, f"add a row for TOUCHSTONE_{name.upper()} to the README"
    assert row[1] == (f"`{field.default}`" if field.default not in ("", None) else "")
    assert row[2] == field.description


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_manual(name: str) -> None:
    assert f"| `touchstone {name}` | {COMMANDS[name]} |" in README


@pytest.mark.parametrize("name", [n for n in COMMANDS if n not in {"train"}])
def test_every_command_explains_itself(name: str) -> None:
    assert "Usage: touchstone" in help_of(name)


def help_of(*command: str) -> str:
    """What a command says of itself, on a wide terminal."""
    line = command_line(command)
    wide = {"COLUMNS": "200", "TERMINAL_WIDTH": "200"}
    result = CliRunner().invoke(line, [*command, "--help"], prog_name="touchstone", env=wide)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    "line", sorted({line for line in re.findall(r"`(touchstone \w+ [^`]*--[^`]*)`", README)})
)
def test_a_command_line_in_the_manual_uses_options_that_exist(line: str) -> None:
    words = line.split()[1:]
    command = words[: 2 if words[0] in {"audit", "keys", "reviewers", "bench"} else 1]
    told = help_of(*command)
    assert all(word in told for word in words if word.startswith("--"))


def test_every_path_of_the_api_is_in_the_manual(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    named = set(re.findall(r"`(?:GET |POST )?(/[^`?]*)`", README))
    missing = {path for path in paths if path not in named and not path.startswith(INTERNAL)}
    assert not missing


INTERNAL = ("/openapi.json", "/api/public/ingestion")


def test_every_criterion_is_in_the_manual(criteria: Criteria) -> None:
    assert all(criterion.title.lower() in README.lower() for criterion in criteria)


def test_the_evaluator_in_the_manual_keeps_the_contract() -> None:
    (source,) = [s for s in re.findall(r"```python\n(.*?)```", README, re.S) if "Shouting" in s]
    names: dict[str, type] = {}
    exec(compile(ast.parse(source), "README.md", "exec"), names)
    assert check_evaluator(names["Shouting"]()) == []


def test_files_that_the_manual_names_exist() -> None:
    for path in re.findall(r"`((?:app|evaluators|tests|feedback_ui)/[\w/.]*)`", README):
        assert (ROOT / path).exists(), path


def test_an_unknown_command_and_a_wrong_setting_end_with_exit_code_2() -> None:
    command = [sys.executable, "-m", "app", "no-such-command"]
    assert subprocess.run(command, capture_output=True, check=False, cwd=ROOT).returncode == 2
    wrong = {"TOUCHSTONE_DATABASE_URL": "mysql://nowhere", "PATH": ""}
    result = subprocess.run(
        [sys.executable, "-m", "app", "migrate"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=wrong,
    )
    assert result.returncode == 2
    assert result.stderr.startswith("touchstone: TOUCHSTONE_DATABASE_URL is wrong")
    assert len(result.stderr.strip().splitlines()) == 1
