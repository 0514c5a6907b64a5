"""The contracts of a card: read from its file, and worked out to prices once all of its files are joined."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from pricing.card_services import multiplied
from pricing.card_tiers import read_tiers
from pricing.card_values import Key, read_day, read_period, read_source
from pricing.contract import Contract
from pricing.errors import RateCardError, shown
from pricing.rate_card import ModelRates, RateCard
from pricing.rate_entry import OPTIONAL_METERS, STANDARD_SERVICE, RateEntry

if TYPE_CHECKING:
    from pricing.card_shape import ContractShape

# A list entry of one service tier, and the end of its days; None without one.
Span: TypeAlias = tuple[RateEntry, dt.datetime | None]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def read_contracts(contracts: Sequence[ContractShape], per_tokens: int | None, key: Key) -> Iterator[Contract]:
    """Yields the contracts of a file, whose rates are for `per_tokens` tokens."""
    for index, contract in enumerate(contracts):
        place = key.sub(f"contract[{index}]")
        if _NAME.fullmatch(contract.name) is None:
            raise place.sub("name").refused(f"{shown(contract.name)} isn't a name: write a word such as 'acme-2026'")
        start, end = read_period(contract.effective_from, contract.effective_to, place)
        own = contract.tiers is not None
        if own in (contract.factor is not None, contract.meters is not None):
            raise place.refused("has no rates, or two kinds; write either tiers, or factor and the meters it covers")
        if own and per_tokens is None:
            raise Key(key.file, "per_tokens").refused("is missing; say how many tokens the rates are for")
        yield Contract(
            name=contract.name,
            effective_from=start,
            effective_to=end,
            models=tuple(contract.models),
            service_tiers=tuple(contract.service_tiers) or ((STANDARD_SERVICE,) if own else ()),
            factor=contract.factor,
            meters=tuple(contract.meters or ()),
            tiers=tuple(read_tiers(contract.tiers or (), per_tokens or 1, place)),
            source_url=read_source(contract.source_url, place.sub("source_url")),
            checked_on=read_day(contract.checked_on, place.sub("checked_on")),
            file=key.file,
            path=place.path,
        )


def apply_contracts(card: RateCard) -> RateCard:
    """Returns the card with the prices of its contracts over those of the list.

    One that doesn't fit a list price, as a release may bring another, leaves what it covers without a price.
    """
    if not card.contracts:
        return card
    models = {
        name: replace(rates, entries=tuple(_entries(rates, card.contracts))) for name, rates in card.models.items()
    }
    return replace(card, models=models)


def check_contracts(card: RateCard, before: RateCard | None = None) -> None:
    """Refuses contracts that don't fit a list price that they cover, and terms that cover none; `before` had others."""
    spans = [span for rates in card.models.values() for span in _spans(rates)]
    known = set() if before is None else _misfits(before)
    fresh = sorted(_misfits(card) - known)
    if fresh:
        raise RateCardError(fresh[0])
    for contract in card.contracts:
        if before is not None and contract in before.contracts:
            continue
        place = Key(contract.file, contract.path)
        for index, model in enumerate(contract.models):
            if model not in card.models:
                name = card.resolve(model)
                what = "no model of this card" if name is None else f"another name of {name}; give that"
                raise place.sub(f"models[{index}]").refused(f"{shown(model)} is {what}")
        tiers = {tier: replace(contract, service_tiers=(tier,)) for tier in contract.service_tiers}
        _refuse_unused(tiers, "service_tiers", spans, place)
        _refuse_unused({model: replace(contract, models=(model,)) for model in contract.models}, "models", spans, place)
        if not any(contract.covers(*span) for span in spans):
            raise place.refused("is for no price of this card; correct its days and service tiers")


def _misfits(card: RateCard) -> set[str]:
    entries = (served for rates in card.models.values() for served, _end in _spans(rates))
    return {agreed.misfit for entry in entries for agreed in entry.contracts if agreed.misfit}


def _refuse_unused(only: Mapping[str, Contract], part: str, spans: Sequence[Span], key: Key) -> None:
    """Refuses each name of a term whose part of it is for no price."""
    for index, (name, contract) in enumerate(only.items()):
        if not any(contract.covers(*span) for span in spans):
            rule = f"{shown(name)} has no price on these days, of these service tiers, on this card; correct it"
            raise key.sub(f"{part}[{index}]").refused(rule)


def _spans(rates: ModelRates) -> Iterator[Span]:
    """Yields a model's list entries by service tier, each with the end of its days."""
    ends = [*(entry.effective_from for entry in rates.entries[1:]), None]
    for entry, following in zip(rates.entries, ends, strict=True):
        end = min((day for day in (entry.effective_to, following) if day is not None), default=None)
        for served in (entry, *entry.services):
            yield served, end


def _entries(rates: ModelRates, contracts: Sequence[Contract]) -> Iterator[RateEntry]:
    """Yields a model's list entries with what contracts make of each, and of each of its service tiers."""
    agreed = {id(served): _with_contracts(served, contracts, end) for served, end in _spans(rates)}
    for entry in rates.entries:
        yield replace(agreed[id(entry)], services=tuple(agreed[id(served)] for served in entry.services))


def _with_contracts(entry: RateEntry, contracts: Sequence[Contract], end: dt.datetime | None) -> RateEntry:
    held = [contract for contract in contracts if contract.covers(entry, end)]
    for place, contract in enumerate(held):
        for other in held[:place]:
            if contract.overlaps(other):
                rule = f"is for {entry.model} ({entry.service}) on days of contract {other.name!r} too; end one of them"
                raise Key(contract.file, contract.path).refused(rule)
    return replace(entry, contracts=tuple(_agreed(entry, contract) for contract in held))


def _agreed(entry: RateEntry, contract: Contract) -> RateEntry:
    """Returns what a contract makes of a list entry; without an end of either, as long as the list entry holds."""
    ends = [day for day in (entry.effective_to, contract.effective_to) if day is not None]
    misfit = ""
    try:
        agreed = _worked_out(entry, contract)
    except RateCardError as error:
        agreed, misfit = entry, str(error)
    return replace(
        agreed,
        effective_from=max(entry.effective_from, contract.effective_from),
        effective_to=min(ends, default=None),
        source_url=contract.source_url,
        checked_on=contract.checked_on,
        services=(),
        contract=contract.name,
        list_digest=entry.digest,
        listed=entry,
        misfit=misfit,
    )


def _worked_out(entry: RateEntry, contract: Contract) -> RateEntry:
    """Returns the list entry with the contract's rates; RateCardError where they don't fit it."""
    place = Key(contract.file, contract.path)
    if contract.factor is None:
        _check_rows(entry, contract)
        return replace(entry, tiers=contract.tiers)
    if "cache_storage" in contract.meters and contract.factor.strip("0.") == "":
        raise place.sub("factor").refused("0 for cache_storage; its list amount couldn't be told then")
    return multiplied(entry, contract.factor, contract.meters, place)


def _check_rows(entry: RateEntry, contract: Contract) -> None:
    """Refuses rates of its own where a charge at them couldn't be told at list price."""
    place, labels = Key(contract.file, contract.path).sub("tiers"), [tier.label for tier in entry.tiers]
    if [tier.label for tier in contract.tiers] != labels:
        raise place.refused(f"differ from those of {entry.key}; write a row for each of {', '.join(labels)}")
    for own, listed in zip(contract.tiers, entry.tiers, strict=True):
        for meter in OPTIONAL_METERS:
            if own.rate_pico(meter) is not None and listed.rate_pico(meter) is None:
                raise place.refused(f"have a {meter} rate where {entry.key} has none; remove it")
