"""Cards and conversions that a user adds, and what they change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from ledger.book.charges import is_live
from ledger.book.prices.in_force import cards_in_force
from ledger.book.prices.pins import PinnedIds, add_conversion, add_version
from ledger.errors import LedgerError
from ledger.store.expressions import column_within
from ledger.store.tables import charges, rollup_keys, usage_records
from pricing.card_file import CardFile
from pricing.catalog import changed_entries
from pricing.money import Conversion, format_nano
from pricing.rate_card import ModelRates, RateCard
from pricing.rate_entry import STANDARD_NAMES, RateEntry


def add_card(connection: Connection, file: CardFile, *, replace_with_reason: str | None) -> list[str]:
    """Lays a user's card over those in force; returns what changed in words, nothing where the card adds nothing.

    An entry with a known start and other figures raises LedgerError unless a reason to replace it is given.
    """
    before = cards_in_force(connection)
    current = before.get(file.provider)
    changed = changed_entries(current, file)
    if changed and replace_with_reason is None:
        raise LedgerError(
            f"{file.name}: {', '.join(changed)} is known with other figures: give a new effective_from, or "
            "--replace --reason R to correct the entry (the old version is kept)"
        )
    after = cards_in_force(connection, [file])[file.provider]
    added = sorted(_facts(after) - (_facts(current) if current else set()))
    if not added:
        return []
    add_version(connection, file, origin="user", reason=replace_with_reason)
    _overrule_conversions(connection, current, file, replace_with_reason)
    pins = PinnedIds()
    pins.pin(connection, [after])
    return added


def _overrule_conversions(connection: Connection, current: RateCard | None, file: CardFile, reason: str | None) -> None:
    """Adds a corrected conversion as a command's too: those of commands overrule the ones in card files."""
    standing = {known.effective_from: known.per_usd_nano for known in current.conversions} if current else {}
    for conversion in file.conversions:
        if standing.get(conversion.effective_from, conversion.per_usd_nano) != conversion.per_usd_nano:
            add_conversion(connection, file.provider, conversion, origin="user", reason=reason)


def _facts(card: RateCard) -> set[str]:
    facts = {f"entry {entry.key}" for entry in card.entries()}
    facts |= {f"model {model.id} known as {alias}" for model in card.models.values() for alias in model.aliases}
    facts |= {f"conversion {_words(conversion)}" for conversion in card.conversions}
    return facts


def _words(conversion: Conversion) -> str:
    per_usd = format_nano(conversion.per_usd_nano)
    return f"{per_usd} {conversion.currency} = 1 USD from {conversion.effective_from:%Y-%m-%d}"


def add_user_conversion(
    connection: Connection, card: RateCard, conversion: Conversion, *, replace_with_reason: str | None
) -> bool:
    """Adds a dated conversion; False where it is in force already, LedgerError where its start has another figure."""
    if conversion.effective_from < card.conversions[0].effective_from:
        raise LedgerError(
            f"conversion from {conversion.effective_from:%Y-%m-%d}: the card's first day is "
            f"{card.conversions[0].effective_from:%Y-%m-%d}; give that day or a later one"
        )
    for known in card.conversions:
        if known.effective_from == conversion.effective_from:
            if known.per_usd_nano == conversion.per_usd_nano:
                return False
            if replace_with_reason is None:
                raise LedgerError(f"{_words(known)} is known: give another --from, or --replace --reason R")
    add_conversion(connection, card.provider, conversion, origin="user", reason=replace_with_reason)
    return True


def charges_priced_otherwise(connection: Connection, provider: str) -> int:
    """Counts a provider's live charges at another entry, or another figure of a conversion, than those in force now."""
    card = cards_in_force(connection)[provider]
    pins = PinnedIds()
    pins.pin(connection, [card], adding=False)
    live = (
        select(func.count())
        .select_from(charges)
        .join(usage_records, charges.c.usage_record_id == usage_records.c.id)
        .where(charges.c.provider == provider, is_live())
    )
    billed = select(rollup_keys.c.billed_model).where(rollup_keys.c.provider == provider).distinct()
    count = 0
    for model in connection.execute(billed).scalars():
        rates = card.models.get(model)
        for start, end, served, entry in () if rates is None else _prices(card, rates):
            conversion = pins.conversion(provider, card.conversion_at(start))
            # Charges in USD have none, which is in no list and out of none.
            other = [] if conversion is None else [charges.c.conversion_id.not_in(pins.same_conversions(conversion))]
            query = live.where(
                charges.c.billed_model == model,
                column_within(usage_records.c.occurred_at, start, end),
                _served_as(served),
                or_(charges.c.rate_entry_id != pins.entry(entry), *other),
            )
            count += int(connection.execute(query).scalar_one())
    return count


def _prices(
    card: RateCard, rates: ModelRates
) -> Iterator[tuple[datetime, datetime | None, tuple[str, ...], RateEntry]]:
    """Yields a model's prices by span of time: its start and end, the names of the service tier, and the entry."""
    cuts = {conversion.effective_from for conversion in card.conversions}
    days = sorted(cuts.union(*(entry.cuts for entry in rates.entries)))
    for start, end in zip(days, [*days[1:], None], strict=True):
        listed = rates.list_entry_at(start)
        for names in () if listed is None else ((), *(each.service_names for each in listed.services)):
            entry = rates.entry_at(start, names[0] if names else None)
            if entry is not None:
                yield start, end, names, entry


def _served_as(names: tuple[str, ...]) -> ColumnElement[bool]:
    """Tells, in SQL, whether usage is priced at a service tier of these names; at the standard one for none."""
    tier, kind = usage_records.c.service_tier, usage_records.c.kind
    if not names:
        return or_(kind == "cache_storage", tier.is_(None), tier.in_(STANDARD_NAMES))
    counts = [usage_records.c[name] for name in ("input_tokens", "output_tokens", "calls")]
    return and_(kind == "request", tier.in_(names), or_(*(count > 0 for count in counts)))
