"""The rate cards in force in a ledger: built-in ones, user files laid over them, conversions; and their rows' ids.

Rows are only ever added. A charge points at the `rate_entries` and `conversions` rows it was worked out by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from sqlalchemy import Connection, func, or_, select

from ledger.errors import LedgerError
from ledger.store.bulk import next_id
from ledger.store.tables import card_versions, charges, conversions, rate_entries, usage_records
from pricing.catalog import CardFile, built_in_card_files, changed_entries, merge_cards, parse_card
from pricing.errors import PricingError
from pricing.money import Conversion, format_nano
from pricing.rate_card import RateCard, RateEntry


def cards_in_force(connection: Connection, files: Sequence[CardFile] = ()) -> dict[str, RateCard]:
    """Every provider's card: built-in, the ledger's user files in order, conversions added by command, then `files`."""
    rows = connection.execute(
        select(card_versions.c.id, card_versions.c.content)
        .where(card_versions.c.origin == "user")
        .order_by(card_versions.c.id)
    )
    user_files = [parse_card(content, f"card version {number}") for number, content in rows]
    cards = merge_cards([*built_in_card_files(), *user_files, *files])
    return {
        provider: _with_conversions(card, [*user_conversions(connection, provider), *_conversions_of(files, provider)])
        for provider, card in cards.items()
    }


def _conversions_of(files: Iterable[CardFile], provider: str) -> list[Conversion]:
    return [conversion for file in files if file.provider == provider for conversion in file.conversions]


def user_conversions(connection: Connection, provider: str) -> list[Conversion]:
    """Conversions added by command, oldest command first."""
    rows = connection.execute(
        select(conversions)
        .where(conversions.c.origin == "user", conversions.c.provider == provider)
        .order_by(conversions.c.id)
    )
    return [
        Conversion(
            currency=row.currency,
            per_usd_nano=row.per_usd_nano,
            effective_from=row.effective_from,
            source_url=row.source_url,
            checked_on=date.fromisoformat(row.checked_on) if row.checked_on else None,
        )
        for row in rows
    ]


def _with_conversions(card: RateCard, added: Iterable[Conversion]) -> RateCard:
    by_start = {conversion.effective_from: conversion for conversion in (*card.conversions, *added)}
    return replace(card, conversions=tuple(by_start[start] for start in sorted(by_start)))


class PinnedIds:
    """Row ids of card entries and conversions, filled in for a run's cards by `pin`."""

    def __init__(self) -> None:
        self.entries: dict[str, int] = {}
        self._conversions: dict[tuple[str, datetime, int], int] = {}
        self._per_usd: dict[int, int] = {}

    def entry(self, entry: RateEntry) -> int:
        return self.entries[entry.digest]

    def conversion(self, provider: str, conversion: Conversion | None) -> int | None:
        if conversion is None:
            return None
        return self._conversions[provider, conversion.effective_from, conversion.per_usd_nano]

    def per_usd_nano(self, conversion_id: int | None) -> int | None:
        """Nano of the currency for 1 USD, by a conversion's row id."""
        return None if conversion_id is None else self._per_usd[conversion_id]

    def pin(self, connection: Connection, cards: Iterable[RateCard]) -> None:
        """Look up the rows of the cards' entries and conversions, adding those the ledger doesn't hold yet."""
        found = connection.execute(select(rate_entries.c.digest, rate_entries.c.id))
        self.entries = {row.digest: row.id for row in found}
        kept = connection.execute(select(conversions).order_by(conversions.c.id))
        self._conversions = {(row.provider, row.effective_from, row.per_usd_nano): row.id for row in kept}
        for card in cards:
            missing = [
                entry for model in card.models.values() for entry in model.entries if entry.digest not in self.entries
            ]
            if missing:
                self._add_entries(connection, card.provider, missing)
            for conversion in card.conversions:
                if (card.provider, conversion.effective_from, conversion.per_usd_nano) not in self._conversions:
                    number = add_conversion(connection, card.provider, conversion, origin="card")
                    self._conversions[card.provider, conversion.effective_from, conversion.per_usd_nano] = number
        self._per_usd = {number: per_usd for (_provider, _start, per_usd), number in self._conversions.items()}

    def _add_entries(self, connection: Connection, provider: str, entries: Sequence[RateEntry]) -> None:
        version_of = _version_ids(connection, provider)
        first = next_id(connection, rate_entries)
        now = datetime.now(UTC)
        for number, entry in enumerate(entries, first):
            connection.execute(
                rate_entries.insert().values(
                    id=number,
                    card_version_id=version_of[entry.digest],
                    provider=provider,
                    model=entry.model,
                    currency=entry.currency,
                    effective_from=entry.effective_from,
                    key=entry.key,
                    digest=entry.digest,
                    content=entry.content(),
                    recorded_at=now,
                )
            )
            self.entries[entry.digest] = number


def _version_ids(connection: Connection, provider: str) -> dict[str, int]:
    """The card version each entry comes from, by entry digest; the built-in file in use is added where it is new."""
    rows = connection.execute(
        select(card_versions).where(card_versions.c.provider == provider).order_by(card_versions.c.id)
    )
    versions: list[tuple[int, CardFile]] = []
    built_in = [file for file in built_in_card_files() if file.provider == provider]
    versions += [(_add_version(connection, file, origin="built-in"), file) for file in built_in]
    versions += [(row.id, parse_card(row.content, f"card version {row.id}")) for row in rows if row.origin == "user"]
    found: dict[str, int] = {}
    so_far: list[CardFile] = []
    for number, file in versions:
        so_far.append(file)
        merged = merge_cards(so_far)[provider]
        for model in merged.models.values():
            for entry in model.entries:
                found.setdefault(entry.digest, number)
    return found


def _add_version(connection: Connection, file: CardFile, *, origin: str, reason: str | None = None) -> int:
    """The id of that file's row, added where it is new; a user's is always added, for order counts."""
    if origin == "built-in":
        known = connection.execute(
            select(card_versions.c.id).where(card_versions.c.digest == file.digest, card_versions.c.origin == origin)
        ).scalar()
        if known is not None:
            return int(known)
    number = next_id(connection, card_versions)
    connection.execute(
        card_versions.insert().values(
            id=number,
            provider=file.provider,
            origin=origin,
            digest=file.digest,
            content=file.text,
            reason=reason,
            added_at=datetime.now(UTC),
        )
    )
    return number


def add_card(connection: Connection, file: CardFile, *, replace_with_reason: str | None) -> list[str]:
    """Lay a user's card over those in force; returns what changed in words, nothing where the card adds nothing.

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
    added = _new_facts(current, after)
    if not added:
        return []
    _add_version(connection, file, origin="user", reason=replace_with_reason)
    _overrule_conversions(connection, current, file, replace_with_reason)
    pins = PinnedIds()
    pins.pin(connection, [after])
    return added


def _overrule_conversions(connection: Connection, current: RateCard | None, file: CardFile, reason: str | None) -> None:
    """Add a corrected conversion as a command's too: those that commands added stand above the ones in card files."""
    standing = {known.effective_from: known.per_usd_nano for known in current.conversions} if current else {}
    for conversion in file.conversions:
        if standing.get(conversion.effective_from, conversion.per_usd_nano) != conversion.per_usd_nano:
            add_conversion(connection, file.provider, conversion, origin="user", reason=reason)


def _new_facts(before: RateCard | None, after: RateCard) -> list[str]:
    known = _facts(before) if before else set()
    return sorted(_facts(after) - known)


def _facts(card: RateCard) -> set[str]:
    facts = {f"entry {entry.key}" for model in card.models.values() for entry in model.entries}
    facts |= {f"model {model.id} known as {alias}" for model in card.models.values() for alias in model.aliases}
    facts |= {f"conversion {_words(conversion)}" for conversion in card.conversions}
    return facts


def _words(conversion: Conversion) -> str:
    per_usd = format_nano(conversion.per_usd_nano)
    return f"{per_usd} {conversion.currency} = 1 USD from {conversion.effective_from:%Y-%m-%d}"


def add_conversion(
    connection: Connection, provider: str, conversion: Conversion, *, origin: str, reason: str | None = None
) -> int:
    """Append a conversion row and return its id."""
    number = next_id(connection, conversions)
    connection.execute(
        conversions.insert().values(
            id=number,
            provider=provider,
            currency=conversion.currency,
            per_usd_nano=conversion.per_usd_nano,
            effective_from=conversion.effective_from,
            origin=origin,
            source_url=conversion.source_url,
            checked_on=conversion.checked_on.isoformat() if conversion.checked_on else None,
            reason=reason,
            added_at=datetime.now(UTC),
        )
    )
    return number


def add_user_conversion(
    connection: Connection, card: RateCard, conversion: Conversion, *, replace_with_reason: str | None
) -> bool:
    """Add a dated conversion; False where it is in force already, LedgerError where its start has another figure."""
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
    """How many live charges of a provider stand at another entry or conversion than the ones in force now."""
    card = cards_in_force(connection)[provider]
    pins = PinnedIds()
    pins.pin(connection, [card])
    count = 0
    undoing = charges.alias("undoing")
    undone = (
        select(undoing.c.id).where(undoing.c.corrects_id == charges.c.id, undoing.c.charge_class == "reversal").exists()
    )
    live = (
        select(func.count())
        .select_from(charges)
        .join(usage_records, charges.c.usage_record_id == usage_records.c.id)
        .where(charges.c.provider == provider, charges.c.charge_class.in_(["charge", "replacement"]), ~undone)
    )
    cuts = sorted(
        {conversion.effective_from for conversion in card.conversions}
        | {entry.effective_from for model in card.models.values() for entry in model.entries}
    )
    for model in card.models.values():
        for start, end in zip(cuts, [*cuts[1:], None], strict=True):
            try:
                entry_id = pins.entry(card.entry_at(model.id, start))
            except PricingError:
                continue
            conversion_id = pins.conversion(provider, card.conversion_at(start))
            query = live.where(
                charges.c.billed_model == model.id,
                usage_records.c.occurred_at >= start,
                or_(charges.c.rate_entry_id != entry_id, charges.c.conversion_id != conversion_id),
            )
            if end is not None:
                query = query.where(usage_records.c.occurred_at < end)
            count += int(connection.execute(query).scalar_one())
    return count
