"""One rate card file: TOML text, checked strictly, to entries and conversions. Refusals name file and key."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from pricing.errors import RateCardError, retold, shown
from pricing.money import (
    CURRENCIES,
    INT64_MAX,
    NANO,
    PICO,
    PICO_PER_NANO,
    Conversion,
    Settlement,
    SettlementMode,
    parse_units,
)
from pricing.rate_card import ModelRates, PromptTier, RateEntry, format_instant

_PROVIDER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NAME = re.compile(r"[!-~]{1,200}")
_Limit = Annotated[int, msgspec.Meta(ge=1, le=INT64_MAX)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class _Tier(_Strict, frozen=True):
    input: str
    output: str
    cached_input: str | None = None
    up_to: _Limit | None = None


class _Price(_Strict, frozen=True):
    effective_from: Any
    tiers: Annotated[list[_Tier], msgspec.Meta(min_length=1)]
    effective_to: Any = None
    cache_storage_per_hour: str | None = None
    source_url: str | None = None
    checked_on: Any = None
    derived: bool = False


class _Model(_Strict, frozen=True):
    id: str
    aliases: list[str] = []
    max_input_tokens: _Limit | None = None
    max_output_tokens: _Limit | None = None
    price: list[_Price] = []


class _Conversion(_Strict, frozen=True):
    per_usd: str
    effective_from: Any
    source_url: str | None = None
    checked_on: Any = None


class _Settlement(_Strict, frozen=True):
    quantum: str
    mode: SettlementMode
    minimum: str = "0"


class _Card(_Strict, frozen=True):
    provider: str
    currency: str
    per_tokens: _Limit | None = None
    conversion: list[_Conversion] = []
    model: list[_Model] = []
    settlement: _Settlement | None = None


@dataclass(frozen=True)
class CardFile:
    """The content of one file, checked as far as it can be alone; `models` and `conversions` keep the file's order."""

    name: str
    text: str
    digest: str
    provider: str
    currency: str
    models: Mapping[str, ModelRates]
    conversions: tuple[Conversion, ...]
    settlement: Settlement | None


@dataclass(frozen=True, slots=True)
class Key:
    """A place in a file, for refusals: `evolink.toml: model[0].price[1].tiers[2].input`."""

    file: str
    path: str

    def sub(self, part: str) -> Key:
        """Returns the place of `part` within this one."""
        return Key(self.file, f"{self.path}.{part}" if self.path else part)

    def refused(self, rule: str) -> RateCardError:
        """Returns the refusal of this place's value; `rule` names the value, the rule and the next step."""
        return RateCardError(": ".join(filter(None, (self.file, self.path, rule))))


def parse_card(text: str, name: str) -> CardFile:
    """Reads the card that `text` says; `name` is what refusals call the file."""
    try:
        card = msgspec.convert(tomllib.loads(text), _Card)
    except msgspec.ValidationError as error:
        key, rule = retold(error)
        hint = "; write text and rates in quotes" if rule.startswith("expected str") else ""
        raise Key(name, key).refused(rule + hint) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RateCardError(f"{name}: {error}; correct the TOML") from None
    return _card_file(card, text, Key(name, ""))


def _card_file(card: _Card, text: str, key: Key) -> CardFile:
    if _PROVIDER.fullmatch(card.provider) is None:
        raise key.sub("provider").refused(
            f"{shown(card.provider)} isn't a provider name: use a-z, 0-9, '.', '_' and '-'"
        )
    if card.currency not in CURRENCIES:
        raise key.sub("currency").refused(f"{shown(card.currency)} is neither CRD nor an ISO 4217 code; correct it")
    if card.currency == "USD" and card.conversion:
        raise key.sub("conversion").refused("a card in USD needs no conversion to USD; remove it")
    settlement = None if card.settlement is None else _settlement(card.settlement, key.sub("settlement"))
    models: dict[str, ModelRates] = {}
    for index, model in enumerate(card.model):
        place = key.sub(f"model[{index}]")
        if model.id in models:
            raise place.sub("id").refused(f"{shown(model.id)} is an earlier model's id too; join their prices")
        models[model.id] = _model(card, settlement, model, place)
    return CardFile(
        name=key.file,
        text=text,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        provider=card.provider,
        currency=card.currency,
        models=models,
        conversions=tuple(_conversions(card, key)),
        settlement=settlement,
    )


def _settlement(settlement: _Settlement, key: Key) -> Settlement:
    quantum_nano = _units(settlement.quantum, NANO, key.sub("quantum"))
    minimum_nano = _units(settlement.minimum, NANO, key.sub("minimum"))
    most_nano = INT64_MAX // PICO_PER_NANO
    if not 0 < quantum_nano <= most_nano:
        rule = f"{shown(settlement.quantum)} is not above 0 and up to {most_nano // NANO}; correct it"
        raise key.sub("quantum").refused(rule)
    if minimum_nano > most_nano:
        raise key.sub("minimum").refused(f"{shown(settlement.minimum)} is not up to {most_nano // NANO}; correct it")
    return Settlement(quantum_nano, settlement.mode, minimum_nano)


def _conversions(card: _Card, key: Key) -> Iterator[Conversion]:
    latest: dt.datetime | None = None
    for index, conversion in enumerate(card.conversion):
        place = key.sub(f"conversion[{index}]")
        per_usd_nano = _units(conversion.per_usd, NANO, place.sub("per_usd"))
        if not 0 < per_usd_nano <= INT64_MAX:
            limit = "above 0" if per_usd_nano == 0 else "up to 9223372036"
            raise place.sub("per_usd").refused(
                f"{shown(conversion.per_usd)} units for 1 USD are not {limit}; correct it"
            )
        start = _instant(conversion.effective_from, place.sub("effective_from"))
        _refuse_unsorted(start, latest, place)
        latest = start
        checked_on = _day(conversion.checked_on, place.sub("checked_on"))
        source_url = _source(conversion.source_url, place.sub("source_url"))
        yield Conversion(card.currency, per_usd_nano, start, source_url, checked_on)


def _model(card: _Card, settlement: Settlement | None, model: _Model, key: Key) -> ModelRates:
    if _NAME.fullmatch(model.id) is None or "*" in model.id:
        raise key.sub("id").refused(
            f"{shown(model.id)} isn't a model id: use 1 to 200 visible ASCII characters, no '*'"
        )
    for index, alias in enumerate(model.aliases):
        place = key.sub(f"aliases[{index}]")
        if _NAME.fullmatch(alias) is None or "*" in alias[:-1]:
            raise place.refused(f"{shown(alias)} isn't an alias: use 1 to 200 visible ASCII characters, '*' only last")
        if alias in (model.id, *model.aliases[:index]):
            raise place.refused(f"{shown(alias)} is given twice on this model; remove one")
    if not model.price and (model.max_input_tokens or model.max_output_tokens):
        raise key.refused("limits hold for the prices beside them; add [[model.price]] or remove them")
    entries: list[RateEntry] = []
    for index, price in enumerate(model.price):
        place = key.sub(f"price[{index}]")
        entry = _entry(card, settlement, model, price, place)
        _refuse_overlap(entry, entries[-1] if entries else None, place)
        entries.append(entry)
    return ModelRates(
        model.id, tuple(model.aliases), model.max_input_tokens, model.max_output_tokens, entries=tuple(entries)
    )


def _refuse_unsorted(start: dt.datetime, latest: dt.datetime | None, key: Key) -> None:
    if latest is not None and start <= latest:
        rule = f"{format_instant(start)} is not after the {format_instant(latest)} before it; sort by date"
        raise key.sub("effective_from").refused(rule)


def _refuse_overlap(entry: RateEntry, before: RateEntry | None, key: Key) -> None:
    start, end = entry.effective_from, entry.effective_to
    if end is not None and end <= start:
        rule = f"{format_instant(end)} is not after effective_from {format_instant(start)}; it is exclusive"
        raise key.sub("effective_to").refused(rule)
    if before is None:
        return
    _refuse_unsorted(start, before.effective_from, key)
    if before.effective_to is not None and start < before.effective_to:
        rule = f"{format_instant(start)} overlaps the entry before, which ends {format_instant(before.effective_to)}"
        raise key.sub("effective_from").refused(f"{rule}; correct one of them")


def _entry(card: _Card, settlement: Settlement | None, model: _Model, price: _Price, key: Key) -> RateEntry:
    per_tokens = card.per_tokens
    if per_tokens is None:
        rule = "is missing; say how many tokens the rates are for, such as 1_000_000"
        raise Key(key.file, "per_tokens").refused(rule)
    storage, end = price.cache_storage_per_hour, price.effective_to
    return RateEntry(
        provider=card.provider,
        currency=card.currency,
        model=model.id,
        effective_from=_instant(price.effective_from, key.sub("effective_from")),
        effective_to=None if end is None else _instant(end, key.sub("effective_to")),
        tiers=tuple(_tiers(price.tiers, per_tokens, key)),
        cache_storage_pico=None if storage is None else _rate(storage, per_tokens, key.sub("cache_storage_per_hour")),
        max_input_tokens=model.max_input_tokens,
        max_output_tokens=model.max_output_tokens,
        settlement=settlement,
        source_url=_source(price.source_url, key.sub("source_url")),
        checked_on=_day(price.checked_on, key.sub("checked_on")),
        derived=price.derived,
    )


def _tiers(tiers: Sequence[_Tier], per_tokens: int, key: Key) -> Iterator[PromptTier]:
    below = 0
    for index, tier in enumerate(tiers):
        place = key.sub(f"tiers[{index}]")
        if tier.up_to is None and index + 1 < len(tiers):
            raise place.sub("up_to").refused("is missing; only the last tier may leave its bound out")
        if tier.up_to is not None and tier.up_to <= below:
            raise place.sub("up_to").refused(f"{tier.up_to} is not above the {below} before it; sort tiers by bound")
        below = tier.up_to or below
        cached = tier.cached_input
        rates = PromptTier(
            up_to=tier.up_to,
            input_pico=_rate(tier.input, per_tokens, place.sub("input")),
            cached_input_pico=None if cached is None else _rate(cached, per_tokens, place.sub("cached_input")),
            output_pico=_rate(tier.output, per_tokens, place.sub("output")),
        )
        if rates.cached_input_pico is not None and rates.cached_input_pico > rates.input_pico:
            rule = f"{shown(cached)} is above the tier's input rate {shown(tier.input)}; correct one of them"
            raise place.sub("cached_input").refused(rule)
        yield rates


def _rate(text: str, per_tokens: int, key: Key) -> int:
    """Reads a rate for `per_tokens` tokens, in pico per token, whole."""
    rate_pico, rest = divmod(_units(text, PICO, key), per_tokens)
    if rest:
        raise key.refused(f"{shown(text)} for {per_tokens} tokens is not whole in 10^-12 per token; correct it")
    if rate_pico > INT64_MAX:
        raise key.refused(f"{shown(text)} for {per_tokens} tokens is past 2**63 - 1 times 10^-12 a token; correct it")
    return rate_pico


def _units(text: str, scale: int, key: Key) -> int:
    """Reads the plain decimal `text`, 0 or more, in whole 1/scale units."""
    try:
        units = parse_units(text, scale)
    except ValueError as error:
        raise key.refused(f"{error}; correct it") from None
    if text.startswith("-"):
        raise key.refused(f"{shown(text)} is negative; write '0' or more")
    return units


def _instant(value: object, key: Key) -> dt.datetime:
    """Reads a TOML date as UTC midnight, an offset date-time as that instant, in UTC."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        try:
            return value.astimezone(dt.UTC)
        except OverflowError:
            raise key.refused(f"{value.isoformat()} is outside the years 1 to 9999 of UTC") from None
    if isinstance(value, dt.datetime):
        raise key.refused(f"{value.isoformat()} has no offset; add Z or +08:00, or write the date alone")
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    raise key.refused(f"{shown(value)} isn't a date; write 2026-02-01 or 2026-02-01T00:00:00+08:00 without quotes")


def _day(value: object, key: Key) -> dt.date | None:
    if value is None:
        return None
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    raise key.refused(f"{shown(value)} isn't a date; write 2026-11-22 without quotes")


def _source(value: str | None, key: Key) -> str | None:
    if value is None or value.isprintable():
        return value
    raise key.refused(f"{shown(value)} has control characters; write the address alone")
