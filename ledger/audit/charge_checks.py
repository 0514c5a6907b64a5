"""Charges compared by columns with their time, their conversion and the price entry that they are pinned to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from sqlalchemy import Connection, select

from ledger.audit.verification import Verification
from ledger.book.booked_pages import BookedPage
from ledger.book.charges import PostedCharges
from ledger.book.records import coded, recoded
from ledger.book.rows import ADJUSTMENT, OPTIONAL_COUNTS, Facts, nano_by_meter, usage_of
from ledger.store.tables import conversions, rate_entries
from ledger.values.calendar import QUARTER_US, Calendar
from ledger.values.instants import from_microseconds, to_microseconds
from pricing.batch import count_columns, price_columns
from pricing.charge import METERS, price_entry, price_storage
from pricing.errors import PricingError
from pricing.money import INT64_MAX
from pricing.rate_entry import RateEntry
from pricing.rate_table import RateTable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pricing.money import Int64Array

# A charge's place in its page, and what is wrong with it.
Found: TypeAlias = Iterator[tuple[int, str]]

STORAGE = "cache_storage"
_ALWAYS_US, _NEVER_US = -(2**63), INT64_MAX
_COUNTS = ("input_tokens", "cached_input_tokens", "output_tokens", *Facts._fields[OPTIONAL_COUNTS])


class Terms(NamedTuple):
    """Terms that many charges have alike: class and kind, month, conversion, and the price entry that they name."""

    charge_class: str
    kind: str
    occurred_month: str
    conversion_id: int | None
    rate_entry_id: int | None
    billed_model: str
    currency: str
    tier: str


@dataclass(frozen=True)
class CheckedCharges:
    """Charges in columns: `terms` of each `code`, numbers by name, and the facts of a record by its place."""

    ids: Sequence[int | str]
    request_ids: Sequence[str]
    terms: list[Terms]
    code: Int64Array
    number: Callable[[str], Int64Array]
    facts: Callable[[int], Facts]

    @classmethod
    def booked(cls, page: BookedPage) -> CheckedCharges:
        """Returns first charges as they are stored."""
        labels, code = page.labels
        terms = [
            Terms("charge", stream.kind, *(getattr(key, name) for name in Terms._fields[2:])) for key, stream in labels
        ]
        return cls(page.columns["id"], page.columns["request_id"], terms, code, page.number, page.facts)

    @classmethod
    def posted(cls, posted: PostedCharges) -> CheckedCharges:
        """Returns charges of any class."""
        charge, usage = posted.charge, posted.usage
        columns = usage._asdict() | charge._asdict()
        terms, code = coded(zip(*(columns[name] for name in Terms._fields), strict=True))

        def number(name: str) -> Int64Array:
            return _int64(value or 0 for value in columns[name])

        return cls(
            charge.id,
            usage.request_id,
            [Terms(*term) for term in terms],
            _int64(code),
            number,
            lambda place: Facts._make(posted.facts[place]),
        )


class ChargeChecks:
    """Checks pages of charges; each is priced again by the entry it is pinned to."""

    def __init__(self, connection: Connection, calendar: Calendar, result: Verification, name: str = "charges") -> None:
        self._calendar = calendar
        self._name = name
        self._entries = _read_entries(connection, result)
        rows = connection.execute(select(conversions.c.id, conversions.c.currency, conversions.c.effective_from))
        self._conversions = {row.id: (row.currency, to_microseconds(row.effective_from)) for row in rows}

    def check(self, charges: CheckedCharges, result: Verification) -> None:
        """Tells the problems of each charge, in order."""
        if not len(charges.ids):
            return
        result.checked[self._name] += len(charges.ids)
        at_us = charges.number("occurred_at")
        found = [
            *self._find_months(charges, at_us),
            *self._find_conversions(charges, at_us),
            *self._find_entries(charges, at_us),
        ]
        for place, problem in sorted(found, key=itemgetter(0)):
            name = charges.request_ids[place] or charges.terms[charges.code[place]].kind
            result.problem(f"charge {charges.ids[place]} ({name}): {problem}")

    def _find_months(self, charges: CheckedCharges, at_us: Int64Array) -> Found:
        import numpy as np

        quarters, quarter = np.unique(at_us // QUARTER_US, return_inverse=True)
        months, month = coded(
            [
                *(self._calendar.month(start * QUARTER_US) for start in quarters.tolist()),
                *(terms.occurred_month for terms in charges.terms),
            ]
        )
        of_time, of_terms = np.split(_int64(month), [len(quarters)])
        for place in _places(of_time[quarter] != of_terms[charges.code]):
            yield place, f"occurred month {months[of_terms[charges.code[place]]]} isn't that of its time"

    def _find_conversions(self, charges: CheckedCharges, at_us: Int64Array) -> Found:
        starts_us = _int64(self._conversion_start_us(terms.conversion_id, terms.currency) for terms in charges.terms)
        for place in _places(starts_us[charges.code] > at_us):
            currency = charges.terms[charges.code[place]].currency
            yield place, f"its conversion isn't one of {currency} that had begun by then"

    def _conversion_start_us(self, number: int | None, currency: str) -> int:
        if number is None:
            return _ALWAYS_US
        named, start_us = self._conversions.get(number, (None, 0))
        return start_us if named == currency else _NEVER_US

    def _find_entries(self, charges: CheckedCharges, at_us: Int64Array) -> Found:
        entries = [self._entry(terms) for terms in charges.terms]
        starts_us = _int64(map(_start_us, charges.terms, entries))
        for place in _places(starts_us[charges.code] > at_us):
            terms, entry = charges.terms[charges.code[place]], entries[charges.code[place]]
            if entry is None:
                yield place, f"its rate entry isn't one of {terms.billed_model} in {terms.currency}"
            else:
                yield place, f"its rate entry {entry.key} had not begun by then"
        yield from _find_prices(charges, entries)

    def _entry(self, terms: Terms) -> RateEntry | None:
        """Returns the entry that is named, None where it isn't of that model and currency."""
        entry = self._entries.get(terms.rate_entry_id or 0)
        named = terms.billed_model, terms.currency
        return entry if entry is not None and (entry.model, entry.currency) == named else None


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


def _start_us(terms: Terms, entry: RateEntry | None) -> int:
    """Returns when charges may name the entry from."""
    if terms.charge_class == ADJUSTMENT:
        return _ALWAYS_US
    return _NEVER_US if entry is None else to_microseconds(entry.effective_from)


def _find_prices(charges: CheckedCharges, entries: Sequence[RateEntry | None]) -> Found:
    """Finds charges booked otherwise than priced: those that differ by columns are priced by themselves."""
    priced = [
        None if terms.charge_class in (ADJUSTMENT, "reversal") else entry
        for terms, entry in zip(charges.terms, entries, strict=True)
    ]
    requests = [None if terms.kind == STORAGE else entry for terms, entry in zip(charges.terms, priced, strict=True)]
    amounts = [charges.number(f"{meter}_nano") for meter in METERS]
    for place in _places(_differ(charges, requests, amounts)):
        code = charges.code[place]
        entry = priced[code]
        booked = charges.terms[code].tier, *(int(of_meter[place]) for of_meter in amounts)
        problem = entry and _price_problem(entry, charges.facts(place), booked)
        if problem:
            yield place, problem


def _differ(
    charges: CheckedCharges, entries: Sequence[RateEntry | None], amounts: Sequence[Int64Array]
) -> npt.NDArray[np.bool_]:
    """Tells by row whether it isn't booked as columns of requests are priced; what has no entry never is."""
    found = list({id(entry): entry for entry in entries if entry is not None}.values())
    place_of = {id(entry): place for place, entry in enumerate(found)}
    index = _int64(place_of.get(id(entry), -1) for entry in entries)
    counts = {name: charges.number(name) for name in _COUNTS}
    batch = price_columns(RateTable.of(tuple(found)), index[charges.code].__getitem__, count_columns(**counts))
    labels = [*([*(tier.label for tier in entry.tiers), None] for entry in found), [None]]
    first, codes = recoded(charges.code, batch.entry_index + 1, batch.tier_index + 1)
    tiers = (
        (charges.terms[charges.code[place]].tier, batch.entry_index[place], batch.tier_index[place]) for place in first
    )
    other_tier = _int64(tier != labels[entry][place] for tier, entry, place in tiers)
    reasoning = charges.number("reasoning_tokens")
    differ: npt.NDArray[np.bool_] = (other_tier[codes] > 0) | (reasoning < 0) | (reasoning > counts["output_tokens"])
    for meter, of_meter in zip(METERS, amounts, strict=True):
        differ |= of_meter != getattr(batch, f"{meter}_nano", 0)
    return differ


def _places(chosen: npt.NDArray[np.bool_]) -> list[int]:
    import numpy as np

    found: list[int] = np.flatnonzero(chosen).tolist()
    return found


def _int64(numbers: Iterable[int]) -> Int64Array:
    import numpy as np

    return np.array(list(numbers), np.int64)


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
