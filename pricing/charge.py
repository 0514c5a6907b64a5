"""The rating rule: usage x rate card -> charge, for one request and for columns of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pricing.columns import CountColumn, check_lengths, count_column
from pricing.errors import AmountOverflow, InvalidUsage, MissingRate, NoConversionInEffect, PricingError
from pricing.money import INT64_MAX, PICO_PER_NANO, divide_half_even, nano_decimal, round_usd, usd_fraction
from pricing.rate_table import RateTable
from pricing.usage import TokenUsage, check_count, clock_hours

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence
    from decimal import Decimal

    from pricing.columns import Column
    from pricing.money import Conversion, Int64Array
    from pricing.rate_card import RateCard
    from pricing.rate_entry import PromptTier, RateEntry

# A block's columns fit the processor's second-level cache.
BLOCK_ROWS = 1 << 13
METERS = ("input", "cached_input", "output", "cache_storage")


class ChargeLine(NamedTuple):
    """One meter of a charge: tokens x rate, rounded once; `hours` is for cache storage only."""

    meter: str
    tokens: int
    rate_pico: int
    amount_nano: int
    hours: int | None = None


class Charge(NamedTuple):
    """A priced request, or priced cache storage: an amount a meter, 0 where the meter has no tokens."""

    entry: RateEntry
    tier: PromptTier | None
    amount_nano: int
    input_nano: int = 0
    cached_input_nano: int = 0
    output_nano: int = 0
    usage: TokenUsage | None = None
    cache_storage_nano: int = 0
    stored_tokens: int = 0
    hours: int = 0
    card: RateCard | None = None
    at: dt.datetime | None = None

    @property
    def amount(self) -> Decimal:
        """The amount in the card's currency, exact."""
        return nano_decimal(self.amount_nano)

    @property
    def conversion(self) -> Conversion | None:
        """The conversion to USD in effect at the request's time; None for a card in USD, which needs none.

        NoConversionInEffect where the card has none then, and for a charge made of a price entry alone.
        """
        if self.currency == "USD":
            return None
        if self.card is None or self.at is None:
            message = f"a charge by the price entry {self.entry.key} alone has no conversion; price it with price_usage"
            raise NoConversionInEffect(message)
        return self.card.conversion_at(self.at)

    @property
    def usd_nano(self) -> int:
        """Nano-USD by the conversion, rounded half-even once."""
        conversion = self.conversion
        per_usd_nano = None if conversion is None else conversion.per_usd_nano
        return round_usd(usd_fraction([(self.amount_nano, per_usd_nano)]))

    @property
    def usd(self) -> Decimal:
        """USD by the conversion, rounded half-even once to 9 places."""
        return nano_decimal(self.usd_nano)

    @property
    def currency(self) -> str:
        """The card's currency, of which amounts count 10**-9 units."""
        return self.entry.currency

    @property
    def lines(self) -> tuple[ChargeLine, ...]:
        """A line for each meter with tokens, in the order of METERS; their amounts add up to `amount_nano`."""
        rate_pico = self.entry.cache_storage_pico
        lines = [("cache_storage", self.stored_tokens, rate_pico, self.cache_storage_nano, self.hours)]
        if self.usage is not None and self.tier is not None:
            usage, tier = self.usage, self.tier
            lines = [
                ("input", usage.uncached_input_tokens, tier.input_pico, self.input_nano, 0),
                ("cached_input", usage.cached_input_tokens, tier.cached_input_pico, self.cached_input_nano, 0),
                ("output", usage.output_tokens, tier.output_pico, self.output_nano, 0),
            ]
        return tuple(
            ChargeLine(meter, tokens, rate_pico or 0, amount_nano, hours or None)
            for meter, tokens, rate_pico, amount_nano, hours in lines
            if tokens
        )


def price_entry(
    entry: RateEntry, usage: TokenUsage, card: RateCard | None = None, at: dt.datetime | None = None
) -> Charge:
    """Prices one request by one price entry; the whole input, and for some the output, picks the tier of every rate.

    By bounds 32_000 (input 32, output 160) and 128_000 (48, 240), in credits per 1M tokens,
    32_000 in + 1_000 out are 32_000 x 32 + 1_000 x 160 millionths of a credit,
    32_001 in + 1_000 out are 32_001 x 48 + 1_000 x 240.
    """
    input_tokens, output_tokens = usage.input_tokens, usage.output_tokens
    tier = entry.tier_for(input_tokens, output_tokens)
    if tier is None:
        raise _over_input(entry, input_tokens)
    if entry.max_output_tokens is not None and output_tokens > entry.max_output_tokens:
        raise _over_output(entry, output_tokens)
    cached_tokens = usage.cached_input_tokens
    cached_nano = 0
    if cached_tokens:
        if tier.cached_input_pico is None:
            raise _missing(entry, "cached_input", cached_tokens)
        cached_nano = _amount(entry, "cached_input", cached_tokens, tier.cached_input_pico)
    input_nano = _amount(entry, "input", input_tokens - cached_tokens, tier.input_pico)
    output_nano = _amount(entry, "output", output_tokens, tier.output_pico)
    amount_nano = input_nano + cached_nano + output_nano
    return Charge(entry, tier, amount_nano, input_nano, cached_nano, output_nano, usage, 0, 0, 0, card, at)


def price_storage(entry: RateEntry, tokens: int, start: dt.datetime, end: dt.datetime) -> Charge:
    """Prices cached tokens stored over [start, end), by UTC clock hours touched; `entry` is that of `start`."""
    check_count("stored tokens", tokens)
    hours = clock_hours(start, end)
    amount_nano = 0
    if tokens:
        if entry.cache_storage_pico is None:
            raise _missing(entry, "cache_storage", tokens)
        amount_nano = _amount(entry, "cache_storage", tokens, entry.cache_storage_pico, hours)
    return Charge(entry, None, amount_nano, cache_storage_nano=amount_nano, stored_tokens=tokens, hours=hours)


def _amount(entry: RateEntry, meter: str, tokens: int, rate_pico: int, hours: int = 1) -> int:
    """Returns nano of a line, rounded once: by the card's settlement, else half to even."""
    amount_pico = tokens * rate_pico * hours
    if amount_pico > INT64_MAX:
        message = (
            f"{tokens} {meter} tokens x {rate_pico} pico a token{f' x {hours} hours' if hours > 1 else ''} on "
            f"{entry.key} are past 2**63 - 1 pico, the largest amount of a line; split the record"
        )
        raise AmountOverflow(message)
    if entry.settlement is not None:
        return entry.settlement.settle(amount_pico, tokens)
    amount_nano, rest = divmod(amount_pico, PICO_PER_NANO)
    return divide_half_even(amount_pico, PICO_PER_NANO) if rest else amount_nano


def _missing(entry: RateEntry, meter: str, tokens: int) -> MissingRate:
    return MissingRate(
        f"{tokens} {meter} tokens on {entry.key}, which gives no {meter} rate: a missing rate is never zero; "
        'add the entry with the rate (free is "0") with: tollbook rates add FILE --replace --reason R'
    )


def _over_input(entry: RateEntry, input_tokens: int) -> InvalidUsage:
    message = (
        f"input_tokens {input_tokens} are over the {entry.top_tokens} that {entry.key} prices; "
        "correct the record or add an entry that prices them"
    )
    return InvalidUsage(message, reason="input_over_limit")


def _over_output(entry: RateEntry, output_tokens: int) -> InvalidUsage:
    message = (
        f"output_tokens {output_tokens} are over max_output_tokens {entry.max_output_tokens} of {entry.key}; "
        "correct the record or add an entry that allows them"
    )
    return InvalidUsage(message, reason="output_over_limit")


@dataclass(slots=True)
class BatchCharges:
    """Charges by row; a refused row has amounts 0 and indexes -1. `tier_index` counts the entry's tiers from 0."""

    entries: tuple[RateEntry, ...]
    entry_index: Int64Array
    tier_index: Int64Array
    input_nano: Int64Array
    cached_input_nano: Int64Array
    output_nano: Int64Array
    amount_nano: Int64Array
    errors: dict[int, PricingError] = field(default_factory=dict)


def count_columns(input_tokens: Column, cached: Column | None, output: Column | None) -> list[CountColumn]:
    """Returns the three columns as counts; None is 0 in each row."""
    import numpy as np

    whole = count_column(input_tokens)
    nothing = np.zeros(len(whole.values), np.int64)
    cached_part, outputs = (count_column(nothing if column is None else column) for column in (cached, output))
    check_lengths(input_tokens=whole.values, cached_input_tokens=cached_part.values, output_tokens=outputs.values)
    return [whole, cached_part, outputs]


def price_columns(
    entries: tuple[RateEntry, ...], entry_index: Callable[[slice], Int64Array], counts: Sequence[CountColumn]
) -> BatchCharges:
    """Prices all rows, in blocks that stay in the processor's cache."""
    import numpy as np

    table = RateTable.of(entries)
    length = len(counts[0].values)
    columns = np.empty((6, length), np.int64)
    for start in range(0, length, BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        block = _price_block(table, entry_index(rows), *(count.values[rows] for count in counts))
        for column, values in zip(columns, block, strict=True):
            column[rows] = values
    return BatchCharges(entries, *columns)


def _price_block(
    table: RateTable, entry_index: Int64Array, input_tokens: Int64Array, cached: Int64Array, output: Int64Array
) -> list[Int64Array]:
    """Prices as `price_entry`, row by row; refused rows are -1, -1, 0, 0, 0, 0.

    Each limit also keeps tokens x rate within 64 bits. What a refused row's product wraps to is thrown away.
    """
    slot = table.slots(entry_index, input_tokens, output)
    uncached = input_tokens - cached
    refused = (slot | input_tokens | cached | uncached | output) < 0  # the sign bit of any of them
    refused |= uncached > table.uncached_limit.take(slot)
    refused |= cached > table.cached_limit.take(slot)
    refused |= output > table.output_limit.take(slot)
    input_nano = table.settle(slot, uncached * table.input_pico.take(slot), uncached)
    cached_nano = table.settle(slot, cached * table.cached_input_pico.take(slot), cached)
    output_nano = table.settle(slot, output * table.output_pico.take(slot), output)
    indexes = (entry_index, table.tier_index.take(slot))
    amounts = (input_nano, cached_nano, output_nano, input_nano + cached_nano + output_nano)
    if refused.any():
        for index in indexes:
            index[refused] = -1
        for amount in amounts:
            amount[refused] = 0
    return [*indexes, *amounts]


def refusal(counts: Sequence[CountColumn], row: int, entry: Callable[[], RateEntry]) -> PricingError:
    """Returns the error by which the scalar rule refuses a row that the columnar rule refused."""
    try:
        usage = TokenUsage(*(count.original(row) for count in counts))
        price_entry(entry(), usage)
    except PricingError as error:
        return error
    message = f"row {row} is refused by the columnar rule and priced by the scalar rule"
    raise AssertionError(message)
