"""A price list as the text of a rate card file, with what is left out as comments."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import tomlkit
from tomlkit.items import Array, InlineTable, Table

from ledger.errors import LedgerError
from ledger.price_lists.prices import ListedModel, ListedPrice, PriceList
from pricing.card_file import parse_card
from pricing.errors import shown
from pricing.money import format_nano, format_pico
from pricing.rate_entry import TIER_METERS, PromptTier

_HEAD = (
    "Prices of {source}, in USD per 1M tokens: not the provider's own word, so that all are derived.",
    "The list doesn't say since when a model's first price holds: {start} is the day that was asked for.",
    "What is left out has no price here: usage that names it is refused, never booked without. Another endpoint's",
    "surcharge alone is told by no usage: the card is for the provider's plain endpoint.",
)


def card_text(prices: PriceList, start: dt.date) -> str:
    """Returns the card, read once as `rates add` will; RateCardError where it would be refused.

    LedgerError where it would be read with other prices than the list's.
    """
    document = tomlkit.document()
    for line in _HEAD:
        document.add(tomlkit.comment(_one_line(line.format(source=prices.source, start=start))))
    for reason, ids in sorted(prices.skipped.items()):
        document.add(tomlkit.nl())
        document.add(tomlkit.comment(_one_line(f"Models left out, {reason}:")))
        for skipped in ids:
            document.add(tomlkit.comment(f"  {_one_line(skipped)}"))
    document.add(tomlkit.nl())
    document.add("provider", tomlkit.string(prices.provider))
    document.add("currency", tomlkit.string("USD"))
    document.add("per_tokens", tomlkit.integer("1_000_000"))
    models = tomlkit.aot()
    for model in prices.models:
        models.append(_model(model))
    document.add("model", models)
    text = tomlkit.dumps(document)
    card = parse_card(text, f"the card of {prices.provider}")
    for model in prices.models:
        rates = card.models.get(model.id)
        listed = [(price.tiers, price.call_pico) for price in model.prices]
        if rates is None or [(entry.tiers, entry.call_pico) for entry in rates.entries] != listed:
            raise LedgerError(
                f"the card of {prices.source} would be read with other prices of {shown(model.id)} than the list has: "
                "take other models with --model"
            )
    return text


def _model(model: ListedModel) -> Table:
    table = tomlkit.table()
    table.add("id", model.id)
    if model.aliases:
        table.add("aliases", _array(model.aliases))
    for what, names in (("left out", model.left_out), ("not an alias", model.lost_names)):
        if names:
            table.add(tomlkit.comment(f"{what}: {_one_line(', '.join(names))}"))
    prices = tomlkit.aot()
    for price in model.prices:
        prices.append(_price(model, price))
    table.add("price", prices)
    return table


def _price(model: ListedModel, price: ListedPrice) -> Table:
    table = tomlkit.table()
    table.add("effective_from", price.effective_from)
    if model.source_url is not None:
        table.add("source_url", model.source_url)
    if model.checked_on is not None:
        table.add("checked_on", model.checked_on)
    table.add("derived", value=True)
    if price.call_pico is not None:
        table.add("per_call", tomlkit.string(format_pico(price.call_pico)).comment("a web search"))
    table.add("tiers", _array([_tier(tier) for tier in price.tiers]))
    return table


def _tier(tier: PromptTier) -> InlineTable:
    table = tomlkit.inline_table()
    if tier.up_to is not None:
        table.add("up_to", tomlkit.integer(f"{tier.up_to:_}"))
    for meter in TIER_METERS:
        rate_pico = tier.rate_pico(meter)
        if rate_pico is not None:
            table.add(meter, per_million(rate_pico))
    return table


def per_million(rate_pico: int) -> str:
    """Returns a rate in pico per token as the exact decimal for 1M tokens."""
    return format_nano(rate_pico * 1_000)


def _array(values: Sequence[object]) -> Array:
    array = tomlkit.array()
    array.extend(values)
    return array.multiline(len(values) > 1)


def _one_line(text: str) -> str:
    """Returns a foreign text for a comment, whatever is in it."""
    return text if text.isprintable() else ascii(text)
