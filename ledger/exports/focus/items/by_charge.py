"""Charges as items: each of its meters for the charge grain, and adjustments, which have a row each in both grains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger.book.rows import ADJUSTMENT, counts_by_meter, nano_by_meter
from ledger.exports.focus.items.item import Item, usage_items
from ledger.exports.focus.items.lookups import Books, tags_cell
from ledger.exports.focus.items.of_wallets import day_after
from ledger.exports.focus.items.read import CORRECTING, PostedCharge, RolledUp
from ledger.exports.formats.columns import Row
from ledger.values.calendar import shift_month
from ledger.values.instants import from_microseconds, iso_text
from ledger.wallet.usage import wallet_day
from pricing.charge import METERS
from pricing.money import PICO_PER_NANO
from pricing.usage import clock_hours


def is_correction(charge: PostedCharge) -> bool:
    """Tells whether it corrects a closed month: that of the charge it undoes or replaces, or an adjustment's own.

    What is posted in the month that it occurred in corrects none, as where usage turns out to be of the next month.
    """
    if charge.occurred_month >= charge.posted_month:
        return False
    if charge.charge_class == ADJUSTMENT:
        return True
    if charge.charge_class not in CORRECTING or charge.corrected_posted_month is None:
        return False
    return charge.corrected_posted_month < charge.posted_month


def usage_day(charge: PostedCharge, books: Books) -> str:
    """Returns the day, in the ledger's zone, that the charge's usage occurred."""
    assert charge.occurred_at_us is not None
    return books.calendar.day(charge.occurred_at_us)


def quantities(charge: PostedCharge) -> list[int]:
    """Returns tokens or calls by meter, token-hours of storage. Below 0 for a reversal."""
    sign = -1 if charge.charge_class == "reversal" else 1
    token_hours = 0
    if charge.storage_tokens and charge.occurred_at_us is not None and charge.storage_end_us is not None:
        start, end = from_microseconds(charge.occurred_at_us), from_microseconds(charge.storage_end_us)
        token_hours = charge.storage_tokens * clock_hours(start, end)
    return [sign * count for count in counts_by_meter(charge, token_hours)]


def line_items(charges: Iterable[PostedCharge], books: Books) -> Iterator[Item]:
    """Yields the items of each charge's lines, in order of posting."""
    for charge in charges:
        if charge.charge_class == ADJUSTMENT:
            yield adjustment_item(charge, books, line=_line(charge, ADJUSTMENT))
            continue
        usage = usage_item(charge, books, usage_day(charge, books), corrects=is_correction(charge))
        usage = usage._replace(project=charge.project, tags=tags_cell(charge.tags))
        for meter, quantity, amount_nano in zip(METERS, quantities(charge), nano_by_meter(charge), strict=True):
            if quantity:
                assert charge.rate_entry_id is not None
                line = usage._replace(
                    meter=meter,
                    quantity=quantity,
                    rate=books.rate(charge.rate_entry_id, charge.tier, meter),
                    line=_line(charge, meter),
                )
                yield from usage_items(line, amount_nano)


def usage_item(row: RolledUp | PostedCharge, books: Books, day: str, *, corrects: bool) -> Item:
    """Makes the item that usage of a day is of, before its meter, project and tags."""
    return Item(
        kind="usage",
        provider=row.provider,
        currency=row.currency,
        per_usd_nano=books.usd_rates[row.conversion_id],
        amount_pico=0,
        days=(day, day_after(day)),
        counts_on=wallet_day(day, books.month),
        model=row.billed_model,
        tier=row.tier,
        corrects=corrects,
    )


def adjustment_item(charge: PostedCharge, books: Books, line: Row | None = None) -> Item:
    """Makes the item of an adjustment, which is for the whole month that it is of."""
    first_day = f"{charge.occurred_month}-01"
    return Item(
        kind="adjustment",
        provider=charge.provider,
        currency=charge.currency,
        per_usd_nano=books.usd_rates[charge.conversion_id],
        amount_pico=charge.amount_nano * PICO_PER_NANO,
        days=(first_day, f"{shift_month(charge.occurred_month, 1)}-01"),
        counts_on=wallet_day(first_day, books.month),
        project=charge.project,
        corrects=is_correction(charge),
        reason=charge.reason,
        reference=charge.reference,
        line=line,
    )


def _line(charge: PostedCharge, meter: str) -> Row:
    """Returns the cells of LINE_COLUMNS."""
    return (
        charge.id,
        charge.charge_class,
        f"{charge.number}-{meter}",
        None if charge.occurred_at_us is None else iso_text(charge.occurred_at_us),
        charge.request_id,
        charge.source,
    )
