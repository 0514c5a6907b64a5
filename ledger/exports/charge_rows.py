"""Charges themselves, streamed in order of posting, and the prices and conversions pinned on them."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from ledger.reports.selection import Selection, charge_instant, charges_in_period
from ledger.store.expressions import ROWS_AT_ONCE, microseconds
from ledger.store.tables import batches, charges, usage_records


class BookedCharge(NamedTuple):
    """A charge with its usage record (None for what an adjustment lacks) and the run that posted it.

    Tokens are the record's own, also on reversals, whose amounts are negative. The `corrected_…` ones are those of the
    charge that this one reverses or replaces.
    """

    id: int
    charge_class: str
    corrects_id: int | None
    posted_month: str
    occurred_month: str
    project: str
    currency: str
    billed_model: str
    model_differs: int
    rate_entry_id: int | None
    conversion_id: int | None
    tier: str
    input_nano: int
    cached_input_nano: int
    output_nano: int
    cache_storage_nano: int
    amount_nano: int
    run_id: int
    occurred_at_us: int | None
    source: str | None
    request_id: str | None
    kind: str | None
    status: str | None
    requested_model: str | None
    reported_model: str | None
    tags: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    storage_tokens: int | None
    storage_end_us: int | None
    corrected_input_tokens: int | None
    corrected_cached_input_tokens: int | None
    corrected_output_tokens: int | None
    corrected_storage_tokens: int | None


def read_charges(connection: Connection, selection: Selection, *, ledger_zone: ZoneInfo) -> Generator[BookedCharge]:
    """The selection's charges in order of posting, some thousands in memory at a time. Tags are ignored."""
    usage, corrected = usage_records, charges.alias("corrected")
    corrected_usage = usage_records.alias("corrected_usage")
    of_charge = [charges.c[name] for name in BookedCharge._fields[:17]]
    of_usage = [usage.c[name] for name in BookedCharge._fields[19:30]]
    of_corrected = [corrected_usage.c[name.removeprefix("corrected_")] for name in BookedCharge._fields[31:]]
    statement = (
        select(
            *of_charge,
            batches.c.run_id,
            microseconds(usage.c.occurred_at),
            *of_usage,
            microseconds(usage.c.storage_end),
            *of_corrected,
        )
        .join_from(charges, batches, batches.c.id == charges.c.batch_id)
        .join(usage, usage.c.id == charges.c.usage_record_id, isouter=True)
        .join(corrected, corrected.c.id == charges.c.corrects_id, isouter=True)
        .join(corrected_usage, corrected_usage.c.id == corrected.c.usage_record_id, isouter=True)
        .where(charges_in_period(selection, ledger_zone, charge_instant(connection, ledger_zone)))
        .order_by(charges.c.id)
    )
    if selection.projects:
        statement = statement.where(charges.c.project.in_(selection.projects))
    if selection.models:
        statement = statement.where(charges.c.billed_model.in_(selection.models))
    with connection.execute(statement, execution_options={"yield_per": ROWS_AT_ONCE}) as result:
        for rows in result.partitions():
            yield from map(BookedCharge._make, rows)
