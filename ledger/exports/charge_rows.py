"""Charges themselves, streamed in order of posting, and the prices and conversions pinned on them."""

from __future__ import annotations

from collections.abc import Generator
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ledger.book.with_usage import ChargeWithUsage, charge_column, select_charges
from ledger.reports.selection import Selection, charge_instant, charges_in_period
from ledger.store.bulk import stream_rows
from ledger.store.tables import charges


class BookedCharge(ChargeWithUsage, frozen=True, gc=False):
    """A charge with its usage and the run that posted it.

    The `corrected_…` tokens are those of the charge that this one reverses or replaces.
    """

    model_differs: int
    run_id: int
    kind: str | None
    status: str | None
    requested_model: str | None
    reported_model: str | None
    corrected_input_tokens: int | None
    corrected_cached_input_tokens: int | None
    corrected_output_tokens: int | None
    corrected_cache_write_5m_tokens: int | None
    corrected_cache_write_1h_tokens: int | None
    corrected_calls: int | None
    corrected_storage_tokens: int | None


def read_charges(connection: Connection, selection: Selection, *, ledger_zone: ZoneInfo) -> Generator[BookedCharge]:
    """Yields the selection's charges in order of posting, some thousands in memory at a time. Tags are ignored."""
    instant = charge_instant(connection, ledger_zone, charge_column("occurred_at_us"))
    statement = select_charges(BookedCharge).where(charges_in_period(selection, ledger_zone, instant))
    if selection.projects:
        statement = statement.where(charges.c.project.in_(selection.projects))
    if selection.models:
        statement = statement.where(charges.c.billed_model.in_(selection.models))
    return stream_rows(connection, statement, BookedCharge)
