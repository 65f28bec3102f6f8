"""Fixtures: both databases under every store test, fakes that are real plugins, a fixed time."""

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import Engine, create_engine, text
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.commands import prune
from app.criteria import Criteria, read_criteria
from app.database import open_database
from app.main import create_app
from app.migrate import migrate
from app.settings import Settings
from tests.builders import FAKE_EVALUATORS

POSTGRES_HOMES = "usr/lib/postgresql/*/bin"


def require_or_skip(what: str, present: bool, how: str) -> None:
    """Skip what this machine lacks; fail instead where TOUCHSTONE_TEST_REQUIRE names it."""
    if present:
        return
    if what in os.environ.get("TOUCHSTONE_TEST_REQUIRE", "").split(","):
        pytest.fail(f"{what} is required here but missing: {how}")
    pytest.skip(f"{what} is not here: {how}")


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def criteria() -> Criteria:
    return read_criteria()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str | None]:
    """The URL of a PostgreSQL server started for this run, or None where none is installed."""
    folders = sorted(Path("/").glob(POSTGRES_HOMES))
    if not folders:
        yield None
        return
    # pytest's own folders are cleared by the next run, which may start before this one ends.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        server = _PostgresServer(folders[-1], Path(home))
        server.start()
        yield server.url
        server.stop()


class _PostgresServer:
    """A throw-away cluster; PostgreSQL refuses to run as root, so root steps down for it."""

    def __init__(self, programs: Path, home: Path) -> None:
        self._programs = programs
        self._home = home
        self._user = "postgres" if os.geteuid() == 0 else None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        if self._user is not None:
            user = pwd.getpwnam(self._user)
            os.chown(self._home, user.pw_uid, user.pw_gid)
        data = str(self._home / "data")
        self._run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' "
        self._run("pg_ctl", "-D", data, "-w", "-o", options + "-F", "-l", f"{data}/log", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._home / "data"), "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            user=self._user,
            cwd="/",
        )


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str | None) -> str | None:
    """The name of a migrated database to copy, so that each test starts with an empty one."""
    if postgres_server is None:
        return None
    engine = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE template_touchstone"))
    engine.dispose()
    migrated = open_database(postgres_server.removesuffix("/postgres") + "/template_touchstone")
    migrate(migrated)
    migrated.dispose()
    return "template_touchstone"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    engine = open_database(f"sqlite:///{path}")
    migrate(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    engine.dispose()
    return path


@contextmanager
def _fresh_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The URL of an empty, migrated database of the kind that the fixture is asked for."""
    if request.param == "sqlite":
        path = folder / "test.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: str | None = request.getfixturevalue("postgres_server")
    require_or_skip("postgres", server is not None, "install PostgreSQL to run these tests")
    assert server is not None
    template = request.getfixturevalue("postgres_template")
    name = f"test_{os.urandom(6).hex()}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
    yield server.removesuffix("/postgres") + f"/{name}"
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty, migrated database; every test that asks for it runs on both kinds."""
    with _fresh_database(request, tmp_path) as url:
        yield url


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine_of_module(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A database of either kind for all tests of a module, which only read what was written once.
    Not for the same test as `engine`."""
    with _fresh_database(request, tmp_path_factory.mktemp("module")) as url:
        engine = open_database(url)
        yield engine
        engine.dispose()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def shared_engine(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """One database on SQLite for all tests of a module, which only read what was written once."""
    path = tmp_path_factory.mktemp("shared") / "test.db"
    shutil.copy(sqlite_template, path)
    engine = open_database(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        open_access=True,
        trace_quiet_seconds=0,
        models_dir=tmp_path / "models",
    )


@pytest.fixture
def client(settings: Settings, criteria: Criteria) -> Iterator[TestClient]:
    """A client of the whole application with fake evaluators and open access."""
    app = create_app(settings, evaluators=FAKE_EVALUATORS, criteria=criteria)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def run_prune(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Any:
    """The counts that the command prints on the test's database."""
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", database_url)
    line = typer.Typer()
    line.command()(prune.command)

    def _run(*arguments: str) -> dict[str, Any]:
        result = CliRunner().invoke(line, [*arguments, "--json"])
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.stdout))

    return _run
