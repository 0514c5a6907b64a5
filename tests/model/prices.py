"""Prices of the model: the shipped figures written down again, and what a request costs by them, in decimals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple, TypeAlias

CODE, PRO, LITE, MINI = (f"doubao-seed-2.0-{name}" for name in ("code", "pro", "lite", "mini"))
NEXT = "doubao-seed-3.0"  # on no shipped card
NANO = Decimal("1e-9")
MOST_INPUT = 256_000
CURRENCY = {"evolink": "CRD", "volcengine": "CNY"}
FIRST_DAY = "2026-02-01"


@dataclass(frozen=True)
class Usage:
    """A usage record: a request, or with `end` the storage of `input` tokens from `at` to it."""

    request_id: str
    at: str
    model: str = PRO
    project: str = "unassigned"
    input: int = 1_000
    cached: int = 0
    output: int = 0
    source: str = "evolink"
    status: str = "completed"
    end: str = ""

    def __repr__(self) -> str:
        """The fields that aren't the default."""
        defaults = type(self)(self.request_id, self.at)
        changed = [f", {name}={value!r}" for name, value in vars(self).items() if value != getattr(defaults, name)]
        return f"Usage({self.request_id!r}, {self.at!r}{''.join(changed)})"

    @property
    def provider(self) -> str:
        return "volcengine" if self.source == "volcengine" else "evolink"

    @property
    def kind(self) -> str:
        return "cache_storage" if self.end else "request"

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.source, self.kind, self.request_id

    @property
    def facts(self) -> tuple[object, ...]:
        """The facts that must agree for the same id to be a duplicate."""
        counts = (self.input, self.cached, self.output)
        return (self.provider, self.at[:19], self.status, self.model, *counts, self.end[:19])

    @property
    def tokens(self) -> tuple[int, int, int, int]:
        """Tokens by meter: uncached input, cached input, output, storage."""
        if self.end:
            return 0, 0, 0, self.input
        return self.input - self.cached, self.cached, self.output, 0


class Tier(NamedTuple):
    """Rates of prompts up to so many tokens, for a million of them."""

    up_to: int
    input: Decimal
    cached: Decimal
    output: Decimal


class Entry(NamedTuple):
    """A dated price; `storage` is for a million tokens and an hour."""

    start: str
    tiers: tuple[Tier, ...]
    storage: Decimal | None


class Price(NamedTuple):
    """The price of a record: amounts by meter, with the entry and the conversion (start, units for 1 USD) behind it."""

    currency: str
    model: str
    tier: str
    amounts: tuple[Decimal, ...]
    entry: Entry | None
    converted_from: str
    per_usd: Decimal


Entries: TypeAlias = dict[tuple[str, str], dict[str, Entry]]  # by provider and model, then by start
Conversions: TypeAlias = dict[str, dict[str, Decimal]]  # by provider, then by start


def _shipped(inputs: str, cached: str, outputs: str, storage: str) -> dict[str, Entry]:
    columns = [[Decimal(text) for text in texts.split()] for texts in (inputs, cached, outputs)]
    tiers = tuple(map(Tier, (32_000, 128_000, 256_000), *columns))
    return {FIRST_DAY: Entry(FIRST_DAY, tiers, Decimal(storage))}


def shipped_entries() -> Entries:
    """Returns credits, and CNY of the second card, for a million tokens."""
    return {
        ("evolink", PRO): _shipped("32 48 96", "6.4 6.4 6.4", "160 240 480", "0.17"),
        ("evolink", CODE): _shipped("32 48 96", "6.4 6.4 6.4", "160 240 480", "0.17"),
        ("evolink", LITE): _shipped("6 9 18", "1.2 1.2 1.2", "36 54 108", "0.17"),
        ("evolink", MINI): _shipped("2 4 8", "0.4 0.4 0.4", "20 40 80", "0.17"),
        ("volcengine", PRO): _shipped("3.2 4.8 9.6", "0.64 0.96 1.92", "16 24 48", "0.017"),
        ("volcengine", CODE): _shipped("3.2 4.8 9.6", "0.64 0.96 1.92", "16 24 48", "0.017"),
        ("volcengine", LITE): _shipped("0.6 0.9 1.8", "0.12 0.18 0.36", "3.6 5.4 10.8", "0.017"),
        ("volcengine", MINI): _shipped("0.2 0.4 0.8", "0.04 0.08 0.16", "2 4 8", "0.017"),
    }


def shipped_conversions() -> Conversions:
    return {"evolink": {FIRST_DAY: Decimal(72)}, "volcengine": {FIRST_DAY: Decimal("7.2")}}


def latest(dated: Mapping[str, object], at: str) -> str | None:
    """Returns the last start that isn't after a time; None where there is none."""
    return max((start for start in dated if start <= at[:10]), default=None)


def priced(usage: Usage, entries: Entries, conversions: Conversions) -> Price | None:
    """Prices a record by what is in force; None where it can't be."""
    of_model = entries.get((usage.provider, usage.model), {})
    start, converted_from = latest(of_model, usage.at), latest(conversions[usage.provider], usage.at)
    if start is None or converted_from is None:
        return None
    entry, per_usd = of_model[start], conversions[usage.provider][converted_from]
    if usage.end:
        if entry.storage is None:
            return None
        tier, rates = "none", (Decimal(0), Decimal(0), Decimal(0), entry.storage * hours(usage.at, usage.end))
    else:
        found = [tier for tier in entry.tiers if usage.input <= tier.up_to]
        if not found or usage.input > MOST_INPUT:
            return None
        tier, rates = str(found[0].up_to), (*found[0][1:], Decimal(0))
    amounts = [(count * rate / 1_000_000).quantize(NANO, ROUND_HALF_EVEN)
               for count, rate in zip(usage.tokens, rates, strict=True)]  # fmt: skip
    currency = CURRENCY[usage.provider]
    return Price(currency, usage.model, tier, tuple(amounts), entry, converted_from, per_usd)


def hours(start: str, end: str) -> int:
    """Counts the clock hours that [start, end) touches."""
    first, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
    hour = first.replace(minute=0, second=0, microsecond=0)
    count = 0
    while hour < last:
        hour, count = hour + timedelta(hours=1), count + 1
    return count
