"""Sums of charges whose rows a lake keeps, and what the charges of a sum have alike."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, Table, UniqueConstraint

from ledger.store.tables.base import metadata
from ledger.store.tables.columns import BigInt, UtcTime, row_id
from ledger.store.tables.rollups import key_columns

lake_keys = Table(
    "lake_keys",
    metadata,
    row_id(),
    *key_columns(),
    UniqueConstraint("digest"),
    sqlite_strict=True,
    comment="What the charges of a lake's sum have alike, each combination once; they stay, as roll-ups' may not.",
)

lake_cells = Table(
    "lake_cells",
    metadata,
    row_id(comment="in one sequence with the ids of `booked_usage`"),
    Column("batch_id", BigInt, nullable=False),
    Column("key_id", BigInt, nullable=False, comment="a row of `lake_keys`"),
    Column("half_day", UtcTime, nullable=False, comment="the midnight or noon, UTC, at which it begins"),
    Column("quarters", BigInt, nullable=False, comment="bit n is set where the n-th quarter-hour has a cell"),
    Column("cells", LargeBinary, nullable=False, comment="the cells packed, as in `rollup_quarters`"),
    Column("corrects_id", BigInt, comment="the row that this one takes back, negated"),
    UniqueConstraint("corrects_id"),
    Index(None, "batch_id"),
    sqlite_strict=True,
    comment="Sums of charges whose rows a lake keeps, append-only: roll-ups are the sums of these and of charges.",
)
