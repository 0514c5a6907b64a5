"""Rate card files to rate cards: the built-in ones, the user's, and how they add up. The only file reader."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from pricing.card_contracts import apply_contracts, check_contracts
from pricing.card_file import CardFile, parse_card
from pricing.card_values import Key
from pricing.contract import Contract
from pricing.errors import RateCardError, UnknownCard, shown
from pricing.rate_card import ModelRates, RateCard
from pricing.rate_entry import RateEntry, format_instant

RATES_FOLDER = Path(__file__).parent / "rates"


def load_rate_cards(*files: str | os.PathLike[str]) -> dict[str, RateCard]:
    """Returns the cards by provider: the built-in ones with these files added in order, later ones first in rank."""
    cards = merge_cards([*built_in_card_files(), *(read_card_file(file) for file in files)])
    for card in cards.values():
        check_contracts(card)
    return cards


def shipped_card(provider: str) -> RateCard:
    """Returns the card that ships for a provider; UnknownCard naming those that do."""
    cards = _shipped()
    if provider not in cards:
        known = " or ".join(sorted(cards))
        raise UnknownCard(f"no card {shown(provider)} ships: give {known}, or a card of load_rate_cards(FILE)")
    return cards[provider]


@cache
def _shipped() -> dict[str, RateCard]:
    return load_rate_cards()


def read_card_file(file: str | os.PathLike[str]) -> CardFile:
    """Reads one rate card file, checked alone."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise RateCardError(f"{os.fspath(file)}: can't be read as UTF-8 text: {error}") from None
    return parse_card(text, os.fspath(file))


@cache
def built_in_card_files() -> tuple[CardFile, ...]:
    """Reads the cards that ship with tollbook, once."""
    return tuple(
        parse_card(path.read_text(encoding="utf-8"), path.name) for path in sorted(RATES_FOLDER.glob("*.toml"))
    )


def merge_cards(files: Sequence[CardFile]) -> dict[str, RateCard]:
    """Merges files to a card a provider; of two entries of one start, the later file's holds if they differ.

    Of contracts of one name those of the later file hold. They are worked out last, over all entries.
    """
    cards: dict[str, RateCard] = {}
    for file in files:
        cards[file.provider] = _added(cards.get(file.provider), file)
    for provider, card in cards.items():
        _refuse_gaps(card, [file for file in files if file.provider == provider])
    return {provider: apply_contracts(card) for provider, card in cards.items()}


def _added(card: RateCard | None, file: CardFile) -> RateCard:
    if card is None:
        card = RateCard(file.provider, file.currency, {})
    if file.currency != card.currency:
        rule = f"{shown(file.currency)} differs from {shown(card.currency)} of provider {file.provider!r}"
        raise Key(file.name, "currency").refused(f"{rule}; one provider bills in one currency")
    models = dict(card.models)
    for rates in file.models.values():
        known = models.get(rates.id)
        models[rates.id] = rates if known is None else _joined(known, rates)
    _refuse_shared_names(models, file)
    conversions = {conversion.effective_from: conversion for conversion in (*card.conversions, *file.conversions)}
    replaced = {contract.name for contract in file.contracts}
    return RateCard(
        file.provider,
        file.currency,
        models,
        conversions=tuple(conversions[start] for start in sorted(conversions)),
        contracts=(*(each for each in card.contracts if each.name not in replaced), *file.contracts),
    )


def _joined(known: ModelRates, added: ModelRates) -> ModelRates:
    """Returns a model's entries, aliases and limits with those of a later file; an identical entry stays as it was."""
    entries = {entry.effective_from: entry for entry in known.entries}
    for entry in (_inheriting(known, entry) for entry in added.entries):
        standing = entries.get(entry.effective_from)
        if standing is None or not standing.prices_as(entry):
            entries[entry.effective_from] = entry
    ordered = tuple(entries[start] for start in sorted(entries))
    return replace(
        known,
        aliases=tuple(dict.fromkeys((*known.aliases, *added.aliases))),
        max_input_tokens=ordered[-1].max_input_tokens if ordered else None,
        max_output_tokens=ordered[-1].max_output_tokens if ordered else None,
        entries=ordered,
    )


def _inheriting(known: ModelRates | None, entry: RateEntry) -> RateEntry:
    """Returns the entry with the limits and settlement in force before it, where its own file leaves them out."""
    if known is None or not known.entries:
        return entry
    before = known.list_entry_at(entry.effective_from) or known.entries[-1]
    return replace(
        entry,
        max_input_tokens=before.max_input_tokens if entry.max_input_tokens is None else entry.max_input_tokens,
        max_output_tokens=before.max_output_tokens if entry.max_output_tokens is None else entry.max_output_tokens,
        settlement=before.settlement if entry.settlement is None else entry.settlement,
        services=tuple(_inheriting(known, each) for each in entry.services),
    )


def _refuse_shared_names(models: dict[str, ModelRates], file: CardFile) -> None:
    """Refuses an id or alias that two models claim, at the place in `file` that claims it."""
    owners: dict[str, set[str]] = {}
    for rates in models.values():
        for name in (rates.id, *rates.aliases):
            owners.setdefault(name, set()).add(rates.id)
    for index, rates in enumerate(file.models.values()):
        names = [("id", rates.id), *((f"aliases[{position}]", alias) for position, alias in enumerate(rates.aliases))]
        for place, name in names:
            others = owners[name] - {rates.id}
            if others:
                rule = f"{shown(name)} is claimed by model {min(others)!r} too; a name stands for one model"
                raise Key(file.name, f"model[{index}].{place}").refused(rule)


def _refuse_gaps(card: RateCard, files: Sequence[CardFile]) -> None:
    """Refuses a model without a price, and priced days without a conversion."""
    for file in files:
        for index, model in enumerate(file.models):
            if not card.models[model].entries:
                raise Key(file.name, f"model[{index}].price").refused(f"is missing; model {model!r} has no price yet")
    if card.currency == "USD" or not card.models:
        return
    first_conversion = min((conversion.effective_from for conversion in card.conversions), default=None)
    for file in files:
        for key, entry in _keyed_entries(file):
            if first_conversion is None or entry.effective_from < first_conversion:
                rule = (
                    f"{format_instant(entry.effective_from)} is before the first conversion of {card.currency} to USD"
                    f" ({'none' if first_conversion is None else format_instant(first_conversion)}); "
                    "add a [[conversion]] from that day"
                )
                raise Key(file.name, key).refused(rule)


def _keyed_entries(file: CardFile) -> Iterator[tuple[str, RateEntry]]:
    for model, rates in enumerate(file.models.values()):
        for price, entry in enumerate(rates.entries):
            yield f"model[{model}].price[{price}].effective_from", entry


def changed_entries(current: RateCard | None, new: CardFile) -> list[str]:
    """Lists what `new` would replace: entries and conversions of the same start, contracts of the same name."""
    if current is None:
        return []
    changed = []
    for rates in new.models.values():
        standing = {entry.effective_from: entry for entry in _entries(current, rates.id)}
        for entry in (_inheriting(current.models.get(rates.id), entry) for entry in rates.entries):
            other = standing.get(entry.effective_from)
            if other is not None and not other.prices_as(entry):
                changed.append(other.key)
    per_usd = {conversion.effective_from: conversion.per_usd_nano for conversion in current.conversions}
    changed += (
        f"{new.provider}/conversion/{format_instant(conversion.effective_from)}"
        for conversion in new.conversions
        if per_usd.get(conversion.effective_from, conversion.per_usd_nano) != conversion.per_usd_nano
    )
    names = dict.fromkeys(contract.name for contract in new.contracts)
    standing_terms, terms = (_by_name(contracts) for contracts in (current.contracts, new.contracts))
    changed += (
        f"{new.provider}/contract/{name}" for name in names if standing_terms.get(name, terms[name]) != terms[name]
    )
    return changed


def _by_name(contracts: Iterable[Contract]) -> dict[str, list[Contract]]:
    terms: dict[str, list[Contract]] = {}
    for contract in contracts:
        terms.setdefault(contract.name, []).append(contract)
    return terms


def _entries(card: RateCard, model: str) -> Iterable[RateEntry]:
    return card.models[model].entries if model in card.models else ()
