"""The cells that many FOCUS rows share: the kind of charge, what was bought, and its prices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeAlias

from ledger.exports.focus.items.item import Item, ItemKind
from ledger.exports.focus.layout.numbers import decimal_text, nano_text, usd_text
from ledger.exports.formats.columns import Cell
from ledger.values.amounts import CREDITS
from pricing.money import NANO, PICO
from pricing.rate_entry import STANDARD_SERVICE

Cells: TypeAlias = dict[str, Cell]

TOKENS = 1_000_000
STORAGE, CALL = "cache_storage", "call"
METER_NAMES = {
    "input": "Input Tokens",
    "cached_input": "Cached Input Tokens",
    "output": "Output Tokens",
    STORAGE: "Cache Storage",
    "cache_write_5m": "Cache Write Tokens (5m)",
    "cache_write_1h": "Cache Write Tokens (1h)",
    CALL: "Calls",
}
DIRECTIONS = dict.fromkeys(("input", "cached_input", "cache_write_5m", "cache_write_1h"), "Input") | {
    "output": "Output"
}
CACHE_ACTIONS = {"cached_input": "Read", "cache_write_5m": "Write", "cache_write_1h": "Write"}
# Meters that aren't of tokens alone, by the unit that they are consumed and priced in; prompt tiers have none.
UNITS = {STORAGE: "Token-Hours", CALL: "Calls"}
USAGE_BASED = frozenset({"usage", "rounding"})
WALLET_TEXTS: Mapping[ItemKind, str] = {
    "expired": "Prepaid credits that expired",
    "drawn": "Prepaid credits that paid elsewhere",
    "repaid": "Usage of earlier months beyond the prepaid credits, paid by a later top-up",
}


def nature(item: Item) -> Cells:
    """Returns the cells of the kind of charge."""
    return {
        "ChargeCategory": _category(item),
        "ChargeClass": "Correction" if item.corrects else None,
        "ChargeDescription": _description(item),
        "ChargeFrequency": "Usage-Based" if item.kind in USAGE_BASED else "One-Time",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "x_ChargeKind": item.kind,
        "x_Lot": item.lot,
        "x_Reason": item.reason,
        "x_Reference": item.reference,
    }


def _category(item: Item) -> str:
    if item.kind == "usage":
        return "Usage"
    if item.kind == "top_up":
        return "Purchase"
    return "Credit" if item.kind == "adjustment" and item.amount_pico < 0 else "Adjustment"


def _description(item: Item) -> str:
    """Describes the charge in ASCII, except for names: FOCUS's validator takes no other text."""
    if item.kind == "adjustment":
        return f"{'Credit note' if item.amount_pico < 0 else 'Surcharge'}: {item.reason or 'no reason given'}"
    if item.kind == "top_up":
        return f"Prepaid credits {'granted' if item.granted else 'bought'}"
    if item.meter is None:
        return WALLET_TEXTS[item.kind]
    what = f"{METER_NAMES[item.meter]} of {item.model}"
    if item.meter not in UNITS:
        what += f", prompt tier {item.tier}"
    if _service(item) is not None:
        what += f", served as {_service(item)}"
    return what if item.kind == "usage" else f"Rounding of {what}"


def _service(item: Item) -> str | None:
    """Returns the service tier; None for the standard one, of which nothing is said."""
    return None if item.rate is None or item.rate.service == STANDARD_SERVICE else item.rate.service


def sku(item: Item) -> Cells:
    """Returns the cells of what was bought: a meter of a model in a prompt tier and service tier, or credits."""
    cells: Cells = {
        "x_Meter": item.meter,
        "x_ModelId": item.model,
        "x_PromptTier": item.tier,
        "x_RateEntry": item.rate and item.rate.entry,
    }
    if item.kind == "top_up":
        sku_id = f"{item.provider}/credits"
        lot = "granted" if item.granted else "bought"
        return cells | {"SkuId": sku_id, "SkuPriceId": f"{sku_id}/{lot}", "SkuMeter": "Prepaid Credits"}
    if item.kind != "usage" or item.meter is None:
        return cells
    sku_id = f"{item.provider}/{item.model}/{item.meter}"
    return cells | {
        "ConsumedUnit": UNITS.get(item.meter, "Tokens"),
        "SkuId": sku_id,
        "SkuMeter": METER_NAMES[item.meter],
        "SkuPriceDetails": _price_details(item, item.meter),
        "SkuPriceId": "/".join(filter(None, (sku_id, item.tier, _service(item)))),
    }


def _price_details(item: Item, meter: str) -> str:
    """JSON with what applies to the meter: FOCUS wants no other properties."""
    details = {
        "x_CacheAction": CACHE_ACTIONS.get(meter),
        "x_ModelId": item.model,
        "x_PromptTier": None if meter in UNITS else item.tier,
        "x_ServiceTier": _service(item),
        "x_TokenDirection": DIRECTIONS.get(meter),
    }
    applying = {name: value for name, value in details.items() if value is not None}
    return json.dumps(applying, ensure_ascii=False, separators=(",", ":"))


def tokens_priced(meter: str | None) -> int:
    """Returns the tokens that a unit price is for; of storage a token-hour, FOCUS has no unit of many; or a call."""
    return 1 if meter in UNITS else TOKENS


def prices(item: Item) -> Cells:
    """Currencies, units and unit prices; those of a top-up are its own."""
    unit = "Credits" if item.currency == CREDITS else item.currency
    cells: Cells = {"BillingCurrency": "USD", "PricingCurrency": item.currency, "PricingUnit": unit}
    if item.per_usd_nano is not None:
        cells["x_ConversionRate"] = nano_text(item.per_usd_nano)
    if item.kind == "usage" and item.rate is not None and item.meter is not None:
        tokens = tokens_priced(item.meter)
        unit = UNITS.get(item.meter, f"{tokens} Tokens")
        cells |= {"PricingCategory": "Standard", "PricingUnit": unit}
        return cells | _unit_prices(item.rate.list_pico * tokens, item.rate.pico * tokens, item.per_usd_nano)
    if item.kind in {"rounding", "adjustment"}:
        return cells | _unit_prices(PICO, PICO, item.per_usd_nano)
    if item.kind in {"expired", "drawn"}:
        return cells | _in_pricing_currency("1.0")
    return cells


def _unit_prices(list_pico: int, contracted_pico: int, per_usd_nano: int | None) -> Cells:
    cells: Cells = {}
    for name, price_pico in (("ListUnitPrice", list_pico), ("ContractedUnitPrice", contracted_pico)):
        cells[name] = usd_text(Fraction(price_pico, PICO) * NANO / (per_usd_nano or NANO))
        cells[f"PricingCurrency{name}"] = decimal_text(price_pico, 12)
    return cells


def _in_pricing_currency(price: str) -> Cells:
    return {"PricingCurrencyListUnitPrice": price, "PricingCurrencyContractedUnitPrice": price}


def top_up_prices(price: str) -> Cells:
    """A top-up is priced in USD: what a credit of it cost."""
    cells: Cells = {"PricingCategory": "Standard", "PricingCurrency": "USD", "x_ConversionRate": None}
    return cells | {"ListUnitPrice": price, "ContractedUnitPrice": price} | _in_pricing_currency(price)
