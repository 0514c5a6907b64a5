"""The shape of a rate card file: the tables and keys that it may have, and their types."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from pricing.money import INT64_MAX, SettlementMode

Limit = Annotated[int, msgspec.Meta(ge=1, le=INT64_MAX)]
ServiceMeter = Literal["input", "cached_input", "output", "cache_write_5m", "cache_write_1h"]
ContractMeter = Literal[ServiceMeter, "cache_storage", "call"]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class TierShape(_Strict, frozen=True):
    input: str
    output: str
    cached_input: str | None = None
    cache_write_5m: str | None = None
    cache_write_1h: str | None = None
    up_to: Limit | None = None
    output_up_to: Limit | None = None


class ServiceShape(_Strict, frozen=True):
    names: Annotated[list[str], msgspec.Meta(min_length=1)]
    tiers: Annotated[list[TierShape], msgspec.Meta(min_length=1)] | None = None
    factor: str | None = None
    meters: Annotated[list[ServiceMeter], msgspec.Meta(min_length=1)] | None = None
    source_url: str | None = None
    checked_on: Any = None
    derived: bool = False


class PriceShape(_Strict, frozen=True):
    effective_from: Any
    tiers: Annotated[list[TierShape], msgspec.Meta(min_length=1)]
    effective_to: Any = None
    service: list[ServiceShape] = []
    cache_storage_per_hour: str | None = None
    per_call: str | None = None
    source_url: str | None = None
    checked_on: Any = None
    derived: bool = False


class ModelShape(_Strict, frozen=True):
    id: str
    aliases: list[str] = []
    max_input_tokens: Limit | None = None
    max_output_tokens: Limit | None = None
    price: list[PriceShape] = []


class ConversionShape(_Strict, frozen=True):
    per_usd: str
    effective_from: Any
    source_url: str | None = None
    checked_on: Any = None


class SettlementShape(_Strict, frozen=True):
    quantum: str
    mode: SettlementMode
    minimum: str = "0"


class ContractShape(_Strict, frozen=True):
    name: str
    effective_from: Any
    effective_to: Any = None
    models: list[str] = []
    service_tiers: list[str] = []
    tiers: Annotated[list[TierShape], msgspec.Meta(min_length=1)] | None = None
    factor: str | None = None
    meters: Annotated[list[ContractMeter], msgspec.Meta(min_length=1)] | None = None
    source_url: str | None = None
    checked_on: Any = None


class CardShape(_Strict, frozen=True):
    provider: str
    currency: str
    per_tokens: Limit | None = None
    conversion: list[ConversionShape] = []
    model: list[ModelShape] = []
    settlement: SettlementShape | None = None
    contract: list[ContractShape] = []
