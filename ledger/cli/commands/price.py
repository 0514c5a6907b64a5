"""`tollbook price`: one request's exact cost by the cards in force."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ledger.cli.app import App
from ledger.cli.command import at_option, card_options, command, service_tier_option
from ledger.cli.show.output import Output
from ledger.cli.show.sheet import Column, Sheet, json_row
from ledger.values.periods import parse_moment
from pricing.by_card import price_usage
from pricing.charge import Charge, ChargeLine
from pricing.money import format_nano, format_pico
from pricing.rate_entry import STANDARD_SERVICE, format_instant
from pricing.usage import TokenUsage

TOKENS_OF_RATE = 1_000_000
COLUMNS = (
    Column("meter"),
    Column("tokens", "count"),
    Column("rate", "decimal"),
    Column("amount", "money", exact=True),
    Column("currency"),
)


@command(
    "tollbook price --model doubao-seed-2.0-code --input-tokens 40000 --output-tokens 2000",
    "tollbook price --model doubao-seed-2.0-lite --input-tokens 40000 --cached-tokens 30000 --json",
    "tollbook price --model doubao-seed-2.0-pro --input-tokens 32001 --provider volcengine --at 2026-03-01",
)
@click.option("--model", metavar="M", required=True, help="Model or alias on the rate card.")
@click.option("--input-tokens", metavar="N", type=int, required=True, help="All input tokens, cached ones included.")
@click.option("--cached-tokens", metavar="N", type=int, default=0, help="The part of the input read from cache.")
@click.option("--output-tokens", metavar="N", type=int, default=0, help="All output tokens, reasoning included.")
@click.option("--cache-write-5m-tokens", metavar="N", type=int, default=0, help="The part put in cache for 5 minutes.")
@click.option("--cache-write-1h-tokens", metavar="N", type=int, default=0, help="The part put in cache for 1 hour.")
@click.option("--calls", metavar="N", type=int, default=0, help="Calls of tools priced a call, such as web searches.")
@service_tier_option
@at_option
@card_options
def price(
    app: App,
    /,
    *,
    model: str,
    input_tokens: int,
    cached_tokens: int,
    output_tokens: int,
    cache_write_5m_tokens: int,
    cache_write_1h_tokens: int,
    calls: int,
    service_tier: str | None,
    at: str | None,
    provider: str | None,
    rates: tuple[str, ...],
    output: Output,
) -> None:
    """Price one request: the whole prompt picks the tier, which sets every rate."""
    moment = datetime.now(UTC) if at is None else parse_moment(at, UTC, "--at")
    usage = TokenUsage(
        input_tokens,
        cached_tokens,
        output_tokens,
        cache_write_5m_tokens=cache_write_5m_tokens,
        cache_write_1h_tokens=cache_write_1h_tokens,
        calls=calls,
    )
    card = app.card(provider, *rates)
    charge = price_usage(usage, card=card, model=model, at=moment, service_tier=service_tier)
    output.write(_sheet(charge, usage))


def _rate(line: ChargeLine) -> str:
    """Returns the rate for 1M tokens, or for a call."""
    return format_pico(line.rate_pico * (1 if line.meter == "call" else TOKENS_OF_RATE))


def _sheet(charge: Charge, usage: TokenUsage) -> Sheet:
    entry, tier, conversion = charge.entry, charge.tier, charge.conversion
    assert tier is not None
    rows = [(line.meter, line.tokens, _rate(line), line.amount_nano, charge.currency) for line in charge.lines]
    usd = format_nano(charge.usd_nano)
    amount = format_nano(charge.amount_nano)
    document = {
        "provider": entry.provider,
        "model": entry.model,
        "card": entry.key,
        "tier": tier.up_to,
        "tier_output": tier.output_up_to,
        "service_tier": entry.service,
        "effective_from": format_instant(entry.effective_from),
        "currency": charge.currency,
        "input_tokens": usage.input_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_write_5m_tokens": usage.cache_write_5m_tokens,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "calls": usage.calls,
        "lines": [json_row(COLUMNS[:-1], row[:-1]) for row in rows],
        "amount": amount,
        "usd": usd,
    }
    bound = "tier without bound" if tier.up_to is None else f"tier up to {tier.up_to:,} tokens"
    if tier.output_up_to is not None:
        bound += f" with answers of up to {tier.output_up_to:,}"
    served = "" if entry.service == STANDARD_SERVICE else f" served as {entry.service}"
    converted = (
        "" if conversion is None else f" at {format_nano(conversion.per_usd_nano)} {conversion.currency} = 1 USD"
    )
    unit = "for 1M tokens, or a call" if usage.calls else "for 1M tokens"
    return Sheet(
        f"{entry.model} at {entry.provider}{served}, {bound}; rates {unit}",
        COLUMNS,
        rows,
        (None, None, None, charge.amount_nano, None),
        document=document,
        footnotes=[f"{amount} {charge.currency} is {usd} USD{converted}; prices {entry.key}"],
    )
