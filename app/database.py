"""Open a database, hold a transaction, upsert: all that differs between SQLite and PostgreSQL.

A transaction that writes takes SQLite's write lock at its start, so that it fails at once or not at
all. Commits are durable before `transaction` returns: SQLite runs in WAL mode with
`synchronous=FULL`, PostgreSQL with `synchronous_commit=on`.
"""

import gc
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    ExceptionContext,
    Text,
    create_engine,
    event,
    func,
    inspect,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError, ProgrammingError
from sqlmodel import Session, SQLModel

from app.errors import Busy, Damaged, SetupError

SCHEMA_HEAD = "0015"
BUSY_TIMEOUT_SECONDS = 5
WAIT_MS = 1000 * BUSY_TIMEOUT_SECONDS
ABSENT = ("no such table", "no such column", "has no column named", "undefinedcolumn")
READ_ONLY = "25006"
"""What PostgreSQL says of a write where it only reads, as on a standby."""
BROKEN_PAGES = ("XX001", "XX002")
"""What PostgreSQL says of data or an index that is corrupted."""
DAMAGED = (
    "the database is damaged; stop every server and worker, look at its disk, "
    "and put a backup back with `touchstone restore`"
)
UNUSABLE = "the database cannot be reached or cannot write; send the same request again"
_TURNS: WeakKeyDictionary[Engine, threading.Lock] = WeakKeyDictionary()


def open_database(url: str) -> Engine:
    """An engine for the URL, ready for use by several threads; nothing is connected yet."""
    engine = _open_sqlite(url) if url.startswith("sqlite") else _open_postgres(url)

    @event.listens_for(engine, "handle_error")
    def _open_anew(context: ExceptionContext) -> None:
        # A connection that was opened to a file or a server that only reads would stay so. A single
        # one of SQLite's that is left makes the next ones read only, and an open cursor keeps it.
        if is_read_only(context.original_exception):
            context.is_disconnect = True
            engine.dispose()
            if context.execution_context is not None:
                context.execution_context.cursor.close()
            # What other threads give back later, to the pool that was, is closed with it.
            gc.collect()

    return engine


def _open_postgres(url: str) -> Engine:
    return create_engine(
        url,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "connect_timeout": BUSY_TIMEOUT_SECONDS,
            "options": f"-c synchronous_commit=on -c timezone=utc -c lock_timeout={WAIT_MS}",
        },
    )


@contextmanager
def database_at(url: str) -> Iterator[Engine]:
    """An engine for a database that is opened for a while, as a command does."""
    engine = open_database(url)
    try:
        refuse_newer(engine)
        yield engine
    finally:
        engine.dispose()


def _open_sqlite(url: str) -> Engine:
    timeout = {"timeout": BUSY_TIMEOUT_SECONDS}
    engine = create_engine(url, connect_args=timeout, hide_parameters=True)

    @event.listens_for(engine, "do_connect")
    def _prepare(*_: Any) -> None:
        # Whatever else is wrong with the path, SQLite says.
        with suppress(OSError):
            make_private(engine.url.database or "")

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # The driver's own transactions would start as readers and fail late.
        connection.isolation_level = None
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
                raise SetupError(
                    f"the file of {url} is no SQLite database; "
                    "set TOUCHSTONE_DATABASE_URL to another"
                ) from None
            if is_damage(error):
                raise Damaged(DAMAGED) from error
            raise

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("touchstone_writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def make_private(path: str) -> None:
    """Make the file, empty, for its owner's eyes alone where there is none; SQLite's log follows.

    One that is there keeps what its owner set, and is not opened: where a process closes a file, it
    loses all locks on it, those of SQLite's connections too, and another process would take the
    database for its own. So the new file is closed before it gets its name.
    """
    if path in ("", ":memory:") or path.startswith("file:") or os.path.lexists(path):
        return
    unnamed = f"{path}.{os.getpid()}.{threading.get_ident()}.new"
    new_file(unnamed)
    try:
        with suppress(FileExistsError):
            os.link(unnamed, path)
    finally:
        os.unlink(unnamed)


def new_file(path: str) -> None:
    """Make an empty file that its owner alone can read; FileExistsError where there is one."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """A session whose work is on disk when the block ends, or undone when it raises.

    Raises Busy when the database is locked or cannot be reached.
    """
    try:
        with _turn(engine), Session(engine, expire_on_commit=False) as session, session.begin():
            yield session
    except DatabaseError as error:
        if (meaning := _meaning(error)) is error:
            raise
        raise meaning from error


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    # Threads that wait inside SQLite sleep and retry, so that some would starve; here they queue.
    if engine.dialect.name != "sqlite":
        yield
        return
    turn = _TURNS.setdefault(engine, threading.Lock())
    if not turn.acquire(timeout=BUSY_TIMEOUT_SECONDS):
        raise Busy("the database is busy with other writers; send the same request again")
    try:
        yield
    finally:
        turn.release()


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session that reads without taking SQLite's write lock."""
    try:
        with engine.connect() as connection:
            quiet = connection.execution_options(touchstone_writes=False)
            with Session(quiet, expire_on_commit=False) as session:
                yield session
    except DatabaseError as error:
        if (meaning := _meaning(error)) is error:
            raise
        raise meaning from error


def refuse_newer(engine: Engine) -> None:
    """Raise SetupError for a database that a newer release wrote, which this one would misread.

    One that is empty or cannot be reached is let pass: whoever uses it hears of that.
    """
    found = None
    with suppress(Busy), reading(engine) as session:
        if inspect(session.connection()).has_table("alembic_version"):
            found = session.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and found > SCHEMA_HEAD:
        raise SetupError(
            f"the database is at schema {found}, and this release knows {SCHEMA_HEAD}; "
            "run the release that wrote it, or restore a backup"
        )


def is_sqlite(session: Session) -> bool:
    """Whether the session speaks to SQLite."""
    return session.get_bind().dialect.name == "sqlite"


def hour_text(session: Session, moment: Any) -> ColumnElement[str]:
    """The hour of a column in UTC as text, such as "2026-11-16 09"."""
    if is_sqlite(session):
        return func.substr(moment, 1, 13, type_=Text)
    return func.to_char(func.timezone("UTC", moment), "YYYY-MM-DD HH24", type_=Text)


def skip_locked(session: Session) -> Mapping[str, bool]:
    """Arguments of `with_for_update` that let two workers claim different rows; SQLite needs none,
    because its writing transactions exclude each other."""
    return {"skip_locked": not is_sqlite(session)}


def exclude_others(session: Session, what: str, *, shared: bool = False) -> None:
    """Wait until no other transaction holds `what`, and hold it until this one ends.

    Those who share it exclude only who does not. SQLite's writing transactions exclude each other
    anyway.
    """
    if not is_sqlite(session):
        lock = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        session.execute(text(f"SELECT {lock}(hashtext(:what))"), {"what": f"touchstone.{what}"})


def migrate_alone(connection: Connection) -> None:
    """Wait, however long, until nobody else changes PostgreSQL's schema, and keep others waiting.

    SQLite's writing transactions exclude each other anyway.
    """
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('touchstone.migrate'))")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {WAIT_MS}")


def upsert(
    session: Session,
    table: type[SQLModel],
    rows: Sequence[Mapping[str, Any]],
    *,
    keys: Sequence[str],
    update: Mapping[str, Any] | Sequence[str],
) -> None:
    """Insert rows, or update the columns named where a row with the same keys exists.

    `update` names columns that take the new row's value, or maps a column to a function of
    (stored column, new value) that returns an SQL expression. All rows name the same columns, and
    none repeats a key.
    """
    if not rows:
        return
    dialect = sqlite if is_sqlite(session) else postgresql
    stored = table.__table__  # type: ignore[attr-defined]
    statement = dialect.insert(stored)
    new = statement.excluded
    if isinstance(update, Mapping):
        changes = {name: merge(stored.c[name], new[name]) for name, merge in update.items()}
    else:
        changes = {name: new[name] for name in update}
    if changes:
        statement = statement.on_conflict_do_update(index_elements=list(keys), set_=changes)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=list(keys))
    session.connection().execute(statement, [dict(row) for row in rows])


def insert_new(session: Session, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows whose primary key is new, and return how many those were."""
    if not rows:
        return 0
    dialect = sqlite if is_sqlite(session) else postgresql
    statement = dialect.insert(table.__table__).on_conflict_do_nothing()  # type: ignore[attr-defined]
    counted = session.connection().execution_options(preserve_rowcount=True)
    return counted.execute(statement, [dict(row) for row in rows]).rowcount


def overwrite_deleted(session: Session) -> None:
    """Let what this session deletes be overwritten in SQLite's file, not only be unlinked."""
    if is_sqlite(session):
        session.execute(text("PRAGMA secure_delete = ON"))


def reclaim(engine: Engine) -> None:
    """Clear deleted words from SQLite's full-text index and log, from PostgreSQL's dead rows."""
    if engine.dialect.name != "sqlite":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM")
        return
    with transaction(engine) as session:
        overwrite_deleted(session)
        session.execute(text("INSERT INTO search_words (search_words) VALUES ('optimize')"))
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")


def rewrite_nothing(session: Session) -> None:
    """Write what is there anyway, to see whether the database can be written."""
    session.execute(text("UPDATE alembic_version SET version_num = version_num"))


def ping(engine: Engine) -> None:
    """Return when the database answers; raise Busy when it does not."""
    with reading(engine) as session:
        session.execute(text("SELECT 1"))


def is_damage(error: object) -> bool:
    """Whether a driver's error says that what is on disk is broken."""
    code = getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_OK
    # The upper bits tell where SQLite found it.
    is_corrupt = code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return is_corrupt or getattr(error, "sqlstate", None) in BROKEN_PAGES


def is_read_only(error: object) -> bool:
    """Whether a driver's error says that this database is only for reading now."""
    code = getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_OK
    return code & 0xFF == sqlite3.SQLITE_READONLY or getattr(error, "sqlstate", None) == READ_ONLY


def _meaning(error: DBAPIError) -> Exception:
    if is_damage(error.orig):
        return Damaged(DAMAGED)
    if is_read_only(error.orig):
        return Busy(UNUSABLE)
    if not isinstance(error, OperationalError | ProgrammingError):
        return error
    words = f"{type(error.orig).__name__} {error.orig}".lower()
    if any(one in words for one in ABSENT) or ("does not exist" in words and "relation" in words):
        return SetupError(
            "the database has no tables yet, or those of an older release; "
            "run `touchstone migrate` first"
        )
    if isinstance(error, ProgrammingError):
        return error
    if "locked" in words or "busy" in words or "lock timeout" in words:
        return Busy("the database is busy with another writer; send the same request again")
    return Busy(UNUSABLE)
