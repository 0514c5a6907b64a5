"""Calls of tools whose fees were left out of what was booked."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, func, select

from ledger.models import charges, usage_records
from ledger.queries.selection import Selection, charge_instant, charges_in_period
from ledger.queries.spend import tag_filter
from ledger.queries.sums import narrowed


def read_unbooked_calls(connection: Connection, selection: Selection, ledger_zone: ZoneInfo) -> int:
    """The calls of a selection's charges: those of a reversal are taken back."""
    usage = usage_records
    within = charges_in_period(selection, ledger_zone, charge_instant(connection, ledger_zone))
    condition = (
        within & narrowed(selection, charges.c.project, charges.c.billed_model) & usage.c.tool_calls.is_not(None)
    )
    matches = tag_filter(selection, 0)
    calls = 0
    for query, sign in _charges_of_calls():
        # Counted by value and summed here, where no sum is too large.
        counted = query.add_columns(usage.c.tags, usage.c.tool_calls, func.count()).where(condition)
        for row in connection.execute(counted.group_by(usage.c.tags, usage.c.tool_calls)):
            if matches is None or matches(row):
                calls += sign * row[1] * row[2]
    return calls


def _charges_of_calls() -> Iterator[tuple[Select[()], int]]:
    """`charges` joined with their usage, and the sign: charges and replacements by their index, and what undid them."""
    undone = charges.alias("undone")
    for charge_class in ("charge", "replacement"):
        own = charges.c.usage_record_id == usage_records.c.id
        yield select().select_from(usage_records).join(charges, own).where(charges.c.charge_class == charge_class), 1
        reversed_one = (undone.c.usage_record_id == usage_records.c.id) & (undone.c.charge_class == charge_class)
        reversal = (charges.c.corrects_id == undone.c.id) & (charges.c.charge_class == "reversal")
        yield select().select_from(usage_records).join(undone, reversed_one).join(charges, reversal), -1
