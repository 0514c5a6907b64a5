"""`tollbook rates`: rate cards and conversions, listed, shown and added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from ledger.cli.app import App
from ledger.cli.command import command, group
from ledger.cli.commands.rates_import import import_rates
from ledger.cli.show.output import Output, note
from ledger.cli.show.sheet import Cell, Column, Sheet, columns
from ledger.errors import LedgerError
from ledger.values.periods import parse_length
from ledger.values.words import counted
from pricing.money import PICO_PER_NANO, TOKENS_OF_RATE, format_pico
from pricing.names import with_question
from pricing.rate_entry import format_instant

if TYPE_CHECKING:
    from ledger.store.database import Database
    from pricing.money import Conversion
    from pricing.rate_card import ModelRates, RateCard
    from pricing.rate_entry import RateEntry


@group("tollbook rates list --provider evolink", "tollbook rates add july-prices.toml")
def rates() -> None:
    """Rate cards and conversions: list, show, add, import."""


rates.add_command(import_rates)


def _card(cards: Mapping[str, RateCard], provider: str) -> RateCard:
    if provider not in cards:
        raise LedgerError(f"provider {provider!r} has no rate card: known are {', '.join(sorted(cards))}")
    return cards[provider]


def _chosen(app: App, provider: str | None) -> list[RateCard]:
    """That provider's card, else all by name."""
    cards = app.cards()
    return [_card(cards, provider)] if provider else [cards[name] for name in sorted(cards)]


_only_provider = click.option("--provider", metavar="P", help="Only that provider's card.")


@command(
    "tollbook rates list",
    "tollbook rates list --provider evolink --format csv",
    "tollbook rates list --stale 60d",
    within=rates,
    name="list",
)
@_only_provider
@click.option(
    "--stale",
    metavar="LENGTH",
    help="Only prices read longer ago than days or weeks such as 60d, or on no known day.",
)
def list_rates(app: App, provider: str | None, stale: str | None, output: Output) -> None:
    """List every dated price, per 1M tokens, tier by tier."""
    models = [model for card in _chosen(app, provider) for model in card.models.values()]
    entries = [entry for model in models for entry in _entries(model)]
    title = "Prices per 1M tokens"
    if stale is not None:
        oldest = (datetime.now(UTC) - parse_length(stale, "--stale")).date()
        entries = [entry for entry in entries if entry.checked_on is None or entry.checked_on < oldest]
        title += f", read before {oldest} or on no known day"
    output.write(_sheet(title, entries))


_COLUMNS = (
    *columns("text", "provider", "model", "effective_from"),
    *columns("text", "service_tier", "contract", priority=5),
    *columns("text", "tier", "currency"),
    *columns("money", "input", "cached_input", "output"),
    Column("cache_storage_per_hour", "money", 2),
    *columns("money", "cache_write_5m", "cache_write_1h", priority=5),
    Column("per_call", "decimal", 5),
    Column("derived", "flag", 1),
    Column("source_url", priority=4),
    Column("checked_on", priority=3),
)


def _sheet(title: str, entries: Sequence[RateEntry], footnotes: Sequence[str] = ()) -> Sheet:
    """Returns a row a tier; a narrow table leaves out what few cards have only where there is none of it."""
    tiers = [tier for entry in entries for tier in entry.tiers]
    there = {
        "service_tier": any(entry.service_names for entry in entries),
        "contract": any(e.contract for e in entries),
        "cache_write_5m": any(tier.cache_write_5m_pico is not None for tier in tiers),
        "cache_write_1h": any(tier.cache_write_1h_pico is not None for tier in tiers),
        "per_call": any(entry.call_pico is not None for entry in entries),
    }
    shown = [replace(column, priority=0) if there.get(column.name) else column for column in _COLUMNS]
    return Sheet(title, shown, [row for entry in entries for row in _tier_rows(entry)], footnotes=footnotes)


def _entries(model: ModelRates) -> list[RateEntry]:
    return [served for entry in model.entries for served in entry.variants]


def _tier_rows(entry: RateEntry) -> list[tuple[Cell, ...]]:
    def per_million(pico: int | None) -> int | None:
        return None if pico is None else pico * TOKENS_OF_RATE // PICO_PER_NANO

    return [
        (
            entry.provider,
            entry.model,
            format_instant(entry.effective_from),
            ", ".join(entry.service_names) or entry.service,
            entry.contract,
            tier.label,
            entry.currency,
            per_million(tier.input_pico),
            per_million(tier.cached_input_pico),
            per_million(tier.output_pico),
            per_million(entry.cache_storage_pico),
            per_million(tier.cache_write_5m_pico),
            per_million(tier.cache_write_1h_pico),
            None if entry.call_pico is None else format_pico(entry.call_pico),
            entry.derived,
            *_source(entry),
        )
        for tier in entry.tiers
    ]


def _source(dated: RateEntry | Conversion) -> tuple[str, str]:
    """The source of a price or conversion and the day of its reading, empty if unknown."""
    return dated.source_url or "", dated.checked_on.isoformat() if dated.checked_on else ""


@command(
    "tollbook rates show doubao-seed-2.0-pro",
    "tollbook rates show doubao-seed-2-0-code-preview-260215 --provider volcengine",
    within=rates,
)
@click.argument("model")
@_only_provider
def show(app: App, model: str, provider: str | None, output: Output) -> None:
    """Show a model's prices by date and tier, found by id or alias."""
    chosen = _chosen(app, provider)
    found = [(card, card.models[name]) for card in chosen if (name := card.resolve(model)) is not None]
    if not found:
        known = sorted({name for card in chosen for name in card.models})
        question = next(filter(None, (card.did_you_mean(model) for card in chosen)), "")
        are = with_question(question, f"known are {', '.join(known)}")
        raise LedgerError(f"no card knows the model {model!r}: {are}")
    notes = [
        f"{card.provider}: at most {rates_of.max_input_tokens or 'any'} input and "
        f"{rates_of.max_output_tokens or 'any'} output tokens; "
        f"also known as {', '.join(rates_of.aliases) or 'nothing else'}"
        for card, rates_of in found
    ]
    entries = [entry for _card, rates_of in found for entry in _entries(rates_of)]
    output.write(_sheet(f"{found[0][1].id}, prices per 1M tokens", entries, notes))


@command(
    "tollbook rates add july-prices.toml",
    "tollbook rates add corrected.toml --replace --reason 'page said 6.4, not 4.6'",
    within=rates,
    shows=None,
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Correct entries of the same start; the old version is kept.")
@click.option("--reason", metavar="R", help="Why; needed with --replace.")
def add(app: App, file: Path, replace: bool, reason: str | None) -> None:
    """Lay a card file over those in force. No posted charge changes."""
    from ledger.book.prices.changes import add_card
    from pricing.card_file import parse_card

    reason_to_replace = _reason(replace, reason)
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise LedgerError(f"{file}: is not UTF-8 text: {error}") from error
    card = parse_card(text, str(file))
    database = app.open(create=True)
    with database.writing() as connection:
        added = add_card(connection, card, replace_with_reason=reason_to_replace)
    if not added:
        click.echo("nothing new: every entry is in force already", err=True)
        return
    for fact in added:
        click.echo(f"added {fact}", err=True)
    _tell_differing(database, card.provider)


def _reason(replace: bool, reason: str | None) -> str | None:
    if replace and not (reason or "").strip():
        raise LedgerError("--replace needs --reason R: it is kept with the new version")
    return reason if replace else None


def _tell_differing(database: Database, provider: str) -> None:
    """Counts the charges with other figures than those in force now, which may take long: nobody has to wait for it."""
    from ledger.book.prices.changes import charges_priced_otherwise
    from ledger.book.without_rows import left_out, provider_without_rows

    with database.reading() as connection:
        count = charges_priced_otherwise(connection, provider)
        uncounted = left_out(provider_without_rows(connection, provider))
    if count:
        noun = "posted charge has other figures and stays as it is"
        nouns = "posted charges have other figures and stay as they are"
        note(f"{counted(count, noun, nouns)}: 'tollbook reprice' corrects them")
    for text in uncounted:
        note(f"charges with other figures were counted {text}")


@group("tollbook rates conversion add --per-usd 68 --from 2026-11-01", within=rates)
def conversion() -> None:
    """Units of a card's currency for 1 USD: add, list."""


@command(
    "tollbook rates conversion add --per-usd 68 --from 2026-11-01 --source-url https://evolink.ai/pricing",
    within=conversion,
    name="add",
    shows=None,
)
@click.option("--per-usd", required=True, metavar="N", help="Units of the card's currency for 1 USD.")
@click.option(
    "--from", "start", required=True, metavar="DATE", help="First day (UTC midnight), or a time with an offset."
)
@click.option("--provider", metavar="P", help="Whose card. Default: [ledger] provider, evolink.")
@click.option("--source-url", metavar="URL", help="Where it was read.")
@click.option("--checked-on", type=click.DateTime(["%Y-%m-%d"]), help="When it was read. Default: today.")
@click.option("--replace", is_flag=True, help="Correct the conversion of the same start; the old one is kept.")
@click.option("--reason", metavar="R", help="Why; needed with --replace.")
def add_conversion(
    app: App,
    *,
    per_usd: str,
    start: str,
    provider: str | None,
    source_url: str | None,
    checked_on: datetime | None,
    replace: bool,
    reason: str | None,
) -> None:
    """Add a conversion from a date on. No posted charge changes."""
    from ledger.book.prices.changes import add_user_conversion
    from ledger.book.prices.in_force import cards_in_force
    from ledger.values.periods import parse_moment
    from pricing.money import INT64_MAX, NANO, Conversion, parse_units

    reason_to_replace = _reason(replace, reason)
    try:
        per_usd_nano = parse_units(per_usd, NANO)
    except ValueError as error:
        raise LedgerError(f"--per-usd {per_usd!r}: give a plain decimal of at most 9 places, such as 68") from error
    if not 0 < per_usd_nano <= INT64_MAX:
        raise LedgerError(f"--per-usd {per_usd}: must be above 0 and below 9 billion")
    name = app.provider(provider)
    database = app.open(create=True)
    with database.writing() as connection:
        card = _card(cards_in_force(connection), name)
        if card.currency == "USD":
            raise LedgerError(f"the card of {name} is in USD: it needs no conversion")
        checked = (checked_on or datetime.now(UTC)).date()
        new = Conversion(card.currency, per_usd_nano, parse_moment(start, UTC, "--from"), source_url, checked)
        added = add_user_conversion(connection, card, new, replace_with_reason=reason_to_replace)
    click.echo(f"{'added' if added else 'in force already'}: {per_usd} {card.currency} = 1 USD from {start}", err=True)
    if added:
        _tell_differing(database, name)


_CONVERSION_COLUMNS = (
    *columns("text", "provider", "currency"),
    Column("per_usd", "money"),
    Column("effective_from"),
    Column("source_url", priority=1),
    Column("checked_on"),
)


@command("tollbook rates conversion list --json", within=conversion, name="list")
def list_conversions(app: App, output: Output) -> None:
    """List the conversions in force, by provider and start."""
    rows = [
        (card.provider, card.currency, item.per_usd_nano, format_instant(item.effective_from), *_source(item))
        for _name, card in sorted(app.cards().items())
        for item in card.conversions
    ]
    output.write(Sheet("Conversions to USD", _CONVERSION_COLUMNS, rows))
