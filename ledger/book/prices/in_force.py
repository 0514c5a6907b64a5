"""The rate cards in force in a ledger: built-in ones, user files laid over them, conversions; and their rows' ids.

Rows are only ever added. A charge points at the `rate_entries` and `conversions` rows it was priced by.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, select, true

from ledger.book.prices.pinned import conversion_of
from ledger.errors import LedgerError
from ledger.store.tables import card_versions, conversions
from pricing.card_contracts import check_contracts
from pricing.card_file import CardFile, parse_card
from pricing.catalog import built_in_card_files, merge_cards
from pricing.money import Conversion
from pricing.rate_card import RateCard


def cards_in_force(
    connection: Connection,
    files: Sequence[CardFile] = (),
    *,
    as_of: datetime | None = None,
    providers: Collection[str] | None = None,
) -> dict[str, RateCard]:
    """Merges each provider's card: built-in, the ledger's user files, conversions added by command, `files`.

    With `as_of` all of it as the ledger had it at that time, also under a release that ships other cards. With
    `providers` theirs alone: a card of many models takes long to read. Contracts of `files` must fit; one of the
    ledger's that doesn't, as a release may bring other prices, prices nothing.
    """
    versions = card_versions.c
    query = select(versions.id, versions.content).order_by(versions.origin, versions.id)
    query = query.where(versions.origin == "user" if as_of is None else versions.added_at <= as_of)
    if providers is not None:
        query = query.where(versions.provider.in_(providers))
    stored = [parse_card(content, f"card version {number}") for number, content in connection.execute(query)]
    known = [*(built_in_card_files() if as_of is None else ()), *stored, *files]
    cards = merge_cards([file for file in known if providers is None or file.provider in providers])
    if files:
        before = merge_cards(known[: -len(files)])
        for provider in {file.provider for file in files}:
            check_contracts(cards[provider], before.get(provider))
    return {
        provider: _with_conversions(
            card, [*user_conversions(connection, provider, as_of), *_conversions_of(files, provider)]
        )
        for provider, card in cards.items()
    }


def card_in_force(connection: Connection, provider: str) -> RateCard:
    """Returns the provider's card in force; LedgerError where it has none."""
    cards = cards_in_force(connection)
    if provider not in cards:
        raise LedgerError(f"provider {provider!r} has no rate card: give {' or '.join(sorted(cards))} as --provider")
    return cards[provider]


def _conversions_of(files: Iterable[CardFile], provider: str) -> list[Conversion]:
    return [conversion for file in files if file.provider == provider for conversion in file.conversions]


def user_conversions(connection: Connection, provider: str, as_of: datetime | None = None) -> list[Conversion]:
    """Reads conversions added by command, up to a time where one is given, oldest command first."""
    added = true() if as_of is None else conversions.c.added_at <= as_of
    rows = connection.execute(
        select(conversions)
        .where(conversions.c.origin == "user", conversions.c.provider == provider, added)
        .order_by(conversions.c.id)
    )
    return list(map(conversion_of, rows))


def _with_conversions(card: RateCard, added: Iterable[Conversion]) -> RateCard:
    by_start = {conversion.effective_from: conversion for conversion in (*card.conversions, *added)}
    return replace(card, conversions=tuple(by_start[start] for start in sorted(by_start)))
