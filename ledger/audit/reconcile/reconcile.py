"""The ledger compared with a provider's figures, request by request or by day and model, or with its balance.

The ledger's side is what occurred in the period, wherever it is posted, for a provider bills what occurred: the sum of
all charges of a request, so that one that was replaced counts once and one that was voided not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import chain
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ledger.audit.reconcile.booked import Booked, occurred_within, of_requests, read_adjustments, read_booked
from ledger.audit.reconcile.conversion import read_statement_note
from ledger.audit.reconcile.look_up import DAY, IDS_AT_ONCE, Reader, per_usd_at
from ledger.audit.reconcile.of_lakes import LakeSide
from ledger.audit.reconcile.results import Basis, Reconciliation, Result, collect
from ledger.audit.reconcile.sides import Grain, Measure, Sides
from ledger.audit.reconcile.statement import ProviderStatement
from ledger.book.prices.in_force import card_in_force
from ledger.book.prices.pinned import read_usd_rates
from ledger.book.redaction import known_ids
from ledger.errors import LedgerError
from ledger.lake.given import Lakes
from ledger.store.bulk import in_chunks
from ledger.store.database import Database
from ledger.values.calendar import Calendar, day_start
from ledger.values.instants import MICROSECOND
from ledger.values.periods import Span
from ledger.wallet.book import Until
from ledger.wallet.statement import read_balance
from pricing.money import format_nano
from pricing.rate_card import RateCard


def reconcile_statement(
    database: Database,
    statement: ProviderStatement,
    *,
    provider: str,
    zone: ZoneInfo,
    span: Span | None,
    keep_all: bool = False,
    lakes: Lakes | None = None,
) -> Reconciliation:
    """Compares usage that occurred in `span`, else in the days that the statement covers, with it.

    Rows of other days are left out and counted; a request id is looked for at other times, too, before it counts as
    only the provider's. `zone` is that of the statement's days. `lakes` have the rows of usage whose sums were posted.
    """
    sides = Sides(statement.counts)
    with database.reading() as connection:
        card = card_in_force(connection, provider)
        days = _add_lines(sides, statement, card, _days(span, zone))
        if statement.grain.by_request:
            for ids in in_chunks(list(sides.places), IDS_AT_ONCE):
                sides.rename(dict(zip(ids, known_ids(connection, database.settings, ids), strict=True)))
        currency = statement.currency or card.currency
        if currency not in (card.currency, "USD"):
            raise LedgerError(
                f"{statement.name} is in {currency} and {provider} is billed in {card.currency}: only these and USD "
                "can be compared; give another --provider"
            )
        period = span or _covered(statement, days, zone)
        of_lakes = LakeSide(connection, lakes or Lakes(), provider, Calendar(database.zone))
        of_lakes.check(period.start, period.end)
        measure = Measure(currency, read_usd_rates(connection))
        calendar, grain = Calendar(zone), statement.grain

        def key(booked: Booked) -> str:
            if grain.by_request:
                return booked.request_id
            return grain.key(calendar.day(booked.occurred_at_us) if grain.by_day else None, booked.billed_model)

        of_book = read_booked(connection, provider, occurred_within(period.start, period.end))
        for booked in chain(of_book, of_lakes.booked(period.start, period.end)):
            _add_booked(sides, measure, key(booked), booked, names_model=grain.by_request or grain.by_model)
        outside = days.outside
        if grain.by_request:
            outside = _leave_out(sides, days)
            _look_up(connection, provider, sides, measure, of_lakes)
        basis = Basis(
            provider, currency, period, zone, 10 ** (9 - statement.places), grain, statement.rows_are_requests,
        )  # fmt: skip
        reader = Reader(connection, card, measure, basis, of_lakes)
        result = collect(sides, measure, basis, reader, keep_all=keep_all)
        result.outside = outside
        if grain.by_request and result.by_status["only_provider"]:
            result.unread = of_lakes.unread()
        result.conversion_note = read_statement_note(connection, sides, basis, card)
        result.unknown_models = _unknown_models(sides, card)
        result.stray_days = days.stray(statement.unmapped_days)
        result.adjustments_nano = _adjustments(connection, provider, period, database.zone)
        return result


def reconcile_stored(
    database: Database,
    *,
    provider: str,
    span: Span,
    zone: ZoneInfo,
    keep_all: bool = False,
    lakes: Lakes | None = None,
) -> Reconciliation:
    """Compares usage of the span with the gateway's own figure, where its record has one; the rest is counted."""
    sides = Sides([])
    places = unstated = 0
    with database.reading() as connection:
        of_lakes = LakeSide(connection, lakes or Lakes(), provider, Calendar(database.zone))
        of_lakes.check(span.start, span.end)
        card = card_in_force(connection, provider)
        measure = Measure(card.currency, read_usd_rates(connection))
        of_book = read_booked(connection, provider, occurred_within(span.start, span.end))
        for booked in chain(of_book, of_lakes.booked(span.start, span.end)):
            if booked.provider_amount_nano is None:
                unstated += booked.sign
                continue
            place = _add_booked(sides, measure, booked.request_id, booked)
            sides.provider_rows.add(place, booked.sign)
            sides.provider_nano.add(place, booked.sign * booked.provider_amount_nano)
            places = max(places, len(format_nano(booked.provider_amount_nano).partition(".")[2]))
        basis = Basis(
            provider, card.currency, span, zone, 10 ** (9 - places), Grain(True, True, True), rows_are_requests=True
        )
        reader = Reader(connection, card, measure, basis, of_lakes)
        result = collect(sides, measure, basis, reader, keep_all=keep_all)
        result.unstated = unstated
        return result


def reconcile_credits(
    database: Database, provider: str, remaining_nano: int, places: int, until: Until
) -> Reconciliation:
    """Compares what a wallet holds, less what is overdrawn, with the balance that the provider shows."""
    held = read_balance(database, provider, until)
    with database.reading() as connection:
        card = card_in_force(connection, provider)
    ledger_nano = held.wallet.net_nano
    difference_nano = remaining_nano - ledger_nano
    # The conversion of the day's last moment.
    end = day_start(date.fromisoformat(until.day) + DAY, database.zone) - MICROSECOND
    basis = Basis(
        provider, held.currency, Span(None, end, until.day), database.zone, 10 ** (9 - places),
        Grain(False, True, False), rows_are_requests=False,
    )  # fmt: skip
    found = Reconciliation(basis)
    wallet = Result(
        status="differs" if difference_nano else "matched",
        key=f"wallet {until.day}",
        model=None,
        ledger_requests=None,
        provider_requests=None,
        ledger_nano=ledger_nano,
        provider_nano=remaining_nano,
        per_usd_nano=per_usd_at(card, end),
        cause="rounding" if 0 < abs(difference_nano) < basis.unit_nano else "",
    )
    found.add(wallet, keep=True)
    found.compared = True
    return found


# --- the statement's side -------------------------------------------------------------------------------------------


class _Days:
    """The days of a statement's rows, and those compared: from `first` to `last`, ordinals, None for any."""

    def __init__(self, first: int | None, last: int | None) -> None:
        self.seen: list[int] = []
        self.outside = 0
        self._bounds = (first, last)
        self._ordinals: dict[str, int] = {}

    def ordinal(self, day: str) -> int:
        found = self._ordinals.get(day)
        if found is None:
            found = self._ordinals[day] = date.fromisoformat(day).toordinal()
            self.seen = [min([found, *self.seen]), max([found, *self.seen])]
        return found

    def holds(self, ordinal: int) -> bool:
        """Tells whether a row of that day is to be compared; 0 is a row without a day."""
        first, last = self._bounds
        return not ordinal or ((first is None or first <= ordinal) and (last is None or ordinal <= last))

    def stray(self, found: Mapping[str, set[tuple[str, ...]]]) -> dict[str, str]:
        """Returns a day of each column that has one which in no reading is to be compared."""
        strays: dict[str, str] = {}
        for column, days in found.items():
            for readings in sorted(days, reverse=True):
                if not any(self.holds(date.fromisoformat(day).toordinal()) for day in readings):
                    strays[column] = readings[0]
        return strays


def _days(span: Span | None, zone: ZoneInfo) -> _Days:
    if span is None or span.start is None or span.end is None:
        return _Days(None, None)
    first, last = (moment.astimezone(zone).toordinal() for moment in (span.start, span.end - MICROSECOND))
    return _Days(first, last)


def _covered(statement: ProviderStatement, days: _Days, zone: ZoneInfo) -> Span:
    if not days.seen:
        fault = "its rows have no day" if not statement.is_dated else "it has no rows"
        raise LedgerError(f"{statement.name} doesn't say which time it covers, as {fault}: give --month M")
    first, last = (date.fromordinal(ordinal) for ordinal in days.seen)
    return Span(day_start(first, zone), day_start(last + DAY, zone), f"{first} to {last}")


def _add_lines(sides: Sides, statement: ProviderStatement, card: RateCard, days: _Days) -> _Days:
    models: dict[str | None, str | None] = {None: None}
    grain = statement.grain
    for line in statement.lines():
        if line.model not in models:
            models[line.model] = card.resolve(line.model) or line.model
        model = models[line.model]
        ordinal = days.ordinal(line.day) if line.day else 0
        if not grain.by_request and not days.holds(ordinal):
            days.outside += 1
            continue
        key = str(line.request_id) if grain.by_request else grain.key(line.day, model)
        place = sides.place(key, model)
        if ordinal:
            sides.days[place] = ordinal
        sides.provider_rows.add(place, 1)
        sides.provider_nano.add(place, line.amount_nano)
        for tally, count in zip(sides.counts.values(), line.counts, strict=True):
            tally.add(place, count)
    return days


def _unknown_models(sides: Sides, card: RateCard) -> dict[str, str]:
    """Finds models of the provider's side that the card doesn't know but has near names for, with the question."""
    names = {
        model
        for place, model in enumerate(sides.models)
        if model and sides.provider_rows[place] and not sides.ledger_requests[place] and card.resolve(model) is None
    }
    found = {}
    for name in sorted(names):
        own = name.rpartition("/")[2]  # of bytedance/doubao-seed-2.0-pro
        near = f"did you mean {card.resolve(own)!r}?" if card.resolve(own) else card.did_you_mean(own)
        if near:
            found[name] = near
    return found


def _leave_out(sides: Sides, days: _Days) -> int:
    """Forgets rows of days that aren't compared, unless the ledger has their request in the period; their number.

    A request about midnight may be of another day on the provider's side.
    """
    outside = 0
    for place in sides.places.values():
        if not sides.ledger_requests[place] and not days.holds(sides.days[place]):
            rows = sides.provider_rows[place]
            outside += rows
            sides.provider_rows.add(place, -rows)
            sides.provider_nano.add(place, -sides.provider_nano[place])
    return outside


# --- the ledger's side ----------------------------------------------------------------------------------------------


def _add_booked(sides: Sides, measure: Measure, key: str, booked: Booked, *, names_model: bool = True) -> int:
    if not measure.in_usd and booked.currency != measure.currency:
        raise LedgerError(
            f"{booked.request_id} is booked in {booked.currency} and its other side is in {measure.currency}: "
            "give a statement in USD"
        )
    place = sides.place(key, booked.billed_model if names_model else None)
    sides.add_ledger(place, booked.conversion_id, booked.amount_nano, booked.sign)
    for name, tally in sides.counts.items():
        tally.add(place, -booked.sign * getattr(booked, name))
    return place


def _look_up(connection: Connection, provider: str, sides: Sides, measure: Measure, of_lakes: LakeSide) -> None:
    """Adds what the ledger has at other times of requests that only the provider's side has so far."""
    wanted = [
        key for key, place in sides.places.items() if sides.provider_rows[place] and not sides.ledger_requests[place]
    ]
    for ids in in_chunks(wanted, IDS_AT_ONCE):
        # Of a request that is voided in the period, all charges add up to nothing: they may be added again.
        for booked in read_booked(connection, provider, of_requests(ids)):
            _add_booked(sides, measure, booked.request_id, booked)
    for booked in of_lakes.of_requests(wanted):
        _add_booked(sides, measure, booked.request_id, booked)


def _adjustments(connection: Connection, provider: str, period: Span, zone: ZoneInfo) -> dict[str, int]:
    """Reads nano by currency of adjustments for the period's months: they have no request to be compared."""
    if period.start is None or period.end is None:
        return {}
    first, last = (f"{moment.astimezone(zone):%Y-%m}" for moment in (period.start, period.end - MICROSECOND))
    found = read_adjustments(connection, provider, first, last)
    return {currency: amount for currency, amount in sorted(found.items()) if amount}
