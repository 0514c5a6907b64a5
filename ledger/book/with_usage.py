"""Charges joined with their usage where they have any: the shape that reports, exports and `verify` read."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, func, literal_column, select

from ledger.store.expressions import microseconds
from ledger.store.tables import (
    batches,
    booked_corrections,
    booked_usage,
    charges,
    record_keys,
    streams,
    usage_records,
)

# Charges with their usage, which adjustments don't have. Not by an outer join of the view: SQLite would make a table of
# all usage records for it.
WITH_USAGE = (
    charges.outerjoin(booked_usage, booked_usage.c.id == charges.c.usage_record_id)
    .outerjoin(record_keys, record_keys.c.id == booked_usage.c.key_id)
    .outerjoin(streams, streams.c.id == booked_usage.c.stream_id)
)
_WHERE_EMPTY: dict[str, ColumnElement[Any]] = {"tags": literal_column("'{}'"), "assumed": literal_column("0")}


def usage_column(name: str) -> ColumnElement[Any]:
    """Returns a column of usage_records as `WITH_USAGE` has it; tags of an adjustment are {}."""
    column = next(table.c[name] for table in (booked_usage, streams, record_keys) if name in table.c)
    return func.coalesce(column, _WHERE_EMPTY[name]) if name in _WHERE_EMPTY else column


# The charge that was corrected: a correction itself, or the first charge of a record, which has its number.
_correction = booked_corrections.alias("corrected_correction")
_of_corrected = booked_usage.alias("corrected_usage")
_key_of_corrected = record_keys.alias("corrected_key")
_WITH_CORRECTED = (
    WITH_USAGE.join(batches, batches.c.id == charges.c.batch_id)
    .outerjoin(_correction, _correction.c.id == charges.c.corrects_id)
    .outerjoin(_of_corrected, _of_corrected.c.id == func.coalesce(_correction.c.usage_record_id, charges.c.corrects_id))
    .outerjoin(_key_of_corrected, _key_of_corrected.c.id == _of_corrected.c.key_id)
)


class ChargeWithUsage(msgspec.Struct, frozen=True, gc=False):
    """A charge with its usage record; None for what an adjustment lacks.

    Tokens are the record's own, also on reversals, whose amounts are negative. Readers add fields of their own.
    """

    id: int
    charge_class: str
    corrects_id: int | None
    posted_month: str
    occurred_month: str
    project: str
    provider: str
    currency: str
    billed_model: str
    rate_entry_id: int | None
    conversion_id: int | None
    tier: str
    input_nano: int
    cached_input_nano: int
    output_nano: int
    cache_storage_nano: int
    amount_nano: int
    cache_write_5m_nano: int | None
    cache_write_1h_nano: int | None
    call_nano: int | None
    occurred_at_us: int | None
    source: str | None
    request_id: str | None
    tags: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    cache_write_5m_tokens: int | None
    cache_write_1h_tokens: int | None
    calls: int | None
    storage_tokens: int | None
    storage_end_us: int | None

    @property
    def number(self) -> str:
        """What tells it from every other charge, also from those that a lake has the rows of."""
        return str(self.id)

    @property
    def corrected_number(self) -> str | None:
        """The number of the charge that it reverses or replaces."""
        return None if self.corrects_id is None else str(self.corrects_id)


def select_charges(row: type[ChargeWithUsage]) -> Select[Any]:
    """Selects charges with what is joined to them, a column for each field of `row`, in order of posting.

    A field is named as the column of charges, of the usage record, else of the batch; counts of the charge that was
    corrected, and its posted month, begin with `corrected_`; instants that end in `_us` are microseconds.
    """
    return select(*map(charge_column, row.__struct_fields__)).select_from(_WITH_CORRECTED).order_by(charges.c.id)


def charge_column(name: str) -> ColumnElement[Any]:
    """Returns the column that a field of `select_charges` is named for."""
    plain = name.removesuffix("_us")
    if name == "corrected_posted_month":
        column: ColumnElement[Any] = func.coalesce(_correction.c.posted_month, _key_of_corrected.c.posted_month)
    elif name.startswith("corrected_"):
        column = _of_corrected.c[name.removeprefix("corrected_")]
    elif plain in charges.c:
        column = charges.c[plain]
    else:
        column = usage_column(plain) if plain in usage_records.c else batches.c[plain]
    return microseconds(column) if name.endswith("_us") else column
