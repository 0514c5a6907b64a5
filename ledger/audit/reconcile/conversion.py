"""A statement in USD as the word of another conversion: all of it is the ledger's credits at one other figure."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from sqlalchemy import Connection

from ledger.audit.reconcile.results import Basis
from ledger.audit.reconcile.sides import Sides
from ledger.book.open_months import first_open_month
from ledger.reports.conversion_notes import ConversionNote, Sold, last_check, utc_day
from ledger.values.instants import MICROSECOND
from pricing.rate_card import RateCard

# A single key agrees with any figure.
LEAST_KEYS = 2


class _Pair(NamedTuple):
    """A key that both sides have: the ledger's nano of the card's currency, the statement's nano-USD and its rows."""

    credits_nano: int
    usd_nano: int
    rows: int


def read_statement_note(connection: Connection, sides: Sides, basis: Basis, card: RateCard) -> ConversionNote | None:
    """Finds the figure that explains a statement's amounts, where it isn't the conversion in force all the period.

    Each key that both sides have must come to the statement's amount by it, but for rounding: other causes differ from
    key to key. None of a period in closed months, which are final.
    """
    start, end = basis.period.start, basis.period.end
    assert start is not None
    assert end is not None
    last = end - MICROSECOND
    day = f"{start.astimezone(basis.zone):%Y-%m-%d}"
    in_force = [each for each in card.conversions if each.effective_from <= last]
    if basis.currency != "USD" or not in_force or utc_day(in_force[-1]) > day:
        return None
    if f"{last.astimezone(basis.zone):%Y-%m}" < first_open_month(connection):
        return None
    conversion, pairs = in_force[-1], list(_pairs(sides))
    sold = Sold(day, sum(pair.credits_nano for pair in pairs), sum(pair.usd_nano for pair in pairs))
    if len(pairs) < LEAST_KEYS or min(sold.credits_nano, sold.paid_nano) <= 0 or not sold.contradicts(conversion):
        return None
    usd_per_credit = Fraction(sold.paid_nano, sold.credits_nano)
    for pair in pairs:
        off_by_nano = abs(pair.credits_nano * usd_per_credit - pair.usd_nano)
        if off_by_nano >= basis.unit_nano * max(1, pair.rows):
            return None
    moves_nano = sold.moves_nano(sold.credits_nano, conversion)
    checked_on = last_check(card.conversions, conversion)
    return ConversionNote("statement", card.provider, conversion, checked_on, sold, moves_nano)


def _pairs(sides: Sides) -> Iterator[_Pair]:
    for place in sides.places.values():
        rows, parts = sides.provider_rows[place], list(sides.parts(place))
        # What is booked in USD has no conversion.
        if rows and parts and all(number is not None for number, _nano in parts):
            yield _Pair(sum(nano for _number, nano in parts), sides.provider_nano[place], rows)
