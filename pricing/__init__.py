"""Exact token prices: `TokenUsage` x `RateCard` -> `Charge`. Pure: no SQL, clock, environment or network.

Each name is imported when it is first asked for: who reads prices, as reports do, needs no rating of columns.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pricing.batch import BatchCharges
    from pricing.by_card import price_batch, price_usage
    from pricing.catalog import load_rate_cards
    from pricing.charge import Charge, ChargeLine
    from pricing.columns import ModelColumn
    from pricing.errors import (
        AmountOverflow,
        InvalidUsage,
        MissingRate,
        NoConversionInEffect,
        NoRateInEffect,
        PricingError,
        RateCardError,
        UnknownCard,
        UnknownModel,
        UnpricedUsage,
    )
    from pricing.rate_card import RateCard
    from pricing.usage import TokenUsage

__all__ = [
    "AmountOverflow",
    "BatchCharges",
    "Charge",
    "ChargeLine",
    "InvalidUsage",
    "MissingRate",
    "ModelColumn",
    "NoConversionInEffect",
    "NoRateInEffect",
    "PricingError",
    "RateCard",
    "RateCardError",
    "TokenUsage",
    "UnknownCard",
    "UnknownModel",
    "UnpricedUsage",
    "load_rate_cards",
    "price_batch",
    "price_usage",
]

# The module of each name that isn't an error's.
_HOMES = {
    "BatchCharges": "batch",
    "Charge": "charge",
    "ChargeLine": "charge",
    "ModelColumn": "columns",
    "RateCard": "rate_card",
    "TokenUsage": "usage",
    "load_rate_cards": "catalog",
    "price_batch": "by_card",
    "price_usage": "by_card",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the names above
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"pricing.{_HOMES.get(name, 'errors')}"), name)
    return found


def __dir__() -> list[str]:
    return __all__
