"""The conversion in force compared with what credits were bought for, and with the day when it was last checked.

Of the time that a conversion is in force the latest purchase counts: a wallet's credits by what was paid for them.
Granted credits were not paid for and don't count. Books of closed months are final: nothing is said of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Final, Literal, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import func, or_, select

from ledger.book.open_months import first_open_month
from ledger.book.prices.pinned import conversion_of
from ledger.reports.selection import Selection, period_parts
from ledger.reports.snapshot import Snapshot
from ledger.reports.sums import narrowed
from ledger.store.tables import conversions, rollup_keys, wallet_moves
from ledger.values.calendar import month_start, shift_month
from ledger.values.instants import MICROSECOND
from pricing.money import INT64_MAX, NANO, Conversion, divide_half_even, round_usd, usd_fraction
from pricing.times import parse_iso

# Beyond these a conversion is said to be doubtful: 1 % and 30 days are not.
MOST_DIFFERENCE: Final = Fraction(1, 100)
MOST_DAYS: Final = 30
# After every day YYYY-MM-DD.
_NEVER: Final = "~"
# The last day that every zone can name.
_LAST: Final = datetime(9999, 12, 31, tzinfo=UTC)
# Conversions begin at its midnights.
UTC_ZONE: Final = ZoneInfo("UTC")

Conversions: TypeAlias = tuple[Conversion, ...]
NoteKind: TypeAlias = Literal["purchases", "statement", "age"]


class Sold(NamedTuple):
    """Credits and what they cost, in nano of their currency and nano-USD, from a day YYYY-MM-DD on."""

    day: str
    credits_nano: int
    paid_nano: int

    @property
    def per_usd_nano(self) -> int:
        """Returns nano of the currency for 1 USD, rounded half to even, within what a conversion may be."""
        return min(max(divide_half_even(self.credits_nano * NANO, self.paid_nano), 1), INT64_MAX)

    def difference(self, conversion: Conversion) -> Fraction:
        """Returns the exact part by which they were more for 1 USD than the conversion says: 68 of 72 is -1/18."""
        return Fraction(self.credits_nano * NANO, self.paid_nano * conversion.per_usd_nano) - 1

    def contradicts(self, conversion: Conversion) -> bool:
        """Tells whether they differ from the conversion by over 1 %."""
        return abs(self.difference(conversion)) > MOST_DIFFERENCE

    def moves_nano(self, amount_nano: int, conversion: Conversion) -> int:
        """Returns the nano-USD that an amount costs more by them than by the conversion, rounded half-even once.

        7,200 credits sold at 68 and converted at 72 cost 7,200/68 - 7,200/72 = 5.882352941 USD more.
        """
        return round_usd(usd_fraction([(amount_nano, self.per_usd_nano), (-amount_nano, conversion.per_usd_nano)]))


class ConversionNote(msgspec.Struct, frozen=True):
    """A reason to doubt a provider's conversion: credits sold at another figure, or the age of its check.

    `checked_on` is the last check of the conversion or of one that follows it; None is never. `moves_nano` are the
    nano-USD that the period's usage from the day of `sold` on costs more by its figure.
    """

    kind: NoteKind
    provider: str
    conversion: Conversion
    checked_on: date | None
    sold: Sold | None = None
    moves_nano: int = 0


def read_conversion_notes(
    snapshot: Snapshot, selection: Selection, data_through: str | None = None
) -> tuple[ConversionNote, ...]:
    """Reads what makes the conversions of a selection's usage in open months doubtful.

    The age of a check is that at the end of the provider's last month with usage, or at the last usage where it is
    given, in ISO text: so it changes with what is booked and not with the day of asking.
    """
    ends = {
        # After year 9999 no month begins.
        provider: _LAST if month >= "9999" else month_start(shift_month(month, 1), snapshot.zone) - MICROSECOND
        for provider, month in _last_months(snapshot, selection)
    }
    if data_through is not None:
        ends = {provider: min(end, parse_iso(data_through)) for provider, end in ends.items()}
    return conversion_notes_at(snapshot, selection, ends)


def conversion_notes_at(
    snapshot: Snapshot, selection: Selection, moments: Mapping[str, datetime]
) -> tuple[ConversionNote, ...]:
    """Reads what makes the conversions that providers have at these moments doubtful, and what that moves.

    Card files take long to load: those of a provider are asked only where what the ledger has recorded leaves a doubt.
    """
    recorded = _recorded_conversions(snapshot)
    doubted = {note.provider for note in _all_notes(snapshot, selection, recorded, moments)}
    doubted |= moments.keys() - recorded.keys()
    if not doubted:
        return ()
    from ledger.book.prices.in_force import cards_in_force

    cards = cards_in_force(snapshot.connection, providers=doubted)
    in_force = {name: card.conversions for name, card in cards.items()}
    return tuple(_all_notes(snapshot, selection, in_force, {name: moments[name] for name in in_force}))


def _recorded_conversions(snapshot: Snapshot) -> dict[str, Conversions]:
    """Reads the conversions in rows, by provider and in order; a later release's check of one isn't among them."""
    found: dict[str, dict[datetime, Conversion]] = {}
    for row in snapshot.connection.execute(select(conversions).order_by(conversions.c.id)):
        found.setdefault(row.provider, {})[row.effective_from] = conversion_of(row)
    return {provider: tuple(each for _start, each in sorted(by_start.items())) for provider, by_start in found.items()}


def _all_notes(
    snapshot: Snapshot, selection: Selection, known: Mapping[str, Conversions], moments: Mapping[str, datetime]
) -> Iterator[ConversionNote]:
    for provider, moment in sorted(moments.items()):
        yield from _Doubts(snapshot, selection, provider, known.get(provider, ())).notes(moment)


def _last_months(snapshot: Snapshot, selection: Selection) -> list[tuple[str, str]]:
    """Reads the providers of a selection's usage in open months that isn't in USD, and its last month of each."""
    keys = rollup_keys.c
    parts = period_parts(selection, snapshot.zone, keys.posted_month, keys.occurred_month)
    query = select(keys.provider, func.max(keys.occurred_month)).where(
        or_(*(part.months for part in parts)),
        narrowed(selection, keys.project, keys.billed_model),
        keys.posted_month >= first_open_month(snapshot.connection),
        keys.currency != "USD",
    )
    return [(provider, month) for provider, month in snapshot.connection.execute(query.group_by(keys.provider))]


def last_check(known: Conversions, conversion: Conversion) -> date | None:
    """Returns the last day on which a conversion, or one that follows it, was checked; None is never."""
    later = (each for each in known if each.effective_from >= conversion.effective_from)
    return max((each.checked_on for each in later if each.checked_on is not None), default=None)


def utc_day(conversion: Conversion) -> str:
    """Returns the day on which a conversion begins, as purchases have theirs."""
    return f"{conversion.effective_from.astimezone(UTC):%Y-%m-%d}"


class _Doubts(msgspec.Struct, frozen=True):
    """A provider's conversions, in order, and the usage that they convert."""

    snapshot: Snapshot
    selection: Selection
    provider: str
    known: Conversions

    def notes(self, moment: datetime) -> Iterator[ConversionNote]:
        """Yields what is doubtful of those in force up to a moment."""
        in_force = [each for each in self.known if each.effective_from <= moment]
        if not in_force:
            return
        today = moment.astimezone(self.snapshot.zone).date()
        checked_on = last_check(self.known, in_force[-1])
        purchases = self._purchases(in_force[-1].currency, today)
        ends = [*map(utc_day, in_force[1:]), _NEVER]
        for conversion, end in zip(in_force, ends, strict=True):
            bought = [each for each in purchases if utc_day(conversion) <= each.day < end]
            if not bought or not bought[-1].contradicts(conversion):
                continue
            sold = bought[-1]
            moves_nano = sold.moves_nano(self._booked_nano(conversion.currency, sold.day, end), conversion)
            # Of one that is past only usage of the period matters; by the present one more is to come.
            if moves_nano or end == _NEVER:
                yield ConversionNote("purchases", self.provider, conversion, checked_on, sold, moves_nano)
        if checked_on is None or (today - checked_on).days > MOST_DAYS:
            yield ConversionNote("age", self.provider, in_force[-1], checked_on)

    def _purchases(self, currency: str, until: date) -> list[Sold]:
        """Reads those up to a day by day, those of one day in order of recording."""
        moves = wallet_moves.c
        query = select(moves.day, moves.credits_nano, moves.paid_nano).where(
            moves.provider == self.provider,
            moves.kind == "purchased",
            moves.currency == currency,
            moves.day <= until.isoformat(),
        )
        return [Sold(*row) for row in self.snapshot.connection.execute(query.order_by(moves.day, moves.id))]

    def _booked_nano(self, currency: str, first: str, end: str) -> int:
        """Adds up nano of a currency in open months, of usage that occurred on UTC days [first, end)."""
        first_open = first_open_month(self.snapshot.connection)
        by_day = replace(self.selection, zone=UTC_ZONE, dimensions=("provider", "posted_month", "day"))
        amount_nano = 0
        for row in self.snapshot.amounts(by_day).rows:
            provider, month, day = row.dimensions
            is_of_provider = (provider, row.currency) == (self.provider, currency)
            if is_of_provider and (month or "") >= first_open and first <= (day or "") < end:
                amount_nano += row.sums.amount_nano
        return amount_nano
