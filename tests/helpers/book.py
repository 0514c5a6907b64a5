"""A ledger filled row by row, roll-ups included, with what no command posts yet: late months, several conversions.

Everything is worked out here anew, with plain loops, so that reports can be held against it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ledger.store import tables as models
from ledger.store.database import Database
from ledger.store.driver import run
from ledger.store.opening import create_database, open_ledger
from ledger.values.instants import from_microseconds, to_microseconds
from pricing.catalog import load_rate_cards
from pricing.charge import price_entry, price_storage
from pricing.rate_card import RateCard
from pricing.rate_entry import RateEntry
from pricing.usage import TokenUsage
from tests.helpers.quarters import Cell, pack
from tests.helpers.stored import store

CODE, PRO, LITE, MINI = (f"doubao-seed-2.0-{name}" for name in ("code", "pro", "lite", "mini"))
QUARTER = timedelta(minutes=15)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Booked:
    """One charge and its usage record, as a test words it. `per_usd` None is a card in USD."""

    project: str = "search"
    model: str = CODE
    at: datetime = NOON
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    storage_tokens: int = 0
    storage: timedelta | None = None
    provider: str = "evolink"
    per_usd: str | None = "72"
    source: str = "evolink"
    status: str = "completed"
    tags: Mapping[str, str] = field(default_factory=dict)
    request_id: str | None = None
    requested_model: str | None = None
    reported_model: str | None = None
    model_differs: bool = False
    posted_month: str | None = None
    charge_class: str = "charge"
    corrects: int | None = None

    @property
    def kind(self) -> str:
        return "request" if self.storage is None else "cache_storage"

    @property
    def sign(self) -> int:
        return -1 if self.charge_class == "reversal" else 1

    def reversed(self, number: int, **changes: object) -> Booked:
        """The reversal of this charge, whose number it was given."""
        return replace(self, charge_class="reversal", corrects=number, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Priced:
    """A charge with its figures, numbered from 1 in order of posting."""

    number: int
    booked: Booked
    entry: RateEntry
    tier: str
    nano: dict[str, int]
    occurred_month: str
    posted_month: str

    @cached_property
    def measures(self) -> dict[str, int]:
        """What the charge adds to the roll-ups."""
        booked, sign = self.booked, self.booked.sign
        hours = 0
        if booked.storage is not None:
            hours = price_storage(self.entry, 1, booked.at, booked.at + booked.storage).lines[0].hours or 0
        counts = {
            "requests": int(booked.kind == "request"),
            "input_tokens": booked.input_tokens,
            "cached_input_tokens": booked.cached_input_tokens,
            "output_tokens": booked.output_tokens,
            "reasoning_tokens": booked.reasoning_tokens,
            "storage_token_hours": booked.storage_tokens * hours,
        }
        return {name: sign * count for name, count in counts.items()} | self.nano


class Book:
    """Charges by their numbers, and the ledger they stand in."""

    def __init__(self, url: str, *, timezone: str = "UTC", rollup_tags: Iterable[str] = ()) -> None:
        create_database(url, timezone=timezone, rollup_tags=tuple(rollup_tags))
        self.database: Database = open_ledger(url)
        self.zone = ZoneInfo(timezone)
        self.rollup_tags = tuple(self.database.rollup_tags)
        self.cards: dict[str, RateCard] = load_rate_cards()
        self.priced: list[Priced] = []
        self._entries: list[RateEntry] = []
        self._conversions: list[tuple[str, str]] = []

    def add(self, *booked: Booked) -> Book:
        """Price the charges; they go into the ledger with `post`."""
        for one in booked:
            self.priced.append(self._price(len(self.priced) + 1, one))
        return self

    def _price(self, number: int, booked: Booked) -> Priced:
        entry = self.cards[booked.provider].entry_at(booked.model, booked.at)
        if booked.storage is None:
            usage = TokenUsage(
                booked.input_tokens, booked.cached_input_tokens, booked.output_tokens, booked.reasoning_tokens
            )
            charge = price_entry(entry, usage)
        else:
            charge = price_storage(entry, booked.storage_tokens, booked.at, booked.at + booked.storage)
        names = ("input", "cached_input", "output", "cache_storage")
        nano = dict.fromkeys([f"{name}_nano" for name in names], 0)
        nano |= {f"{line.meter}_nano": booked.sign * line.amount_nano for line in charge.lines}
        nano["amount_nano"] = booked.sign * charge.amount_nano
        month = f"{booked.at.astimezone(self.zone):%Y-%m}"
        tier = "none" if charge.tier is None else charge.tier.label
        return Priced(number, booked, entry, tier, nano, month, booked.posted_month or month)

    def post(self) -> Book:
        """Insert everything: prices, conversions, a batch, usage records, charges and both roll-ups."""
        with self.database.writing() as connection:
            connection.execute(
                models.card_versions.insert().values(
                    id=1, provider="evolink", origin="built-in", digest="1", content="", added_at=NOON
                )
            )
            self._pin(connection)
            connection.execute(
                models.batches.insert().values(
                    id=1, run_id=1, sequence=1, kind="ingest", options="{}", posted_at=NOON, first_usage_record_id=1,
                    last_usage_record_id=len(self.priced), first_charge_id=1, last_charge_id=len(self.priced),
                    amounts="{}", digest="1", previous="",
                )
            )  # fmt: skip
            for one in self.priced:
                store(lambda text, values: run(connection, text, values), self._usage_row(one), self._charge_row(one))
            self._roll_up(connection)
        return self

    def _pin(self, connection: Connection) -> None:
        for priced in self.priced:
            booked = priced.booked
            if priced.entry not in self._entries:
                self._entries.append(priced.entry)
            if booked.per_usd is not None and (booked.provider, booked.per_usd) not in self._conversions:
                self._conversions.append((booked.provider, booked.per_usd))
        for number, entry in enumerate(self._entries, 1):
            connection.execute(
                models.rate_entries.insert().values(
                    id=number, card_version_id=1, provider=entry.provider, model=entry.model, currency=entry.currency,
                    effective_from=entry.effective_from, key=entry.key, digest=entry.digest, content=entry.content(),
                    recorded_at=NOON,
                )
            )  # fmt: skip
        for number, (provider, per_usd) in enumerate(self._conversions, 1):
            connection.execute(
                models.conversions.insert().values(
                    id=number, provider=provider, currency=self.cards[provider].currency,
                    per_usd_nano=int(Decimal(per_usd) * 10**9), effective_from=NOON, origin="card", added_at=NOON,
                )
            )  # fmt: skip

    def _usage_row(self, priced: Priced) -> dict[str, object]:
        booked = priced.booked
        return {
            "id": priced.number, "batch_id": 1, "kind": booked.kind, "source": booked.source,
            "request_id": booked.request_id or f"r{priced.number}", "generation": priced.number,
            "provider": booked.provider, "occurred_at": to_microseconds(booked.at),
            "requested_model": booked.requested_model, "reported_model": booked.reported_model,
            "project": booked.project, "status": booked.status,
            "service_tier": None, "input_tokens": booked.input_tokens,
            "cached_input_tokens": booked.cached_input_tokens, "output_tokens": booked.output_tokens,
            "reasoning_tokens": booked.reasoning_tokens, "tags": tags_json(booked.tags),
            "storage_tokens": booked.storage_tokens if booked.storage is not None else None,
            "storage_end": None if booked.storage is None else to_microseconds(booked.at + booked.storage),
            "provider_amount_nano": None, "assumed": 0,
        }  # fmt: skip

    def _charge_row(self, priced: Priced) -> dict[str, object]:
        booked = priced.booked
        return {
            "id": priced.number, "batch_id": 1, "usage_record_id": priced.number, "charge_class": booked.charge_class,
            "corrects_id": booked.corrects, "occurred_month": priced.occurred_month,
            "posted_month": priced.posted_month,
            "project": booked.project, "provider": booked.provider, "currency": priced.entry.currency,
            "billed_model": booked.model, "model_differs": int(booked.model_differs),
            "rate_entry_id": self._entries.index(priced.entry) + 1, "conversion_id": self._conversion_id(booked),
            "tier": priced.tier, **priced.nano,
        }  # fmt: skip

    def _conversion_id(self, booked: Booked) -> int | None:
        return None if booked.per_usd is None else self._conversions.index((booked.provider, booked.per_usd)) + 1

    def _roll_up(self, connection: Connection) -> None:
        keys: dict[tuple[object, ...], int] = {}
        days: dict[tuple[int, str], list[Priced]] = {}
        quarters: dict[tuple[int, datetime], list[Priced]] = {}
        for priced in self.priced:
            row = self._charge_row(priced)
            kept = {key: value for key, value in priced.booked.tags.items() if key in self.rollup_tags}
            names = [column.name for column in models.rollup_keys.c][2:]
            of = row | {"source": priced.booked.source, "status": priced.booked.status, "kind": priced.booked.kind,
                        "tags": tags_json(kept)}  # fmt: skip
            key = tuple(of[name] for name in names)
            number = keys.get(key)
            if number is None:
                number = keys[key] = len(keys) + 1
                values = dict(zip(names, key, strict=True)) | {"id": number, "digest": str(number)}
                connection.execute(models.rollup_keys.insert().values(values))
            at = priced.booked.at
            days.setdefault((number, f"{at.astimezone(self.zone):%Y-%m-%d}"), []).append(priced)
            start = at - (at - datetime(1970, 1, 1, tzinfo=UTC)) % QUARTER
            quarters.setdefault((number, start), []).append(priced)
        connection.execute(
            models.rollup_days.insert(),
            [{"key_id": key, "day": day, **_summed(all_)} for (key, day), all_ in days.items()],
        )
        connection.execute(
            models.rollup_quarters.insert(),
            [
                {"half_day": from_microseconds(half_day), "key_id": key, "quarters": bits, "cells": packed}
                for half_day, key, bits, packed in pack(
                    {(to_microseconds(quarter), key): _cell(all_) for (key, quarter), all_ in quarters.items()}
                )
            ],
        )

    # --- the same, asked in plain loops -----------------------------------------------------------------------------

    def posted_at(self, priced: Priced) -> datetime:
        """The posted time: the occurred time, or the first instant of another posted month."""
        if priced.posted_month == priced.occurred_month:
            return priced.booked.at
        year, month = map(int, priced.posted_month.split("-"))
        return datetime(year, month, 1, tzinfo=self.zone)


def tags_json(tags: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(tags.items())), ensure_ascii=False, separators=(",", ":"))


def _summed(all_: list[Priced]) -> dict[str, object]:
    sums: dict[str, object] = {name: sum(one.measures.get(name, 0) for one in all_) for name in models.MEASURES}
    return sums | {"last_occurred_at": max(one.booked.at for one in all_)}


def _cell(all_: list[Priced]) -> Cell:
    sums = _summed(all_)
    return Cell(tuple(sums[name] for name in models.MEASURES), to_microseconds(max(one.booked.at for one in all_)))  # type: ignore[misc]
