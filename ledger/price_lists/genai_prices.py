"""The price list of the package genai-prices: its own data, or a data.json of it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from ledger.errors import LedgerError
from ledger.price_lists.names import Clause, Names
from ledger.price_lists.prices import (
    LeftOutError,
    ListedModel,
    ListedPrice,
    Meter,
    PriceList,
    Step,
    Steps,
    is_alias,
    rate_pico,
    refuse_odd_id,
    tiers_of,
)
from pricing.errors import retold
from pricing.rate_entry import PromptTier

PACKAGE = "genai-prices"
_TOKENS = 1_000_000

# What each price is on a card. A name in no table is a price that usage may have and a card can't say: the model is
# left out, unless it is 0.
_METERS: Final[dict[str, Meter]] = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "output_mtok": "output",
    "cache_write_mtok": "cache_write_5m",  # the default lifetime; a longer one has a price of its own
    "cache_write_1h_mtok": "cache_write_1h",
}
# Tokens that are booked as a part of these meters: the model is left out where they have a price of their own.
_PARTS: Final[dict[str, Meter]] = {
    "input_text_mtok": "input",
    "input_image_mtok": "input",
    "cache_text_read_mtok": "cached_input",
    "cache_image_read_mtok": "cached_input",
    "output_text_mtok": "output",
    "output_image_mtok": "output",
    "output_video_mtok": "output",
    "output_reasoning_mtok": "output",
    "output_text_reasoning_mtok": "output",
    "cache_write_5m_mtok": "cache_write_5m",
    "cache_text_write_mtok": "cache_write_5m",
    "cache_text_write_5m_mtok": "cache_write_5m",
    "cache_text_write_1h_mtok": "cache_write_1h",
    "cache_image_write_mtok": "cache_write_5m",
    "cache_image_write_5m_mtok": "cache_write_5m",
    "cache_image_write_1h_mtok": "cache_write_1h",
}
# Usage that has these is refused by name when it is read.
_REFUSED: Final = re.compile(
    r"cache_(audio|video)_(read|write(_5m|_1h)?)_mtok|"
    r"(input|output)_audio_mtok|input_video_mtok|output_citation_mtok|"
    r"(storage|social)_searches_kcount|code_executions_kcount"
)
# Prices of 1,000 calls: usage says how many calls there were and not of which tool, so that a card has one of them.
_CALLS: Final = re.compile(r"\w+_searches_kcount|code_executions_kcount")
_SEARCHES: Final = "web_searches_kcount"
# What a request may say that picks another price: one with another value than these is refused, a service tier when it
# is priced, others when they are read.
_PICKED_BY: Final = {"service_tier": ("default", "auto"), "processing": (), "speed": ()}


class _Tier(msgspec.Struct):
    start: Annotated[int, msgspec.Meta(ge=0, le=10**15)]
    price: Decimal


class _Tiered(msgspec.Struct):
    base: Decimal
    tiers: list[_Tier]


_Price = Decimal | _Tiered | None
_Prices = dict[str, _Price]


class _Constraint(msgspec.Struct):
    start_date: dt.date | None = None
    start_time: Any = None


class _Conditional(msgspec.Struct):
    prices: _Prices
    constraint: _Constraint | None = None

    def holds_on(self, day: dt.date) -> bool:
        if self.constraint is None:
            return True
        assert self.constraint.start_date is not None
        return self.constraint.start_date <= day


class _Variant(msgspec.Struct):
    when: dict[str, str]
    prices: _Prices


class _Model(msgspec.Struct):
    id: str
    match: Clause
    prices: _Prices | list[_Conditional]
    price_variants: list[_Variant] | None = None
    prices_checked: dt.date | None = None


class _Provider(msgspec.Struct):
    id: str
    models: list[_Model]
    pricing_urls: list[str] | None = None


class _File(msgspec.Struct):
    providers: list[_Provider]


class GenaiPrices:
    """The list, from the installed package or the text of a file."""

    def __init__(self, source: str, providers: Iterable[_Provider]) -> None:
        """`source` is what notes call the list."""
        self.source = source
        self._providers = {provider.id: provider for provider in providers}

    @classmethod
    def installed(cls) -> GenaiPrices:
        """Reads the data of the installed package; LedgerError without it."""
        from importlib.metadata import version

        try:
            from genai_prices.data import providers
        except ImportError as error:
            message = f"{PACKAGE} isn't installed: pip install {PACKAGE}, or give its data.json with --file"
            raise LedgerError(message) from error
        source = f"{PACKAGE} {version(PACKAGE)}"
        try:
            return cls(source, msgspec.convert(_plain(providers), list[_Provider]))
        except msgspec.ValidationError as error:
            raise _unreadable(source, error) from error

    @classmethod
    def read(cls, text: bytes, name: str) -> GenaiPrices:
        """Reads a data.json; LedgerError where it is none."""
        try:
            found = msgspec.json.decode(text, type=list[_Provider] | _File)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _unreadable(name, error) from error
        return cls(name, found.providers if isinstance(found, _File) else found)

    def models(self) -> dict[str, list[str]]:
        """Returns the ids of models by provider."""
        return {name: [model.id for model in provider.models] for name, provider in self._providers.items()}

    def resolve(self, provider: str, name: str) -> str | None:
        """Returns the id of the provider's model that a name means; None without one."""
        models = self._providers[provider].models
        if any(model.id == name for model in models):
            return name
        owner = Names([model.match for model in models]).owner(name)
        return None if owner is None else models[owner].id

    def price_list(self, name: str, chosen: Sequence[str], start: dt.date) -> PriceList:
        """Returns a provider's models, all or the chosen ids; their first prices hold from `start` on."""
        provider = self._providers[name]
        result = PriceList(self.source, name)
        priced: dict[int, ListedModel] = {}
        for index, model in enumerate(provider.models):
            if not chosen or model.id in chosen:
                try:
                    priced[index] = _listed(model, next(iter(provider.pricing_urls or ()), None), start)
                except LeftOutError as reason:
                    result.skip(model.id, str(reason))
        names = Names([model.match for model in provider.models])
        written = [index in priced for index in range(len(provider.models))]
        ids = {model.id for model in priced.values()}
        for index, listed in priced.items():
            aliases, lost = names.aliases(index, written)
            kept = tuple(dict.fromkeys(alias for alias in aliases if alias not in ids and is_alias(alias)))
            lost += [alias for alias in aliases if alias not in kept and alias != listed.id]
            result.models.append(replace(listed, aliases=kept, lost_names=tuple(lost)))
        return result


def _unreadable(name: str, error: Exception) -> LedgerError:
    key, rule = retold(error)
    return LedgerError(f"{name}: {f'{key}: ' if key else ''}{rule}: give a data.json of {PACKAGE}")


def _plain(value: object) -> object:
    """Returns the package's objects as its data.json has them."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if hasattr(value, "__dict__"):
        return {key.rstrip("_"): _plain(item) for key, item in vars(value).items()}
    return value


def _listed(model: _Model, url: str | None, start: dt.date) -> ListedModel:
    refuse_odd_id(model.id)
    prices = model.prices if isinstance(model.prices, list) else [_Conditional(model.prices)]
    if not prices:
        raise LeftOutError("no price of input tokens")
    constraints = [each.constraint for each in prices if each.constraint is not None]
    if any(each.start_date is None or each.start_time is not None for each in constraints):
        raise LeftOutError("prices by the hour of the day")
    left_out = _left_out_variants(model)
    starts = {each.start_date for each in constraints if each.start_date}
    listed: list[ListedPrice] = []
    for day in sorted({start, *(each for each in starts if each > start)}):
        in_force = _in_force(prices, day)
        price = ListedPrice(day, _tiers(in_force, left_out), _call_pico(in_force, left_out))
        if not listed or price[1:] != listed[-1][1:]:
            listed.append(price)
    return ListedModel(
        model.id,
        tuple(listed),
        left_out=tuple(sorted(left_out)),
        source_url=url,
        checked_on=model.prices_checked,
    )


def _in_force(prices: Sequence[_Conditional], day: dt.date) -> _Prices:
    """Returns the last price that holds on the day, else the first."""
    return next((each for each in reversed(prices) if each.holds_on(day)), prices[0]).prices


def _left_out_variants(model: _Model) -> set[str]:
    """Names the prices for requests of another kind; LeftOutError where usage doesn't say which it is of."""
    left_out: set[str] = set()
    for variant in model.price_variants or ():
        priced = {name for name, price in variant.prices.items() if price is not None and not _REFUSED.fullmatch(name)}
        if priced <= {_SEARCHES}:
            left_out |= priced
            continue
        refused = [
            f"{key} {value}" for key, value in variant.when.items() if value not in _PICKED_BY.get(key, (value,))
        ]
        if not refused:
            raise LeftOutError(f"prices by {', '.join(variant.when)}")
        left_out.update(refused)
    return left_out


def _tiers(prices: Mapping[str, _Price], left_out: set[str]) -> tuple[PromptTier, ...]:
    given = {name: price for name, price in prices.items() if price is not None}
    meters = {}
    for name in _METERS.keys() & given.keys():
        try:
            meters[_METERS[name]] = _steps(given[name])
        except LeftOutError:
            if not name.startswith("cache_write"):
                raise
            left_out.add(name)
    for name, price in given.items():
        if name in _PARTS:
            if _steps(price) != meters.get(_PARTS[name]):
                raise LeftOutError(f"{name} beside {_PARTS[name]}")
        elif name in _METERS or name == _SEARCHES or price == 0:
            continue
        elif _REFUSED.fullmatch(name):
            left_out.add(name)
        else:
            raise LeftOutError(name)
    return tiers_of(meters, left_out)


def _call_pico(prices: Mapping[str, _Price], left_out: set[str]) -> int | None:
    """Returns the price of a web search where no other call has one; else the prices of calls are left out."""
    calls = {name: price for name, price in prices.items() if price and _CALLS.fullmatch(name)}
    price = calls.get(_SEARCHES)
    if len(calls) == 1 and isinstance(price, Decimal) and _SEARCHES not in left_out:
        return rate_pico(price, 1_000)
    left_out.update(calls)
    return None


def _steps(price: Decimal | _Tiered) -> Steps:
    """Returns a price by length: a tier begins above its `start`, for all tokens of the request."""
    if isinstance(price, Decimal):
        return (Step(None, rate_pico(price, _TOKENS)),)
    tiers = sorted(price.tiers, key=lambda tier: tier.start)
    bounds = [*(tier.start for tier in tiers), None]
    rates = [price.base, *(tier.price for tier in tiers)]
    return tuple(Step(bound, rate_pico(rate, _TOKENS)) for bound, rate in zip(bounds, rates, strict=True))
