"""The tables. Money is BIGINT nano (10^-9 of the row's currency); instants are BIGINT microseconds UTC (`UtcTime`)."""

from __future__ import annotations

from ledger.store.tables.archive import archived_usage, archives
from ledger.store.tables.base import metadata
from ledger.store.tables.book import (
    batches,
    booked_corrections,
    booked_usage,
    closings,
    ledger_settings,
    text_seals,
)
from ledger.store.tables.budget_events import budget_deliveries, budget_events
from ledger.store.tables.budgets import budgets
from ledger.store.tables.keys import record_keys, streams
from ledger.store.tables.lake import lake_cells, lake_keys
from ledger.store.tables.log import log_entries
from ledger.store.tables.prices import card_versions, conversions, rate_entries
from ledger.store.tables.projects import projects
from ledger.store.tables.quarantine import quarantine, sources
from ledger.store.tables.rollups import MEASURES, rollup_days, rollup_keys, rollup_quarters
from ledger.store.tables.views import charges, usage_records
from ledger.store.tables.wallet import wallet_entries, wallet_moves

__all__ = [
    "ADDED_TO",
    "APPEND_ONLY",
    "CHANGED",
    "MEASURES",
    "VIEWS",
    "archived_usage",
    "archives",
    "batches",
    "booked_corrections",
    "booked_usage",
    "budget_deliveries",
    "budget_events",
    "budgets",
    "card_versions",
    "charges",
    "closings",
    "conversions",
    "lake_cells",
    "lake_keys",
    "ledger_settings",
    "log_entries",
    "metadata",
    "projects",
    "quarantine",
    "rate_entries",
    "record_keys",
    "rollup_days",
    "rollup_keys",
    "rollup_quarters",
    "sources",
    "streams",
    "text_seals",
    "usage_records",
    "wallet_entries",
    "wallet_moves",
]

# What queries read in place of `booked_usage` and `booked_corrections`.
VIEWS = (usage_records.name, charges.name)

# No row of these is ever changed, but for texts that are redacted and usage that is archived: triggers refuse it.
APPEND_ONLY = (
    "booked_usage",
    "text_seals",
    "booked_corrections",
    "record_keys",
    "streams",
    "lake_keys",
    "lake_cells",
    "archives",
    "archived_usage",
    "conversions",
    "card_versions",
    "rate_entries",
    "batches",
    "closings",
    "wallet_moves",
    "wallet_entries",
    "projects",
    "budgets",
    "budget_events",
    "log_entries",
)

# Rows of these are added and stay, without a guard: `db rollups` makes them anew, which is the owner's to do.
ADDED_TO = ("rollup_keys",)

# Rows of these change with what is booked, settled or sent.
CHANGED = ("ledger_settings", "sources", "quarantine", "rollup_days", "rollup_quarters", "budget_deliveries")
