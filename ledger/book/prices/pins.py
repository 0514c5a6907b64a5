"""Rows of cards, prices and conversions that charges are pinned to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from ledger.store.log import append_row
from ledger.store.tables import card_versions, conversions, rate_entries
from pricing.card_file import CardFile, parse_card
from pricing.catalog import built_in_card_files, merge_cards
from pricing.money import Conversion
from pricing.rate_card import RateCard
from pricing.rate_entry import RateEntry


class PinnedIds:
    """Row ids of card entries and conversions, filled in for a run's cards by `pin`; negative ones are of no row."""

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
        """Returns nano of the currency for 1 USD, by a conversion's row id."""
        return None if conversion_id is None else self._per_usd[conversion_id]

    def same_conversions(self, conversion_id: int | None) -> list[int]:
        """Returns the row ids of conversions at a conversion's figure, of any provider; none for none."""
        figure = self.per_usd_nano(conversion_id)
        return [number for number, per_usd_nano in self._per_usd.items() if per_usd_nano == figure]

    def pin(self, connection: Connection, cards: Iterable[RateCard], *, adding: bool = True) -> None:
        """Looks up the rows of the cards' entries and conversions, adding those the ledger doesn't hold yet.

        Adding needs the write lock; without it, they get ids of no row.
        """
        found = connection.execute(select(rate_entries.c.digest, rate_entries.c.id))
        self.entries = {row.digest: row.id for row in found}
        kept = connection.execute(select(conversions).order_by(conversions.c.id))
        self._conversions = {}
        for row in kept:
            # One that was corrected and put back has two rows: all charges by it are pinned to the first.
            self._conversions.setdefault((row.provider, row.effective_from, row.per_usd_nano), row.id)
            self._per_usd[row.id] = row.per_usd_nano
        for card in cards:
            missing = [entry for entry in card.entries() if entry.digest not in self.entries]
            if missing and adding:
                self._add_entries(connection, card.provider, missing)
            for entry in missing:
                self.entries.setdefault(entry.digest, -1 - len(self.entries))
            for conversion in card.conversions:
                key = (card.provider, conversion.effective_from, conversion.per_usd_nano)
                if key not in self._conversions:
                    number = -1 - len(self._conversions)
                    if adding:
                        number = add_conversion(connection, card.provider, conversion, origin="card")
                    self._conversions[key], self._per_usd[number] = number, conversion.per_usd_nano

    def _add_entries(self, connection: Connection, provider: str, entries: Sequence[RateEntry]) -> None:
        version_of = _version_ids(connection, provider)
        now = datetime.now(UTC)
        for entry in entries:
            self.entries[entry.digest] = append_row(
                connection,
                rate_entries,
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


def _version_ids(connection: Connection, provider: str) -> dict[str, int]:
    """Returns the card version of each entry, by digest; the built-in file in use is added where it is new."""
    rows = connection.execute(
        select(card_versions).where(card_versions.c.provider == provider).order_by(card_versions.c.id)
    )
    built_in = [file for file in built_in_card_files() if file.provider == provider]
    versions = [(add_version(connection, file, origin="built-in"), file) for file in built_in]
    versions += [(row.id, parse_card(row.content, f"card version {row.id}")) for row in rows if row.origin == "user"]
    found: dict[str, int] = {}
    for place, (number, _file) in enumerate(versions, 1):
        merged = merge_cards([file for _number, file in versions[:place]])[provider]
        for entry in merged.entries():
            found.setdefault(entry.digest, number)
    return found


def add_version(connection: Connection, file: CardFile, *, origin: str, reason: str | None = None) -> int:
    """Returns the id of that file's row, added where it is new; a user's is always added, for order counts."""
    if origin == "built-in":
        known = connection.execute(
            select(card_versions.c.id).where(card_versions.c.digest == file.digest, card_versions.c.origin == origin)
        ).scalar()
        if known is not None:
            return int(known)
    return append_row(
        connection,
        card_versions,
        provider=file.provider,
        origin=origin,
        digest=file.digest,
        content=file.text,
        reason=reason,
        added_at=datetime.now(UTC),
    )


def add_conversion(
    connection: Connection, provider: str, conversion: Conversion, *, origin: str, reason: str | None = None
) -> int:
    """Appends a conversion row and returns its id."""
    return append_row(
        connection,
        conversions,
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
