"""Charges compared by columns with their time, their conversion and the price entry that they are pinned to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, select

from ledger.audit.verification import Verification
from ledger.book.charges import PostedCharges
from ledger.book.records import coded
from ledger.book.rows import ADJUSTMENT, OPTIONAL_COUNTS, Facts, nano_by_meter, usage_of
from ledger.store.tables import conversions, rate_entries
from ledger.values.calendar import QUARTER_US, Calendar
from ledger.values.instants import from_microseconds, to_microseconds
from pricing.batch import count_columns, price_columns
from pricing.charge import METERS, price_entry, price_storage
from pricing.errors import PricingError
from pricing.money import INT64_MAX
from pricing.rate_entry import RateEntry

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pricing.money import Int64Array

# A charge's place in its page, and what is wrong with it.
Found: TypeAlias = Iterator[tuple[int, str]]

STORAGE = "cache_storage"
_ALWAYS_US, _NEVER_US = -(2**63), INT64_MAX
_COUNTS = ("input_tokens", "cached_input_tokens", "output_tokens", *Facts._fields[OPTIONAL_COUNTS])


class _Pin(NamedTuple):
    """The price entry that charges name: of a class, for usage of a kind, for a model in a currency."""

    charge_class: str
    kind: str
    entry_id: int | None
    model: str
    currency: str


class ChargeChecks:
    """Checks pages of charges; each is priced again by the entry it is pinned to."""

    def __init__(self, connection: Connection, calendar: Calendar, result: Verification) -> None:
        self._calendar = calendar
        self._entries = _read_entries(connection, result)
        rows = connection.execute(select(conversions.c.id, conversions.c.currency, conversions.c.effective_from))
        self._conversions = {row.id: (row.currency, to_microseconds(row.effective_from)) for row in rows}

    def check(self, posted: PostedCharges, result: Verification) -> None:
        """Tells the problems of each charge, in order."""
        if not posted.charges:
            return
        result.checked["charges"] += len(posted.charges)
        at_us = _int64(posted.usage.occurred_at)
        found = [
            *self._find_months(posted, at_us),
            *self._find_conversions(posted, at_us),
            *self._find_entries(posted, at_us),
        ]
        for place, problem in sorted(found, key=itemgetter(0)):
            name = posted.usage.request_id[place] or posted.usage.kind[place]
            result.problem(f"charge {posted.charge.id[place]} ({name}): {problem}")

    def _find_months(self, posted: PostedCharges, at_us: Int64Array) -> Found:
        quarters = (at_us // QUARTER_US).tolist()
        months, codes = coded(zip(posted.charge.occurred_month, quarters, strict=True))
        wrong = _int64(month != self._calendar.month(quarter * QUARTER_US) for month, quarter in months)
        for place in _places(wrong[_int64(codes)] > 0):
            yield place, f"occurred month {posted.charge.occurred_month[place]} isn't that of its time"

    def _find_conversions(self, posted: PostedCharges, at_us: Int64Array) -> Found:
        pins, codes = coded(zip(posted.charge.conversion_id, posted.charge.currency, strict=True))
        starts_us = _int64(self._conversion_start_us(*pin) for pin in pins)
        for place in _places(starts_us[_int64(codes)] > at_us):
            yield place, f"its conversion isn't one of {posted.charge.currency[place]} that had begun by then"

    def _conversion_start_us(self, number: int | None, currency: str) -> int:
        if number is None:
            return _ALWAYS_US
        named, start_us = self._conversions.get(number, (None, 0))
        return start_us if named == currency else _NEVER_US

    def _find_entries(self, posted: PostedCharges, at_us: Int64Array) -> Found:
        charge = posted.charge
        keys = zip(
            charge.charge_class,
            posted.usage.kind,
            charge.rate_entry_id,
            charge.billed_model,
            charge.currency,
            strict=True,
        )
        distinct, numbers = coded(keys)
        pins, codes = [_Pin(*key) for key in distinct], _int64(numbers)
        entries = [self._entry(pin) for pin in pins]
        starts_us = _int64(map(_start_us, pins, entries))
        for place in _places(starts_us[codes] > at_us):
            pin, entry = pins[codes[place]], entries[codes[place]]
            if entry is None:
                yield place, f"its rate entry isn't one of {pin.model} in {pin.currency}"
            else:
                yield place, f"its rate entry {entry.key} had not begun by then"
        yield from _find_prices(posted, pins, entries, codes)

    def _entry(self, pin: _Pin) -> RateEntry | None:
        """Returns the entry that is named, None where it isn't of that model and currency."""
        entry = self._entries.get(pin.entry_id or 0)
        return entry if entry is not None and (entry.model, entry.currency) == (pin.model, pin.currency) else None


def _read_entries(connection: Connection, result: Verification) -> dict[int, RateEntry]:
    """Reads card entries by their row's id; what can't be read is a problem, and one of each charge pinned to it."""
    found: dict[int, RateEntry] = {}
    for row in connection.execute(select(rate_entries.c.id, rate_entries.c.key, rate_entries.c.content)):
        try:
            found[row.id] = RateEntry.from_content(row.content)
        except (ValueError, TypeError, LookupError) as error:
            result.problem(f"rate entry {row.id} ({row.key}): its content can't be read: {error}")
    digests = {entry.digest for entry in found.values()}
    for number, entry in found.items():
        if entry.list_digest and entry.list_digest not in digests:
            result.problem(f"rate entry {number} ({entry.key}): the list price that it names isn't there")
    return found


def _start_us(pin: _Pin, entry: RateEntry | None) -> int:
    """Returns when charges may name the entry from."""
    if pin.charge_class == ADJUSTMENT:
        return _ALWAYS_US
    return _NEVER_US if entry is None else to_microseconds(entry.effective_from)


def _find_prices(
    posted: PostedCharges, pins: Sequence[_Pin], entries: Sequence[RateEntry | None], codes: Int64Array
) -> Found:
    """Finds charges booked otherwise than priced: those that differ by columns are priced by themselves."""
    priced = [
        None if pin.charge_class in (ADJUSTMENT, "reversal") else entry
        for pin, entry in zip(pins, entries, strict=True)
    ]
    requests = [None if pin.kind == STORAGE else entry for pin, entry in zip(pins, priced, strict=True)]
    for place in _places(_differ(posted, requests, codes)):
        entry = priced[codes[place]]
        booked = posted.charge.tier[place], *(amounts[place] or 0 for amounts in _amounts(posted.charge))
        problem = entry and _price_problem(entry, Facts._make(posted.facts[place]), booked)
        if problem:
            yield place, problem


def _differ(posted: PostedCharges, entries: Sequence[RateEntry | None], codes: Int64Array) -> npt.NDArray[np.bool_]:
    """Tells by row whether it isn't booked as columns of requests are priced; what has no entry never is."""
    import numpy as np

    numbers = count()
    index = _int64(-1 if entry is None else next(numbers) for entry in entries)
    counts = {name: _numbers(getattr(posted.usage, name)) for name in _COUNTS}
    found = [entry for entry in entries if entry is not None]
    batch = price_columns(tuple(found), index[codes].__getitem__, count_columns(**counts))
    labels = [*([*(tier.label for tier in entry.tiers), None] for entry in found), [None]]
    places = zip(batch.entry_index.tolist(), batch.tier_index.tolist(), strict=True)
    tiers = np.array([labels[entry][tier] for entry, tier in places], object)
    reasoning = _numbers(posted.usage.reasoning_tokens)
    differ: npt.NDArray[np.bool_] = (
        (np.array(posted.charge.tier, object) != tiers) | (reasoning < 0) | (reasoning > counts["output_tokens"])
    )
    for meter, amounts in zip(METERS, _amounts(posted.charge), strict=True):
        differ |= _numbers(amounts) != getattr(batch, f"{meter}_nano", 0)
    return differ


def _amounts(charge: Any) -> Iterator[Sequence[int | None]]:  # noqa: ANN401 - columns by name
    return (getattr(charge, f"{meter}_nano") for meter in METERS)


def _places(chosen: npt.NDArray[np.bool_]) -> list[int]:
    import numpy as np

    found: list[int] = np.flatnonzero(chosen).tolist()
    return found


def _int64(numbers: Iterable[int]) -> Int64Array:
    import numpy as np

    return np.array(list(numbers), np.int64)


def _numbers(column: Sequence[int | None]) -> npt.NDArray[Any]:
    """Returns a column of numbers, 0 where there is none."""
    import numpy as np

    return np.array([number or 0 for number in column] if None in column else column)


def _price_problem(entry: RateEntry, facts: Facts, booked: tuple[str | int, ...]) -> str | None:
    """Tells what is wrong with tier and nano by meter of a charge."""
    try:
        expected = amounts_of(entry, facts)
    except (PricingError, ArithmeticError, ValueError) as error:
        return f"can't be priced again: {error}"
    return None if booked == expected else f"is booked with {booked}, its facts and card entry give {expected}"


def amounts_of(entry: RateEntry, facts: Facts) -> tuple[str | int, ...]:
    """Prices a usage record under one card entry: its tier, and nano by meter."""
    if facts.kind == STORAGE:
        start, end = from_microseconds(facts.occurred_at), from_microseconds(facts.storage_end or 0)
        return "none", 0, 0, 0, price_storage(entry, facts.storage_tokens or 0, start, end).amount_nano, 0, 0, 0
    charge = price_entry(entry, usage_of(facts))
    assert charge.tier is not None
    return charge.tier.label, *nano_by_meter(charge)
