"""Prices and conversions that charges are pinned to, read back; no card file is."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select

from ledger.errors import LedgerError
from ledger.store.tables import conversions, rate_entries
from pricing.rate_card import RateEntry


def read_usd_rates(connection: Connection) -> dict[int | None, int | None]:
    """Reads nano for 1 USD by conversion id; None for None, as charges in USD have no conversion."""
    rows = connection.execute(select(conversions.c.id, conversions.c.per_usd_nano))
    return {None: None, **{number: int(per_usd_nano) for number, per_usd_nano in rows}}


def read_rate_entries(connection: Connection, ids: Collection[int] | None = None) -> dict[int, RateEntry]:
    """Reads price entries by id: those asked for, or all that the ledger has pinned."""
    rows = connection.execute(select(rate_entries.c.id, rate_entries.c.content))
    return {number: RateEntry.from_content(content) for number, content in rows if ids is None or number in ids}


def charged_at_pico(entry: RateEntry, tier_label: str, meter: str) -> int:
    """Returns pico per token (storage: and an hour) that a line was charged at."""
    tier = next((tier for tier in entry.tiers if tier.label == tier_label), None)
    rate_pico = entry.cache_storage_pico
    if tier is not None:
        rate_pico = getattr(tier, f"{meter}_pico")
    if rate_pico is None:
        raise LedgerError(f"{entry.key} has no {meter} rate in tier {tier_label}: run 'tollbook verify'")
    return rate_pico
