"""Group commit: done means on disk, work shares transactions, and a fault costs only its own."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, func, select

import app.database
from app.database import reading, transaction
from app.errors import Busy
from app.tables import Heartbeat
from app.writing import Writer
from tests.builders import WEDNESDAY

HERE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def writer(engine: Engine) -> Iterator[Writer]:
    writer = Writer(engine)
    yield writer
    writer.close()


def adding(name: str) -> Callable[[Session], str]:
    def work(session: Session) -> str:
        session.add(Heartbeat(worker=name, seen_at=WEDNESDAY))
        session.flush()
        return name

    return work


def count(engine: Engine) -> int:
    with reading(engine) as session:
        return session.exec(select(func.count()).select_from(Heartbeat)).one()


def gathered(writer: Writer, works: list[Callable[[Session], object]]) -> list[object]:
    """The results, or errors, of works that all came while the writer was busy."""
    started, go = threading.Event(), threading.Event()

    def hold(session: Session) -> bool:
        started.set()
        return go.wait(10)

    with ThreadPoolExecutor(len(works) + 1) as pool:
        blocker = pool.submit(writer.write, hold, n_bytes=1)
        assert started.wait(10)
        futures = [pool.submit(writer.write, work, n_bytes=1) for work in works]
        while len(writer._waiting) < len(works):
            threading.Event().wait(0.001)
        go.set()
        assert blocker.result()
        return [future.exception() or future.result() for future in futures]


def test_what_was_written_is_on_disk_when_write_returns(writer: Writer, engine: Engine) -> None:
    assert writer.write(adding("a"), n_bytes=1) == "a"
    assert count(engine) == 1


def test_work_that_gathers_shares_one_transaction(writer: Writer, engine: Engine) -> None:
    commits = []
    event.listen(engine, "commit", lambda connection: commits.append(connection))
    names = [f"w{n}" for n in range(20)]
    assert gathered(writer, [adding(name) for name in names]) == names
    assert count(engine) == 20
    assert len(commits) == 1


def test_a_fault_costs_only_the_work_that_caused_it(writer: Writer, engine: Engine) -> None:
    with transaction(engine) as session:
        session.add(Heartbeat(worker="taken", seen_at=WEDNESDAY))
    first, second, third = gathered(writer, [adding("a"), adding("taken"), adding("b")])
    assert (first, third) == ("a", "b")
    assert isinstance(second, IntegrityError)
    assert count(engine) == 3


def test_a_mistake_in_the_code_reaches_its_caller_and_nobody_else(
    writer: Writer, engine: Engine
) -> None:
    def broken(session: Session) -> None:
        raise ZeroDivisionError

    error, result = gathered(writer, [broken, adding("a")])
    assert isinstance(error, ZeroDivisionError)
    assert result == "a"
    assert count(engine) == 1


@HERE
def test_a_locked_database_is_busy_for_all_who_wait(
    writer: Writer, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.database, "BUSY_TIMEOUT_SECONDS", 0.05)
    with transaction(engine):
        errors = [
            error
            for error in gathered_busy(writer, [adding("a"), adding("b")])
            if isinstance(error, Busy)
        ]
    assert len(errors) == 2
    assert writer.write(adding("c"), n_bytes=1) == "c"
    assert count(engine) == 1


def gathered_busy(writer: Writer, works: list[Callable[[Session], object]]) -> list[object]:
    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(writer.write, work, n_bytes=1) for work in works]
        return [future.exception() for future in futures]
