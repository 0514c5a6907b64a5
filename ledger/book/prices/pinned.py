"""Prices and conversions that charges are pinned to, read back; no card file is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from ledger.errors import LedgerError
from ledger.store.bulk import in_chunks
from ledger.store.tables import conversions, rate_entries, rollup_keys
from pricing.money import Conversion
from pricing.rate_entry import RateEntry


def read_usd_rates(connection: Connection) -> dict[int | None, int | None]:
    """Reads nano for 1 USD by conversion id; None for None, as charges in USD have no conversion."""
    rows = connection.execute(select(conversions.c.id, conversions.c.per_usd_nano))
    return {None: None, **{number: int(per_usd_nano) for number, per_usd_nano in rows}}


def read_rate_entries(connection: Connection, ids: Collection[int] | None = None) -> dict[int, RateEntry]:
    """Reads price entries by id: those asked for, or all that the ledger has pinned; with those of a contract its list.

    LedgerError where the list's is gone, as only tampering can make it.
    """
    entries = rate_entries.c
    query = select(entries.id, entries.content)
    chosen = [query] if ids is None else [query.where(entries.id.in_(chunk)) for chunk in in_chunks(ids, 500)]
    found = {number: RateEntry.from_content(content) for each in chosen for number, content in connection.execute(each)}
    listed = {entry.list_digest for entry in found.values() if entry.list_digest}
    contents: dict[str, str] = {}
    for chunk in in_chunks(listed, 500):
        rows = connection.execute(select(entries.digest, entries.content).where(entries.digest.in_(chunk)))
        contents.update((digest, content) for digest, content in rows)
    return {number: _with_list_price(entry, contents) for number, entry in found.items()}


def _with_list_price(entry: RateEntry, contents: Mapping[str, str]) -> RateEntry:
    if not entry.list_digest:
        return entry
    if entry.list_digest not in contents:
        raise LedgerError(f"{entry.key} names a list price that isn't there: run 'tollbook verify'")
    return replace(entry, listed=RateEntry.from_content(contents[entry.list_digest]))


class UsedPrices(NamedTuple):
    """The price entries, by their keys, and the conversions that charges pin, each in order of time and name."""

    rate_entries: tuple[str, ...]
    conversions: tuple[Conversion, ...]


def read_used_prices(connection: Connection, month: str, project: str | None = None) -> UsedPrices:
    """Reads the price entries and conversions of the charges posted in a month, or of one project's among them."""
    keys = rollup_keys.c.posted_month == month
    if project is not None:
        keys &= rollup_keys.c.project == project
    entries = select(rollup_keys.c.rate_entry_id).where(keys).distinct()
    converted = select(rollup_keys.c.conversion_id).where(keys).distinct()
    names = connection.execute(select(rate_entries.c.key).where(rate_entries.c.id.in_(entries))).scalars()
    rows = connection.execute(select(conversions).where(conversions.c.id.in_(converted)))
    in_order = sorted(
        {conversion_of(row) for row in rows}, key=lambda each: (each.currency, each.effective_from, each.per_usd_nano)
    )
    return UsedPrices(tuple(sorted(names)), tuple(in_order))


def conversion_of(row: Row[Any]) -> Conversion:
    """Returns the conversion that a row of theirs is."""
    checked_on = date.fromisoformat(row.checked_on) if row.checked_on else None
    return Conversion(row.currency, row.per_usd_nano, row.effective_from, row.source_url, checked_on)


def charged_at_pico(entry: RateEntry, tier_label: str, meter: str) -> int:
    """Returns pico per token (storage: and an hour), or a call, that a line was charged at."""
    tier = next((tier for tier in entry.tiers if tier.label == tier_label), None)
    rate_pico = entry.cache_storage_pico
    if meter == "call":
        rate_pico = entry.call_pico
    elif tier is not None:
        rate_pico = tier.rate_pico(meter)
    if rate_pico is None:
        raise LedgerError(f"{entry.key} has no {meter} rate in tier {tier_label}: run 'tollbook verify'")
    return rate_pico
