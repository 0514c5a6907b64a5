"""Card files, the price entries and conversions that charges pin."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Table, Text, UniqueConstraint

from ledger.store.tables.base import metadata
from ledger.store.tables.columns import BigInt, UtcTime, optional, required, row_id

card_versions = Table(
    "card_versions",
    metadata,
    row_id(),
    *required(Text, "provider", "origin"),
    Column("digest", Text, nullable=False, comment="sha256 of content"),
    Column("content", Text, nullable=False, comment="the TOML text as it was given"),
    Column("reason", Text),
    Column("added_at", UtcTime, nullable=False),
    CheckConstraint("origin IN ('built-in', 'user')", name="origin"),
    sqlite_strict=True,
    comment="Rate card files, append-only. User ones are laid over the built-in one in order of id.",
)

rate_entries = Table(
    "rate_entries",
    metadata,
    row_id(),
    Column("card_version_id", BigInt, ForeignKey("card_versions.id"), nullable=False),
    *required(Text, "provider", "model", "currency"),
    Column("effective_from", UtcTime, nullable=False),
    Column("key", Text, nullable=False, comment="provider/model/date#digest, what exports print"),
    Column("digest", Text, nullable=False, comment="sha256 of content"),
    Column("content", Text, nullable=False, comment="canonical JSON of all that decides a price"),
    Column("recorded_at", UtcTime, nullable=False),
    UniqueConstraint("digest"),
    sqlite_strict=True,
    comment="Dated prices that a charge was or may be worked out by, append-only.",
)

conversions = Table(
    "conversions",
    metadata,
    row_id(),
    *required(Text, "provider", "currency"),
    Column("per_usd_nano", BigInt, nullable=False, comment="nano of the currency for 1 USD"),
    Column("effective_from", UtcTime, nullable=False),
    Column("origin", Text, nullable=False),
    *optional(Text, "source_url", "checked_on", "reason"),
    Column("added_at", UtcTime, nullable=False),
    CheckConstraint("per_usd_nano > 0", name="positive"),
    CheckConstraint("origin IN ('card', 'user')", name="origin"),
    sqlite_strict=True,
    comment="Dated conversions to USD, append-only; of two with one start the later row holds.",
)
