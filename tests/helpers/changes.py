"""Estimates of workloads built by hand from counts, priced by the cards, for comparisons of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from ledger.estimates.changes.causes import Side
from ledger.estimates.workloads.document import (
    COUNTING,
    GateResult,
    PromptEntry,
    Total,
    WorkloadEntry,
    WorkloadsDocument,
)
from pricing import RateCard, TokenUsage, load_rate_cards
from pricing.charge import price_entry
from pricing.money import NANO, divide_half_even, format_nano, format_usd
from pricing.rate_entry import RateEntry

AT = datetime(2026, 3, 1, tzinfo=UTC)
CODE, PRO, LITE, MINI = (f"doubao-seed-2.0-{name}" for name in ("code", "pro", "lite", "mini"))
CARDS = load_rate_cards()
EVOLINK = CARDS["evolink"]
VOLCENGINE = CARDS["volcengine"]


def changed_card(**rates_of_tier: int) -> RateCard:
    """The card with the first tier's rates of the coding model changed."""
    entry = EVOLINK.entry_at(CODE, AT)
    first = replace(entry.tiers[0], **rates_of_tier)
    entry = replace(entry, tiers=(first, *entry.tiers[1:]))
    rates = replace(EVOLINK.models[CODE], entries=(entry,))
    return RateCard("evolink", "CRD", {**EVOLINK.models, CODE: rates}, EVOLINK.conversions)


def prompt(
    entry: RateEntry, per_usd: Fraction, input_tokens: int, *, cached: int, output: int, name: str
) -> PromptEntry:
    """One request; beyond the card's top tier it has no price."""
    tier = entry.tier_for(input_tokens, output)
    nano = None if tier is None else price_entry(entry, TokenUsage(input_tokens, cached, output)).amount_nano
    usd = None if nano is None else format_usd(Fraction(nano, NANO) / per_usd)
    return PromptEntry(
        name=name,
        input_tokens=input_tokens,
        input_tokens_low=input_tokens * 4 // 5,
        input_tokens_high=-(-input_tokens * 6 // 5),
        cached_input_tokens=cached,
        output_tokens=output,
        tier=None if tier is None else tier.up_to,
        tier_output=None if tier is None else tier.output_up_to,
        amount=None if nano is None else format_nano(nano),
        usd=usd,
        usd_low=usd,
        usd_high=usd,
    )


def workload(
    name: str,
    *inputs: int,
    model: str = CODE,
    requests: int = 1_000,
    cached: int = 0,
    output: int = 0,
    extra: int = 0,
    project: str | None = None,
    card: RateCard = EVOLINK,
    gates: Sequence[GateResult] = (),
    warnings: Sequence[str] = (),
) -> WorkloadEntry:
    """A workload of one prompt for each of `inputs`, named a.txt, b.txt and so on."""
    entry = card.entry_at(model, AT)
    conversion = card.conversion_at(AT)
    per_usd = Fraction(1) if conversion is None else Fraction(conversion.per_usd_nano, NANO)
    prompts = [
        prompt(entry, per_usd, tokens, cached=cached, output=output, name=f"{'abcdefgh'[number]}.txt")
        for number, tokens in enumerate(inputs)
    ]
    amounts = [Fraction(one.amount) for one in prompts if one.amount is not None]
    month = sum(amounts, Fraction()) * requests / len(prompts) if len(amounts) == len(prompts) else None
    usd = None if month is None else format_usd(month / per_usd)
    return WorkloadEntry(
        name=name,
        model=model,
        project=project,
        status="ok" if usd is not None and all(gate.passed for gate in gates) else "over_limit",
        card=entry.key,
        currency=card.currency,
        per_usd=None if conversion is None else format_nano(conversion.per_usd_nano),
        output_basis="given",
        extra_input_tokens=extra,
        prompts=prompts,
        requests_per_month=requests,
        usd_per_request=None,
        amount_per_month=None if month is None else format_nano(nano_of(month)),
        usd_per_month=usd,
        usd_per_month_low=usd,
        usd_per_month_high=usd,
        gates=list(gates),
        warnings=list(warnings),
    )


def side(*workloads: WorkloadEntry, cards: Sequence[RateCard] = (EVOLINK, VOLCENGINE), **changes: Any) -> Side:
    """An estimate of the workloads, as a side of a comparison."""
    return Side(document(*workloads, cards=cards, **changes), "estimate.json")


def document(
    *workloads: WorkloadEntry, cards: Sequence[RateCard] = (EVOLINK, VOLCENGINE), **changes: Any
) -> WorkloadsDocument:
    entries = [entry for card in cards for rates in card.models.values() if (entry := rates.entry_at(AT)) is not None]
    used = {one.card for one in workloads}
    currencies = {one.currency for one in workloads}
    usd = sum((Fraction(one.usd_per_month) for one in workloads if one.usd_per_month is not None), Fraction())
    amount = sum((Fraction(one.amount_per_month) for one in workloads if one.amount_per_month is not None), Fraction())
    total = Total(
        amount=format_nano(nano_of(amount)) if len(currencies) == 1 else None,
        currency=next(iter(currencies)) if len(currencies) == 1 else None,
        usd=format_usd(usd),
        usd_low=format_usd(usd),
        usd_high=format_usd(usd),
    )
    facts: dict[str, Any] = {
        "encoding": "o200k_base",
        "calibration": None,
        "workloads": list(workloads),
        "rates": {entry.key: json.loads(entry.content()) for entry in entries if entry.key in used},
        "total": total,
        "counting": COUNTING,
    }
    return WorkloadsDocument(**(facts | changes))


def nano_of(value: Fraction) -> int:
    return divide_half_even(value.numerator * NANO, value.denominator)


def usd(credits_per_month: Fraction | float, per_usd: int = 72) -> str:
    """Credits a month as USD, as it is printed."""
    return format_usd(Fraction(credits_per_month) / per_usd)
