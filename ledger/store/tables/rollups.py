"""Sums of charges by day and by quarter-hour, and the combinations of dimensions that they are by."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Column, LargeBinary, Table, Text, UniqueConstraint, text

from ledger.store.tables.base import digest_of, metadata
from ledger.store.tables.columns import BigInt, UtcTime, required, row_id


class Dimensions(NamedTuple):
    """The key of a sum: the columns of `rollup_keys` after id and digest. `tags` are the rolled-up ones, JSON."""

    posted_month: str
    occurred_month: str
    source: str
    provider: str
    currency: str
    billed_model: str
    project: str
    tier: str
    status: str
    kind: str
    charge_class: str
    tags: str
    rate_entry_id: int | None
    conversion_id: int | None

    @property
    def digest(self) -> str:
        return digest_of(self)


_ROW_IDS = ("rate_entry_id", "conversion_id")


def key_columns() -> list[Column[Any]]:
    """Returns the columns of a table of keys after id."""
    return [
        Column("digest", Text, nullable=False, comment="sha256 of the other columns"),
        *(Column(name, BigInt if name in _ROW_IDS else Text, nullable=name in _ROW_IDS) for name in Dimensions._fields),
    ]


rollup_keys = Table(
    "rollup_keys",
    metadata,
    row_id(),
    *key_columns(),
    UniqueConstraint("digest"),
    sqlite_strict=True,
    comment="Each combination of dimensions that was ever posted, once; tags holds the rolled-up keys alone.",
)


# What the roll-ups have summed since there are any, and since there are more meters; each in the order of its columns.
_FIRST_MEASURES = (
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "storage_token_hours",
    "input_nano",
    "cached_input_nano",
    "output_nano",
    "cache_storage_nano",
    "amount_nano",
)
_LATER_MEASURES = (
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "calls",
    "cache_write_5m_nano",
    "cache_write_1h_nano",
    "call_nano",
)
MEASURES = (*_FIRST_MEASURES, *_LATER_MEASURES)


def _later_measures() -> list[Column[int]]:
    return [Column(name, BigInt, nullable=False, server_default=text("0")) for name in _LATER_MEASURES]


rollup_days = Table(
    "rollup_days",
    metadata,
    Column("day", Text, primary_key=True, comment="YYYY-MM-DD the usage occurred, in the ledger's zone"),
    Column("key_id", BigInt, primary_key=True, autoincrement=False),
    *required(BigInt, *_FIRST_MEASURES),
    Column(
        "last_occurred_at",
        UtcTime,
        nullable=False,
        comment="latest usage ever counted here; a reversal doesn't lower it",
    ),
    *_later_measures(),
    sqlite_strict=True,
    sqlite_with_rowid=False,
    comment="Sums of charges by key and day, kept in the transaction that posts them.",
)

rollup_quarters = Table(
    "rollup_quarters",
    metadata,
    Column("half_day", UtcTime, primary_key=True, comment="the midnight or noon, UTC, at which it begins"),
    Column("key_id", BigInt, primary_key=True, autoincrement=False),
    Column("quarters", BigInt, nullable=False, comment="bit n is set where the n-th quarter-hour has a cell"),
    Column("cells", LargeBinary, nullable=False, comment="the cells packed: see ledger/book/quarters.py"),
    sqlite_strict=True,
    comment="The same sums by quarter-hour, packed: every zone since 1980 starts its days on one.",
)
