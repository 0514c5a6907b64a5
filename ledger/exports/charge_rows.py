"""Charges themselves, streamed in order of posting, and the prices and conversions pinned on them."""

from __future__ import annotations

from collections.abc import Generator
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, literal, select

from ledger.book.with_usage import ChargeWithUsage, charge_column, select_charges
from ledger.lake.given import Lakes
from ledger.lake.posted import Posting
from ledger.reports.selection import Selection, charge_instant, charges_in_period, period_parts
from ledger.store.bulk import stream_rows
from ledger.store.tables import charges
from ledger.values.instants import to_microseconds


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


class LakeCharge(BookedCharge, frozen=True, gc=False):
    """A charge whose row a lake has: its `id` is that of its batch's first sum."""

    number: str
    corrected_number: str | None


def read_charges_beside(
    connection: Connection, selection: Selection, lakes: Lakes, *, ledger_zone: ZoneInfo
) -> Generator[BookedCharge]:
    """Yields the charges of a period as `read_charges` does, and those of lakes between them."""

    def wanted(posting: Posting) -> Posting | None:
        return _selected(connection, selection, ledger_zone, posting)

    book = read_charges(connection, selection, ledger_zone=ledger_zone)
    return lakes.beside(book, connection, wanted, LakeCharge)


def _selected(connection: Connection, selection: Selection, zone: ZoneInfo, posting: Posting) -> Posting | None:
    """Returns what a period has of a posting, by the conditions that pick charges."""
    parts = period_parts(selection, zone, literal(posting.posted_month), literal(posting.occurred_month))
    is_in = connection.execute(select(*(part.months for part in parts))).one()
    part = next((part for part, is_met in zip(parts, is_in, strict=True) if is_met), None)
    if part is None or not part.timed:
        return posting if part else None
    start_us, end_us = (None if at is None else to_microseconds(at) for at in (selection.start, selection.end))
    return posting._replace(start_us=start_us, end_us=end_us)
