"""Charges themselves, streamed in order of posting, and the prices and conversions pinned on them."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ledger.book.charges import select_charges
from ledger.reports.selection import Selection, charge_instant, charges_in_period
from ledger.store.expressions import ROWS_AT_ONCE
from ledger.store.tables import charges


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
    period = charges_in_period(selection, ledger_zone, charge_instant(connection, ledger_zone))
    statement = select_charges(BookedCharge).where(period)
    if selection.projects:
        statement = statement.where(charges.c.project.in_(selection.projects))
    if selection.models:
        statement = statement.where(charges.c.billed_model.in_(selection.models))
    with connection.execute(statement, execution_options={"yield_per": ROWS_AT_ONCE}) as result:
        for rows in result.partitions():
            yield from map(BookedCharge._make, rows)
