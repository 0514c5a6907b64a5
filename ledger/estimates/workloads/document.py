"""The JSON that `estimate --config` writes and `diff` reads: counts, prices and money.

Money and rates are plain decimals in strings. `usd…_low` and `…_high` are the ends of the range that a token count has;
the high end also takes the worst-case output, where one is given. What can't be priced, beyond the card's top tier, is
null and its workload `over_limit`. A month is 30 days.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import msgspec

from ledger.values.amounts import Amount

SCHEMA = 1

Status: TypeAlias = Literal["ok", "over_limit"]
Level: TypeAlias = Literal["fail", "warn"]
OutputBasis: TypeAlias = Literal["given", "ledger", "profile", "none"]


class PromptEntry(msgspec.Struct, kw_only=True):
    """One request: counts, tier (its `up_to`; null without bound or price) and costs."""

    name: str
    input_tokens: int
    input_tokens_low: int
    input_tokens_high: int
    cached_input_tokens: int
    output_tokens: int
    tier: int | None
    amount: str | None
    usd: str | None
    usd_low: str | None
    usd_high: str | None
    warnings: list[str] = []
    max_output_tokens: int | None = None
    message_overhead_tokens: int = 0


def said_once(warnings: Iterable[tuple[str, str]]) -> list[str]:
    """Joins the names that have the same warning: "a.md and 2 more: …"."""
    names: dict[str, list[str]] = {}
    for name, text in warnings:
        names.setdefault(text, []).append(name)
    return [f"{of[0]}{f' and {len(of) - 1:,} more' if len(of) > 1 else ''}: {text}" for text, of in names.items()]


class GateResult(msgspec.Struct, kw_only=True):
    """One limit: `value` was compared with it, in its own units; null where there was none.

    Of a workload: `max_usd_per_request` and `max_usd_per_month` where it has them, and `max_input_tokens` where a
    prompt is longer than the card prices.
    """

    name: str
    limit: str
    value: str | None
    level: Level = "fail"
    passed: bool


def hold_within(limit: Amount, value: Amount | None, *, name: str, level: Level = "fail") -> GateResult:
    """Compares as printed: the limit itself passes, no value fails."""
    return GateResult(
        name=name,
        limit=limit.text,
        value=None if value is None else value.text,
        level=level,
        passed=value is not None and value.nano <= limit.nano,
    )


class WorkloadEntry(msgspec.Struct, kw_only=True):
    """One workload: alternative requests spread evenly, so that a request costs their mean.

    `card` is the key of the price entry, found in the document's `rates`; `per_usd` the conversion, null for USD.
    `model` is the card's own name of it. Money of a month is null where a prompt has no price. `warnings` are of the
    workload as a whole; prompts have their own.
    """

    name: str
    model: str
    project: str | None
    status: Status
    prompts: list[PromptEntry]
    requests_per_month: int
    usd_per_request: str | None
    usd_per_month: str | None
    gates: list[GateResult] = []
    warnings: list[str] = []
    usd_per_month_low: str | None
    usd_per_month_high: str | None
    amount_per_month: str | None
    currency: str
    per_usd: str | None
    card: str
    output_basis: OutputBasis
    extra_input_tokens: int = 0


class Total(msgspec.Struct, kw_only=True):
    """A month of all workloads with a price; `amount` is null where currencies differ."""

    amount: str | None
    currency: str | None
    usd: str
    usd_low: str
    usd_high: str


class WorkloadsDocument(msgspec.Struct, kw_only=True):
    """`estimate --config --json`.

    `rates` holds the price entries by key, as `RateEntry.content()` states them; `calibration` what corrected the
    counts, by model, null where nothing did.
    """

    schema: int = SCHEMA
    encoding: str
    calibration: dict[str, Any] | None
    workloads: list[WorkloadEntry]
    rates: dict[str, dict[str, Any]]
    total: Total
