"""The sources of a report's selection whose rows aren't in the ledger."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ledger.book.without_rows import Outside, sources_without_rows
from ledger.reports.selection import Selection, period_parts
from ledger.reports.sums import narrowed
from ledger.store.tables import lake_keys


def selected_without_rows(connection: Connection, selection: Selection, ledger_zone: ZoneInfo) -> list[Outside]:
    """Returns the sources, in order, with sums alone in the selection, whatever their tags."""
    keys = lake_keys.c
    filters = narrowed(selection, keys.project, keys.billed_model)
    found: set[Outside] = set()
    for part in period_parts(selection, ledger_zone, keys.posted_month, keys.occurred_month):
        bounds = (selection.start, selection.end) if part.timed else (None, None)
        found.update(sources_without_rows(connection, part.months & filters, *bounds))
    return sorted(found)
