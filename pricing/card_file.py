"""One rate card file: TOML text, checked strictly, to entries and conversions. Refusals name file and key."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec

from pricing.card_contracts import read_contracts
from pricing.card_services import read_services
from pricing.card_shape import CardShape, ModelShape, PriceShape, SettlementShape
from pricing.card_tiers import read_tiers
from pricing.card_values import (
    Key,
    read_call_rate,
    read_day,
    read_instant,
    read_period,
    read_rate,
    read_source,
    read_units,
)
from pricing.contract import Contract
from pricing.errors import RateCardError, retold, shown
from pricing.money import (
    CURRENCIES,
    INT64_MAX,
    NANO,
    PICO_PER_NANO,
    Conversion,
    Settlement,
)
from pricing.rate_card import ModelRates
from pricing.rate_entry import RateEntry, format_instant

_PROVIDER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_NAME = re.compile(r"[!-~]{1,200}")


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
    contracts: tuple[Contract, ...] = ()


def parse_card(text: str, name: str) -> CardFile:
    """Reads the card that `text` says; `name` is what refusals call the file."""
    try:
        card = msgspec.convert(tomllib.loads(text), CardShape)
    except msgspec.ValidationError as error:
        key, rule = retold(error)
        hint = "; write text and rates in quotes" if rule.startswith("expected str") else ""
        raise Key(name, key).refused(rule + hint) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RateCardError(f"{name}: {error}; correct the TOML") from None
    return _card_file(card, text, Key(name, ""))


def _card_file(card: CardShape, text: str, key: Key) -> CardFile:
    if _PROVIDER.fullmatch(card.provider) is None:
        raise key.sub("provider").refused(
            f"{shown(card.provider)} isn't a provider name: use a-z, 0-9, '.', '_' and '-'"
        )
    if card.currency not in CURRENCIES:
        raise key.sub("currency").refused(f"{shown(card.currency)} is neither CRD nor an ISO 4217 code; correct it")
    if card.currency == "USD" and card.conversion:
        raise key.sub("conversion").refused("a card in USD needs no conversion to USD; remove it")
    settlement = None if card.settlement is None else _settlement(card.settlement, key.sub("settlement"))
    if settlement is not None and not any(model.price for model in card.model):
        raise key.sub("settlement").refused("holds for the prices beside it; add [[model.price]] or remove it")
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
        contracts=tuple(read_contracts(card.contract, card.per_tokens, key)),
    )


def _settlement(settlement: SettlementShape, key: Key) -> Settlement:
    quantum_nano = read_units(settlement.quantum, NANO, key.sub("quantum"))
    minimum_nano = read_units(settlement.minimum, NANO, key.sub("minimum"))
    most_nano = INT64_MAX // PICO_PER_NANO
    if not 0 < quantum_nano <= most_nano:
        rule = f"{shown(settlement.quantum)} is not above 0 and up to {most_nano // NANO}; correct it"
        raise key.sub("quantum").refused(rule)
    if minimum_nano > most_nano:
        raise key.sub("minimum").refused(f"{shown(settlement.minimum)} is not up to {most_nano // NANO}; correct it")
    return Settlement(quantum_nano, settlement.mode, minimum_nano)


def _conversions(card: CardShape, key: Key) -> Iterator[Conversion]:
    latest: dt.datetime | None = None
    for index, conversion in enumerate(card.conversion):
        place = key.sub(f"conversion[{index}]")
        per_usd_nano = read_units(conversion.per_usd, NANO, place.sub("per_usd"))
        if not 0 < per_usd_nano <= INT64_MAX:
            limit = "above 0" if per_usd_nano == 0 else "up to 9223372036"
            raise place.sub("per_usd").refused(
                f"{shown(conversion.per_usd)} units for 1 USD are not {limit}; correct it"
            )
        start = read_instant(conversion.effective_from, place.sub("effective_from"))
        _refuse_unsorted(start, latest, place)
        latest = start
        checked_on = read_day(conversion.checked_on, place.sub("checked_on"))
        source_url = read_source(conversion.source_url, place.sub("source_url"))
        yield Conversion(card.currency, per_usd_nano, start, source_url, checked_on)


def _model(card: CardShape, settlement: Settlement | None, model: ModelShape, key: Key) -> ModelRates:
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
    if before is None:
        return
    start = entry.effective_from
    _refuse_unsorted(start, before.effective_from, key)
    if before.effective_to is not None and start < before.effective_to:
        rule = f"{format_instant(start)} overlaps the entry before, which ends {format_instant(before.effective_to)}"
        raise key.sub("effective_from").refused(f"{rule}; correct one of them")


def _entry(card: CardShape, settlement: Settlement | None, model: ModelShape, price: PriceShape, key: Key) -> RateEntry:
    per_tokens = card.per_tokens
    if per_tokens is None:
        rule = "is missing; say how many tokens the rates are for, such as 1_000_000"
        raise Key(key.file, "per_tokens").refused(rule)
    storage, per_call = price.cache_storage_per_hour, price.per_call
    start, end = read_period(price.effective_from, price.effective_to, key)
    entry = RateEntry(
        provider=card.provider,
        currency=card.currency,
        model=model.id,
        effective_from=start,
        effective_to=end,
        tiers=tuple(read_tiers(price.tiers, per_tokens, key)),
        cache_storage_pico=None
        if storage is None
        else read_rate(storage, per_tokens, key.sub("cache_storage_per_hour")),
        max_input_tokens=model.max_input_tokens,
        max_output_tokens=model.max_output_tokens,
        settlement=settlement,
        source_url=read_source(price.source_url, key.sub("source_url")),
        checked_on=read_day(price.checked_on, key.sub("checked_on")),
        derived=price.derived,
        call_pico=None if per_call is None else read_call_rate(per_call, key.sub("per_call")),
    )
    return replace(entry, services=tuple(read_services(entry, price.service, per_tokens, key)))
