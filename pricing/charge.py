"""The rating rule: usage x rate card -> charge, for one request; `pricing.batch` is the same for columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pricing.errors import AmountOverflow, InvalidUsage, MissingRate, NoConversionInEffect
from pricing.money import INT64_MAX, PICO_PER_NANO, divide_half_even, nano_decimal, round_usd, usd_fraction
from pricing.usage import check_count, clock_hours

if TYPE_CHECKING:
    import datetime as dt
    from decimal import Decimal

    from pricing.money import Conversion
    from pricing.rate_card import RateCard
    from pricing.rate_entry import PromptTier, RateEntry
    from pricing.usage import TokenUsage

    # A meter, its tokens and its rate in pico.
    _Metered: TypeAlias = tuple[str, int, int | None]

METERS = ("input", "cached_input", "output", "cache_storage", "cache_write_5m", "cache_write_1h", "call")


class ChargeLine(NamedTuple):
    """One meter of a charge: tokens x rate, rounded once; `hours` is for cache storage only.

    The tokens of the meter `call` are calls.
    """

    meter: str
    tokens: int
    rate_pico: int
    amount_nano: int
    hours: int | None = None


class Charge(NamedTuple):
    """A priced request, or priced cache storage: an amount a meter, 0 where the meter has no tokens or calls."""

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
    cache_write_5m_nano: int = 0
    cache_write_1h_nano: int = 0
    call_nano: int = 0

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
        metered: tuple[_Metered, ...] = (("cache_storage", self.stored_tokens, self.entry.cache_storage_pico),)
        if self.usage is not None and self.tier is not None:
            metered = _metered(self.entry, self.tier, self.usage)
        return tuple(
            ChargeLine(meter, tokens, rate_pico or 0, getattr(self, f"{meter}_nano"), self.hours or None)
            for meter, tokens, rate_pico in metered
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
    # One by one: a loop over the meters takes a third longer.
    input_nano = _amount(entry, "input", usage.uncached_input_tokens, tier.input_pico)
    cached_nano = _amount(entry, "cached_input", usage.cached_input_tokens, tier.cached_input_pico)
    output_nano = _amount(entry, "output", output_tokens, tier.output_pico)
    amount_nano = input_nano + cached_nano + output_nano
    if not (usage.cache_write_5m_tokens or usage.cache_write_1h_tokens or usage.calls):
        return Charge(entry, tier, amount_nano, input_nano, cached_nano, output_nano, usage, 0, 0, 0, card, at)
    others = [_amount(entry, *metered) for metered in _metered(entry, tier, usage)[3:]]
    amount_nano += sum(others)
    return Charge(entry, tier, amount_nano, input_nano, cached_nano, output_nano, usage, 0, 0, 0, card, at, *others)


def _metered(entry: RateEntry, tier: PromptTier, usage: TokenUsage) -> tuple[_Metered, ...]:
    """Returns the meters of a request, in the order of METERS."""
    return (
        ("input", usage.uncached_input_tokens, tier.input_pico),
        ("cached_input", usage.cached_input_tokens, tier.cached_input_pico),
        ("output", usage.output_tokens, tier.output_pico),
        ("cache_write_5m", usage.cache_write_5m_tokens, tier.cache_write_5m_pico),
        ("cache_write_1h", usage.cache_write_1h_tokens, tier.cache_write_1h_pico),
        ("call", usage.calls, entry.call_pico),
    )


def price_storage(entry: RateEntry, tokens: int, start: dt.datetime, end: dt.datetime) -> Charge:
    """Prices cached tokens stored over [start, end), by UTC clock hours touched; `entry` is that of `start`."""
    check_count("stored tokens", tokens)
    hours = clock_hours(start, end)
    amount_nano = _amount(entry, "cache_storage", tokens, entry.cache_storage_pico, hours)
    return Charge(entry, None, amount_nano, cache_storage_nano=amount_nano, stored_tokens=tokens, hours=hours)


def _amount(entry: RateEntry, meter: str, tokens: int, rate_pico: int | None, hours: int = 1) -> int:
    """Returns nano of a line, rounded once: by the card's settlement, else half to even; 0 without tokens."""
    if not tokens:
        return 0
    if rate_pico is None:
        raise _missing(entry, meter, tokens)
    amount_pico = tokens * rate_pico * hours
    if amount_pico > INT64_MAX:
        message = (
            f"{_counted(meter, tokens)} x {rate_pico} pico a {'call' if meter == 'call' else 'token'}"
            f"{f' x {hours} hours' if hours > 1 else ''} on {entry.key} are past 2**63 - 1 pico, "
            "the largest amount of a line; split the record"
        )
        raise AmountOverflow(message)
    if entry.settlement is not None:
        return entry.settlement.settle(amount_pico, tokens)
    amount_nano, rest = divmod(amount_pico, PICO_PER_NANO)
    return divide_half_even(amount_pico, PICO_PER_NANO) if rest else amount_nano


def _missing(entry: RateEntry, meter: str, tokens: int) -> MissingRate:
    return MissingRate(
        f"{_counted(meter, tokens)} on {entry.key}, which gives no {meter} rate: a missing rate is never zero; "
        'add the entry with the rate (free is "0") with: tollbook rates add FILE --replace --reason R'
    )


def _counted(meter: str, tokens: int) -> str:
    """Returns "3 output tokens" or "3 calls"."""
    return f"{tokens} calls" if meter == "call" else f"{tokens} {meter} tokens"


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
