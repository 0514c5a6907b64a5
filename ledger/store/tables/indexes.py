"""The indexes with options of a database: what migrations compare, apart from the tables that commands load.

An option such as `postgresql_where` makes SQLAlchemy load that database's dialect, and the drivers it knows, as soon as
the index is named: 50 ms for every command on SQLite. No statement of ours needs to know of an index.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, text

from ledger.store.tables.book import batches, charges, usage_records


def _partial(name: str, *columns: Column[object], where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


INDEXES = (
    _partial("uq_batches_reference", batches.c.reference, where="reference IS NOT NULL", unique=True),
    _partial("ix_usage_records_tool_calls", usage_records.c.tool_calls, where="tool_calls IS NOT NULL"),
    _partial("uq_charges_usage_record_id", charges.c.usage_record_id, where="charge_class = 'charge'", unique=True),
    _partial("ix_charges_replacement_usage_record_id", charges.c.usage_record_id, where="charge_class = 'replacement'"),
    _partial(
        "uq_charges_corrects_id",
        charges.c.corrects_id,
        charges.c.charge_class,
        where="corrects_id IS NOT NULL",
        unique=True,
    ),
    Index("ix_usage_records_occurred_at", usage_records.c.occurred_at, postgresql_using="brin").ddl_if(
        dialect="postgresql"
    ),
)
