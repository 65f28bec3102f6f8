"""Bring a database to the newest schema, or back; the web process never imports this."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, OperationalError

from app.database import DAMAGED, is_damage, migrate_alone
from app.errors import Damaged, SetupError, UnknownField

FOLDER = Path(__file__).with_name("migrations")


def migrate(engine: Engine, revision: str = "head") -> None:
    """Walk the schema up to a revision in one transaction."""
    with _connected(engine) as connection:
        command.upgrade(_config(connection), revision)


def migrate_down(engine: Engine, revision: str) -> None:
    """Walk the schema down to a revision, `base` for an empty database.

    Raises UnknownField for a revision that this release does not know.
    """
    if revision not in ("base", *revisions()):
        known = revisions()
        raise UnknownField(
            f"there is no revision {revision!r}; there are base and {known[0]} to {known[-1]}"
        )
    with _connected(engine) as connection:
        command.downgrade(_config(connection), revision)


def newest_revision() -> str:
    """The revision that this version of the service needs."""
    head = ScriptDirectory(str(FOLDER)).get_current_head()
    if head is None:
        raise RuntimeError("there are no migrations in this installation")
    return head


def revisions() -> list[str]:
    """All revisions, oldest first."""
    return [one.revision for one in ScriptDirectory(str(FOLDER)).walk_revisions()][::-1]


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    """A transaction; raises SetupError where the database is unusable or of another release."""
    try:
        with engine.begin() as connection:
            migrate_alone(connection)
            yield connection
    except CommandError as error:
        raise SetupError(
            f"the database does not fit this release, which knows revisions up to "
            f"{newest_revision()} ({error}); run the release that wrote it, or restore a backup"
        ) from error
    except DatabaseError as error:
        if is_damage(error.orig):
            raise Damaged(DAMAGED) from error
        if not isinstance(error, OperationalError):
            raise
        raise SetupError(
            f"cannot use the database {engine.url!r}: {str(error.orig).strip()}; "
            "mend that, or set TOUCHSTONE_DATABASE_URL to another"
        ) from error


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    return config
