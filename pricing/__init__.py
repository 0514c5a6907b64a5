"""Exact token prices: `TokenUsage` x `RateCard` -> `Charge`. Pure: no SQL, clock, environment or network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pricing.batch import BatchCharges
from pricing.by_card import price_batch, price_usage
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

if TYPE_CHECKING:
    from pricing.catalog import load_rate_cards

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


def __getattr__(name: str) -> object:
    """`load_rate_cards` on first use: reading TOML strictly takes longer to import than all the rest."""
    if name == "load_rate_cards":
        from pricing.catalog import load_rate_cards

        return load_rate_cards
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
