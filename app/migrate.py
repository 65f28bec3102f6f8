"""Bring a database to the newest schema, or back; the web process never imports this."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

FOLDER = Path(__file__).with_name("migrations")


def migrate(engine: Engine, revision: str = "head") -> None:
    """Walk the schema up to a revision in one transaction."""
    with engine.begin() as connection:
        command.upgrade(_config(connection), revision)


def migrate_down(engine: Engine, revision: str) -> None:
    """Walk the schema down to a revision, `base` for an empty database."""
    with engine.begin() as connection:
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


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    return config
