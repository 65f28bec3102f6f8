"""The rooms: who may import whom, and what must not exist."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("app", "evaluators", "feedback_ui")
LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "evaluators.protocol",
        "evaluators.sentences",
        "evaluators.signals",
        "evaluators.attribution",
        "evaluators.opposites",
        "evaluators.places",
        "app.statistics",
    ),
    (
        "evaluators.engine",
        "evaluators.heads",
        "evaluators.weights",
        "evaluators.tuned",
        "evaluators.wording",
        "evaluators.categories",
        "evaluators.groups",
    ),
    ("evaluators.groundedness", "evaluators.relevance", "evaluators.toxicity", "evaluators.bias"),
    ("evaluators.hub",),
    ("evaluators", "evaluators.training"),
    ("app.errors", "app.settings", "app.criteria"),
    (
        "app.child",
        "app.rates",
        "app.isolation",
        "app.outage",
        "app.outcomes",
        "app.quality",
        "app.recalibrated",
        "app.refit",
        "app.verdicts",
        "app.workload",
    ),
    ("app.selection",),
    ("app.audit_table", "app.columns", "app.packing", "app.review_tables"),
    ("app.tables",),
    ("app.backup", "app.database", "app.migrate", "app.migrations", "app.restore"),
    ("app.store",),
    (
        "app.ingest",
        "app.reports",
        "app.export",
        "app.history",
        "app.masking",
        "app.measures",
        "app.pace",
    ),
    ("app.calibrate", "app.studies"),
    ("app.requests", "app.answers", "app.writing"),
    ("app.assembly",),
    ("app.worker", "app.access", "app.guardrail", "app.metrics", "app.receive", "app.api"),
    ("app.schedule", "app.delivery"),
    ("feedback_ui",),
    ("app.main",),
    ("app.demo", "app.commands"),
    ("app.__main__",),
)
BANNED_NAMES = {"utils.py", "helpers.py", "common.py", "models.py", "misc.py"}


@cache
def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> int:
    found = [
        (len(name), index)
        for index, names in enumerate(LAYERS)
        for name in names
        if module == name or module.startswith(f"{name}.")
    ]
    return max(found)[1] if found else 0


def imports_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def known() -> set[str]:
    return {name_of(path) for path in modules()}


def ours(names: Iterator[str]) -> set[str]:
    return {name for name in names if name in known()}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_imports_only_from_its_own_layer_or_below(path: Path) -> None:
    here = layer_of(name_of(path))
    for name in ours(imports_of(ast.parse(path.read_text()))):
        assert layer_of(name) <= here, f"{name_of(path)} must not import {name}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_the_app_knows_evaluators_only_by_their_protocol_and_the_sentences_they_read(
    path: Path,
) -> None:
    module = name_of(path)
    if not module.startswith(("app", "feedback_ui")):
        return
    if module in {"app.selection", "app.__main__"} or module.startswith("app.commands"):
        return
    names = {n for n in imports_of(ast.parse(path.read_text())) if n.startswith("evaluators")}
    plain = ("evaluators.protocol", "evaluators.sentences")
    assert all(name.startswith(plain) for name in names), names


def test_evaluators_know_nothing_of_the_app() -> None:
    for path in sorted((ROOT / "evaluators").rglob("*.py")):
        names = set(imports_of(ast.parse(path.read_text())))
        assert not any(name.startswith(("app", "feedback_ui")) for name in names), path


def test_every_module_of_the_app_has_its_layer() -> None:
    named = {name for names in LAYERS for name in names}
    for path in modules():
        module = name_of(path)
        parents = {module.rsplit(".", n)[0] for n in range(module.count(".") + 1)}
        assert (
            module in {"app", *PACKAGES}
            or parents & (named - {"evaluators"})
            or (module.startswith("evaluators."))
        ), f"give {module} a place in LAYERS"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_there_is_no_import_inside_a_function(path: Path) -> None:
    if name_of(path).startswith("evaluators"):
        return
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert not list(imports_of(function)), f"{path}: {function.name}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_has_at_most_400_lines_and_a_name_that_says_something(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert path.name not in BANNED_NAMES


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_only_settings_reads_the_environment(path: Path) -> None:
    text = path.read_text()
    if path.name != "settings.py":
        assert "os.environ" not in text
        assert "getenv" not in text


def test_blind_catches_stand_in_two_places_only() -> None:
    guilty = {
        name_of(path)
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"})
    }
    assert guilty <= {"app.outcomes", "app.worker", "evaluators"}


def imported(statement: str, names: Sequence[str]) -> str:
    """Which of the modules are there after a statement in a new process, as a list."""
    code = f"import sys; {statement}; print([name for name in {names!r} if name in sys.modules])"
    command = [sys.executable, "-c", code]
    return subprocess.check_output(command, text=True, cwd=ROOT).strip()


def test_the_web_application_imports_no_heavy_library() -> None:
    heavy = ("torch", "transformers", "numpy", "scipy", "sklearn", "pandas", "alembic")
    assert imported("import app.main", heavy) == "[]"


def test_a_process_that_judges_carries_no_web_application() -> None:
    web = ("fastapi", "starlette", "jinja2", "sqlmodel", "app.main", "app.reports", "feedback_ui")
    assert imported("import app.selection, app.isolation, app.__main__", web) == "[]"


def test_the_top_level_is_as_designed() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in tracked.stdout.splitlines()}
    assert top <= {
        *("pyproject.toml", "README.md", "app", "evaluators", "feedback_ui", "tests"),
        *("models_cache", "LICENSE", "CHANGELOG.md", "Makefile", "benchmarks", ".ci"),
        *(".gitignore", "requirements.lock"),
    }
