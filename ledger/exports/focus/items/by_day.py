"""The default grain: a row for each day x project x model x tier x meter x conversion, from the roll-up by day.

Within a cell charges and their corrections in the same open month add up; what corrects a closed month stays apart, and
so do prices, providers and rolled-up tags. What adds up to nothing has no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import TypeAlias

from ledger.book.rows import ADJUSTMENT, counts_by_meter, nano_by_meter
from ledger.exports.focus.items.by_charge import is_correction, quantities, usage_day, usage_item
from ledger.exports.focus.items.item import Item, usage_items
from ledger.exports.focus.items.lookups import Books, tags_cell
from ledger.exports.focus.items.read import CORRECTING, PostedCharge, RolledUp
from pricing.charge import METERS
from pricing.rate_entry import tier_order

# Rows of one day are by their item, before its meter, and their price entry.
Cell: TypeAlias = tuple[Item, int]
# Of a cell: quantities by meter, then nano by meter.
Counts: TypeAlias = list[int]
Day: TypeAlias = dict[Cell, Counts]


def day_items(rows: Iterable[RolledUp], late_corrected: Iterable[PostedCharge], books: Books) -> Iterator[Item]:
    """Yields the items of a month's roll-up, which comes in order of days, a day in memory at a time.

    `late_corrected` are reversals and replacements of late usage in its own month: they correct nothing closed, which
    the roll-up doesn't say.
    """
    moves = days_of_charges(late_corrected, books)
    for day, rows_of_day in groupby(rows, key=attrgetter("day")):
        cells: Day = {}
        for row in rows_of_day:
            corrects = row.charge_class in CORRECTING and row.occurred_month < books.month
            add(cells, _cell(row, books, day, corrects=corrects), _counts(row))
        for (usage, entry_id), counts in moves.get(day, {}).items():
            add(cells, (usage, entry_id), counts)
            add(cells, (usage._replace(corrects=True), entry_id), [-count for count in counts])
        yield from items_of_cells(cells, books)


def items_of_charges(charges: Iterable[PostedCharge], books: Books) -> Iterator[Item]:
    """Yields the same from the charges themselves: where the roll-up lacks tags that the month was closed with."""
    days = days_of_charges((charge for charge in charges if charge.charge_class != ADJUSTMENT), books)
    for day in sorted(days):
        yield from items_of_cells(days[day], books)


def days_of_charges(charges: Iterable[PostedCharge], books: Books) -> dict[str, Day]:
    """Adds charges of usage up to cells, by day."""
    days: dict[str, Day] = {}
    for charge in charges:
        day = usage_day(charge, books)
        cell = _cell(charge, books, day, corrects=is_correction(charge))
        add(days.setdefault(day, {}), cell, [*quantities(charge), *nano_by_meter(charge)])
    return days


def add(cells: Day, cell: Cell, counts: Iterable[int]) -> None:
    """Adds counts to a cell."""
    known = cells.get(cell)
    cells[cell] = list(counts) if known is None else [one + other for one, other in zip(known, counts, strict=True)]


def _counts(row: RolledUp) -> Counts:
    return [*counts_by_meter(row, row.storage_token_hours), *nano_by_meter(row)]


def _cell(row: RolledUp | PostedCharge, books: Books, day: str, *, corrects: bool) -> Cell:
    assert row.rate_entry_id is not None
    usage = usage_item(row, books, day, corrects=corrects)
    project, tags = books.projects.of(row.project).id, tags_cell(books.tags(row.tags or "{}"))
    return usage._replace(project=project, tags=tags), row.rate_entry_id


def items_of_cells(cells: Day, books: Books) -> Iterator[Item]:
    """Yields the items of a day's cells, in an order that depends on what they are by alone."""
    for (usage, entry_id), counts in sorted(cells.items(), key=lambda found: _order(found[0], books)):
        assert usage.tier is not None
        for meter, quantity, amount_nano in zip(METERS, counts[: len(METERS)], counts[len(METERS) :], strict=True):
            if quantity or amount_nano:
                rate = books.rate(entry_id, usage.tier, meter)
                yield from usage_items(usage._replace(meter=meter, quantity=quantity, rate=rate), amount_nano)


def _order(cell: Cell, books: Books) -> tuple[object, ...]:
    usage, entry_id = cell
    return (
        usage.project,
        usage.provider,
        usage.model,
        tier_order(usage.tier or "none"),
        usage.currency,
        usage.per_usd_nano or 0,
        books.entries[entry_id].key,
        usage.corrects,
        usage.tags or "",
    )
