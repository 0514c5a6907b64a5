"""Column types: instants that refuse naive datetimes, and 64-bit integers that stay integers on SQLite."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, Column, Integer, SmallInteger
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from ledger.values.instants import from_microseconds, to_microseconds

_Type: TypeAlias = TypeEngine[Any] | type[TypeEngine[Any]]

# SQLite's STRICT tables know INTEGER alone; it holds the same signed 64 bits as BIGINT.
BigInt = BigInteger().with_variant(Integer(), "sqlite")
# 0 or 1 on both databases, so that a row digests alike.
Flag = SmallInteger().with_variant(Integer(), "sqlite")


class UtcTime(TypeDecorator[datetime]):
    """An instant, stored as BIGINT microseconds since 1970-01-01T00:00Z on every database.

    SQLite has no time type and PostgreSQL's rounds and converts by session zone; one integer compares,
    sorts and digests alike on both. Naive datetimes are refused; reads return aware UTC ones.
    """

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> object:  # type: ignore[override]
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_microseconds(value)


def row_id(comment: str | None = None) -> Column[int]:
    """Returns the id of a row, which its writer gives it."""
    return Column("id", BigInt, primary_key=True, autoincrement=False, comment=comment)


def required(kind: _Type, *names: str) -> list[Column[Any]]:
    """Returns columns of one type that hold a value in each row."""
    return [Column(name, kind, nullable=False) for name in names]


def optional(kind: _Type, *names: str) -> list[Column[Any]]:
    """Returns columns of one type that may be null."""
    return [Column(name, kind) for name in names]
