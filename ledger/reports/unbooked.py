"""Calls of tools whose fees were left out of what was booked."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Select, func, literal_column, select

from ledger.reports.selection import Selection, charge_instant, charges_in_period
from ledger.reports.spend import tag_filter
from ledger.reports.sums import narrowed
from ledger.store.tables import charges, usage_records


def read_unbooked_calls(connection: Connection, selection: Selection, ledger_zone: ZoneInfo) -> int:
    """Counts the calls of a selection's charges: those of a reversal are taken back.

    Only records that have any are looked up, by an index of theirs; tags only where the selection asks for some.
    """
    usage = usage_records
    if connection.execute(select(usage.c.id).where(usage.c.tool_calls.is_not(None)).limit(1)).first() is None:
        return 0
    tags: ColumnElement[str] = usage.c.tags if selection.tags else literal_column("'{}'")
    within = charges_in_period(selection, ledger_zone, charge_instant(connection, ledger_zone))
    condition = within & narrowed(selection, charges.c.project, charges.c.billed_model)
    matches = tag_filter(selection, 0)
    calls = 0
    for query, sign in charges_of_calls():
        # Counted by value and summed here, where no sum is too large.
        by = [usage.c.tool_calls, *([usage.c.tags] if selection.tags else [])]
        counted = query.add_columns(tags, usage.c.tool_calls, func.count()).where(condition).group_by(*by)
        for row in connection.execute(counted):
            if matches is None or matches(row):
                calls += sign * row[1] * row[2]
    return calls


def charges_of_calls() -> Iterator[tuple[Select[()], int]]:
    """Yields `charges` joined with their usage, and the sign: those of records by their index, and what undid them."""
    usage = usage_records
    # Materialised, so that SQLite begins with these few rather than with all charges.
    stated = select(usage.c.id).where(usage.c.tool_calls.is_not(None)).cte("stated").prefix_with("MATERIALIZED")
    begin = select().select_from(stated)
    for is_class, sign in ((charges.c.charge_class != "reversal", 1), (charges.c.charge_class == "reversal", -1)):
        of_record = charges.c.usage_record_id == stated.c.id
        yield begin.join(charges, of_record & is_class).join(usage, usage.c.id == stated.c.id), sign
