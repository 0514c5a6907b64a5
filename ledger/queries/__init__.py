"""Every reporting SELECT; returns plain typed rows."""

from __future__ import annotations

from ledger.queries.charge_rows import BookedCharge, read_charges, read_rate_entries, read_usd_rates
from ledger.queries.plan import Sums
from ledger.queries.selection import DIMENSIONS, Basis, Selection
from ledger.queries.spend import SelectedSpend, SpendRow, read_spend

__all__ = [
    "DIMENSIONS",
    "Basis",
    "BookedCharge",
    "SelectedSpend",
    "Selection",
    "SpendRow",
    "Sums",
    "read_charges",
    "read_rate_entries",
    "read_spend",
    "read_usd_rates",
]
