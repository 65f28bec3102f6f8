"""The kinds of columns that tables are made of, the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, Dialect, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


Json = JSON().with_variant(JSONB(), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC on both databases; SQLite alone would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value.astimezone(UTC) if value is not None else None
        return value.replace(tzinfo=UTC)


class Table(SQLModel):
    """The base of all tables, with names for every constraint so that migrations can name them."""

    metadata = MetaData(naming_convention=NAMING)


def at_column(*, nullable: bool = False, index: bool = False) -> Any:
    """An aware datetime."""
    default = None if nullable else ...
    return Field(default, sa_type=UtcDateTime, nullable=nullable, index=index)


def json_column(default: Any = dict) -> Any:
    """A JSON value."""
    return Field(default_factory=default, sa_column=Column(Json, nullable=False))


def text_column(default: Any = "") -> Any:
    """A text of any length."""
    return Field(default, sa_type=Text)


def ns_column(default: Any = 0, *, nullable: bool = False) -> Any:
    """An integer of nanoseconds, 64 bits."""
    return Field(default, sa_type=BigInteger, nullable=nullable)
