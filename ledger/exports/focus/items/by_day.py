"""The default grain: a row for each day x project x model x tier x meter x conversion, from the roll-up by day.

Within a cell charges and their corrections in the same open month add up; what corrects a closed month stays apart, and
so do prices, providers and rolled-up tags. What adds up to nothing has no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from ledger.exports.focus.items.by_charge import ADJUSTMENT, amounts, is_correction, quantities, usage_day
from ledger.exports.focus.items.item import Item, usage_items
from ledger.exports.focus.items.lookups import Books, tags_cell, tier_order
from ledger.exports.focus.items.of_wallets import day_after
from ledger.exports.focus.items.read import CORRECTING, PostedCharge, RolledUp
from ledger.wallet.usage import wallet_day
from pricing.charge import METERS


class Cell(NamedTuple):
    """What rows of one day are by."""

    project: str
    provider: str
    model: str
    tier: str
    currency: str
    per_usd_nano: int | None
    rate_entry_id: int
    corrects: bool
    tags: str | None


# Of a cell: quantities by meter, then nano by meter.
Counts: TypeAlias = list[int]
Day: TypeAlias = dict[Cell, Counts]


def day_items(rows: Iterable[RolledUp], late_corrected: Iterable[PostedCharge], books: Books) -> Iterator[Item]:
    """The items of a month's roll-up, which comes in order of days, a day in memory at a time.

    `late_corrected` are reversals and replacements of late usage in its own month: they correct nothing closed, which
    the roll-up doesn't say.
    """
    moves = days_of_charges(late_corrected, books)
    for day, rows_of_day in groupby(rows, key=attrgetter("day")):
        cells: Day = {}
        for row in rows_of_day:
            corrects = row.charge_class in CORRECTING and row.occurred_month < books.month
            add(cells, _cell(row, books, corrects=corrects), _counts(row))
        for cell, counts in moves.get(day, {}).items():
            add(cells, cell, counts)
            add(cells, cell._replace(corrects=True), [-count for count in counts])
        yield from items_of_day(day, cells, books)


def items_of_charges(charges: Iterable[PostedCharge], books: Books) -> Iterator[Item]:
    """The same from the charges themselves: where the roll-up no longer has the tags that the month was closed with."""
    days = days_of_charges((charge for charge in charges if charge.charge_class != ADJUSTMENT), books)
    for day in sorted(days):
        yield from items_of_day(day, days[day], books)


def days_of_charges(charges: Iterable[PostedCharge], books: Books) -> dict[str, Day]:
    """Charges of usage added up to cells, by day."""
    days: dict[str, Day] = {}
    for charge in charges:
        cells = days.setdefault(usage_day(charge, books), {})
        add(cells, _cell(charge, books, corrects=is_correction(charge)), [*quantities(charge), *amounts(charge)])
    return days


def add(cells: Day, cell: Cell, counts: Iterable[int]) -> None:
    """Add counts to a cell."""
    known = cells.get(cell)
    cells[cell] = list(counts) if known is None else [one + other for one, other in zip(known, counts, strict=True)]


def _counts(row: RolledUp) -> Counts:
    uncached = row.input_tokens - row.cached_input_tokens
    tokens = (uncached, row.cached_input_tokens, row.output_tokens, row.storage_token_hours)
    return [*tokens, row.input_nano, row.cached_input_nano, row.output_nano, row.cache_storage_nano]


def _cell(row: RolledUp | PostedCharge, books: Books, *, corrects: bool) -> Cell:
    assert row.rate_entry_id is not None
    return Cell(
        books.projects.of(row.project).id,
        row.provider,
        row.billed_model,
        row.tier,
        row.currency,
        books.usd_rates[row.conversion_id],
        row.rate_entry_id,
        corrects,
        tags_cell(books.tags(row.tags or "{}")),
    )


def items_of_day(day: str, cells: Mapping[Cell, Counts], books: Books) -> Iterator[Item]:
    """The items of a day's cells, in an order that depends on what they are by alone."""
    days = (day, day_after(day))
    for cell, counts in sorted(cells.items(), key=lambda found: _order(found[0], books)):
        usage = Item(
            kind="usage",
            provider=cell.provider,
            currency=cell.currency,
            per_usd_nano=cell.per_usd_nano,
            amount_pico=0,
            days=days,
            counts_on=wallet_day(day, books.month),
            project=cell.project,
            model=cell.model,
            tier=cell.tier,
            corrects=cell.corrects,
            tags=cell.tags,
        )
        for meter, quantity, amount_nano in zip(METERS, counts[: len(METERS)], counts[len(METERS) :], strict=True):
            if quantity or amount_nano:
                rate = books.rate(cell.rate_entry_id, cell.tier, meter)
                yield from usage_items(usage._replace(meter=meter, quantity=quantity, rate=rate), amount_nano)


def _order(cell: Cell, books: Books) -> tuple[object, ...]:
    return (
        cell.project,
        cell.provider,
        cell.model,
        tier_order(cell.tier),
        cell.currency,
        cell.per_usd_nano or 0,
        books.entries[cell.rate_entry_id].key,
        cell.corrects,
        cell.tags or "",
    )
