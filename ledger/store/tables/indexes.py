"""The indexes with options of a database: what migrations compare, apart from the tables that commands load.

An option such as `postgresql_where` makes SQLAlchemy load that database's dialect, and the drivers it knows, as soon as
the index is named: 50 ms for every command on SQLite. No statement of ours needs to know of an index.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, text

from ledger.store.tables.book import batches, booked_corrections, booked_usage


def _partial(name: str, *columns: Column[object], where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


# SQLite has no index so small, and rows are met in order of time nearly always.
ONLY_ON_POSTGRESQL = {"only_on": "postgresql"}

INDEXES = (
    _partial("uq_batches_reference", batches.c.reference, where="reference IS NOT NULL", unique=True),
    _partial("ix_booked_usage_tool_calls", booked_usage.c.tool_calls, where="tool_calls IS NOT NULL"),
    _partial(
        "uq_booked_corrections_corrects_id",
        booked_corrections.c.corrects_id,
        booked_corrections.c.charge_class,
        where="corrects_id IS NOT NULL",
        unique=True,
    ),
    Index("ix_booked_usage_occurred_at", booked_usage.c.occurred_at, postgresql_using="brin", info=ONLY_ON_POSTGRESQL),
)
