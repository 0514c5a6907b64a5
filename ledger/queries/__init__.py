"""Every reporting SELECT; returns plain typed rows."""

from __future__ import annotations

from ledger.book.prices.pins import read_rate_entries, read_usd_rates
from ledger.queries.charge_rows import BookedCharge, read_charges
from ledger.queries.plan import Sums
from ledger.queries.requests import OutputCount, first_request, latest_day, read_output_counts
from ledger.queries.selection import DIMENSIONS, Basis, Selection
from ledger.queries.spend import SelectedSpend, SpendRow, read_spend
from ledger.queries.unbooked import read_unbooked_calls

__all__ = [
    "DIMENSIONS",
    "Basis",
    "BookedCharge",
    "OutputCount",
    "SelectedSpend",
    "Selection",
    "SpendRow",
    "Sums",
    "first_request",
    "latest_day",
    "read_charges",
    "read_output_counts",
    "read_rate_entries",
    "read_spend",
    "read_unbooked_calls",
    "read_usd_rates",
]
